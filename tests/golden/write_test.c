/*
 * write_test.c
 *		The writer against the golden vectors, without a server: messages put together by
 *decoder/wire_write.c must equal, byte for byte, those of the .vec files.
 *
 *	cc -I decoder tests/golden/write_test.c decoder/wire_write.c && ./a.out tests/golden      (or
 *tests/golden/run)
 *
 * Rows and descriptions need a server; sql/decoder_golden.sql holds them to the vectors.
 */
#include <stdio.h>
#include <stdlib.h>

#include "wire_write.h"

static const char *folder;
static int failures;
static int checks;

static void *
grow(void *data, size_t size)
{
	void *grown = realloc(data, size);

	if (!grown)
		abort();
	return grown;
}

static WireBuffer buf = {.grow = grow};
static const WireHeader usual = {741, 0x1500028, 0x1500058, 777000000000000, ""};

/* Appends the hex digits of one line of a vector. */
static void
read_hex(const char *line, WireBuffer *into)
{
	unsigned value;
	int used;

	for (line++; sscanf(line, " %2x%n", &value, &used) == 1; line += used)
		wire_put_byte(into, (uint8_t) value);
}

/* Compares what is in buf with the first bytes of message number (from 0) of a vector; empties buf.
 */
static void
expect(const char *vector, int number, int whole)
{
	char path[1024];
	char line[4096];
	WireBuffer wanted = {.grow = grow};
	int at = -1;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.vec", folder, vector);
	file = fopen(path, "r");
	if (!file)
	{
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), file))
	{
		at += line[0] == '>';
		if (at == number && (line[0] == '>' || line[0] == '+'))
			read_hex(line, &wanted);
	}
	fclose(file);
	checks++;
	if (wanted.len < buf.len || (whole && wanted.len != buf.len) ||
	    memcmp(wanted.data, buf.data, buf.len) != 0)
	{
		printf("not ok: message %d of %s\n", number, vector);
		failures++;
	}
	free(wanted.data);
	buf.len = 0;
}

static void
test_two_phase(void)
{
	WireHeader header = usual;

	wire_put_chunk(&buf, DTS_CHUNK_FIRST | DTS_CHUNK_LAST, &header, "g 1", 0);
	expect("twophase", 1, 0);
	header.commit_lsn = 0x1500100;
	header.end_lsn = 0x1500130;
	wire_put_ending(&buf, DTS_MSG_COMMIT_PREPARED, &header, "g 1", 0x1500058);
	expect("twophase", 2, 1);
	header = (WireHeader){742, 0x1500300, 0x1500330, usual.time, ""};
	wire_put_ending(&buf, DTS_MSG_ROLLBACK_PREPARED, &header, "g2", 0x1500230);
	expect("twophase", 4, 1);
	header = (WireHeader){760, 0x1500400, 0x1500430, usual.time, ""};
	wire_put_ending(&buf, DTS_MSG_STREAM_PREPARE, &header, "g3", 0);
	expect("twophase", 6, 1);
}

/* The records follow a description in the one message. */
static void
test_refused(void)
{
	static const uint8_t description[] = {0x72, 0x01, 0x80, 0x80, 0x01, 0x06, 0x70, 0x75,
	                                      0x62, 0x6c, 0x69, 0x63, 0x01, 0x74, 0x72, 0x64,
	                                      0x00, 0x02, 0x05, 0x02, 0x69, 0x64, 0x17, 0x00,
	                                      0x66, 0x04, 0x00, 0x01, 0x78, 0x19, 0x00, 0x62};
	const WireRefusal row = {1,  'I', "22012", "", "10 / id > 1", 0, "division by zero",
	                         "", "",  "id = 0"};
	const WireRefusal all = {
	    1, 'U', "42703", "label", "upper(z)", 7, "column \"z\" does not exist", "d", "h", ""};

	wire_put_chunk(&buf, DTS_CHUNK_FIRST | DTS_CHUNK_LAST, &usual, NULL, 0);
	wire_put_bytes(&buf, description, sizeof(description));
	wire_put_refused(&buf, &row);
	wire_put_refused(&buf, &all);
	expect("refused", 1, 1);
}

static void
test_chunks(void)
{
	const WireHeader far = {4294967295, UINT64_C(0xFFFFFFFF00000000), UINT64_C(0xFFFFFFFF0000012C),
	                        -1, "node \"a\""};

	wire_put_chunk(&buf, DTS_CHUNK_FIRST, &usual, NULL, 0);
	expect("chunks", 1, 0);
	wire_put_chunk(&buf, 0, &usual, NULL, 1);
	expect("chunks", 2, 0);
	wire_put_chunk(&buf, DTS_CHUNK_FIRST, &far, NULL, 0);
	expect("chunks", 4, 0);
	wire_put_chunk(&buf, 0, &far, NULL, 1);
	buf.data[WIRE_FLAGS_AT] |= DTS_CHUNK_LAST;
	expect("chunks", 5, 1);
}

static void
test_stream(void)
{
	wire_put_stream(&buf, 741, 0);
	expect("stream", 1, 0);
	wire_put_stream(&buf, 741, 1);
	wire_put_byte(&buf, DTS_REC_SUBXACT);
	wire_put_varint(&buf, 743);
	expect("stream", 3, 0);
	wire_put_stream_abort(&buf, 741, 743);
	expect("stream", 4, 1);
	wire_put_ending(&buf, DTS_MSG_STREAM_COMMIT, &usual, NULL, 0);
	expect("stream", 5, 1);
}

int
main(int argc, char **argv)
{
	folder = argc > 1 ? argv[1] : "tests/golden";
	wire_put_hello(&buf, 150020, "UTF8", 65536, "1.0");
	expect("hello", 0, 1);
	wire_put_hello(&buf, 180001, "LATIN1", 1048576, "1.0");
	expect("hello_other", 0, 1);
	test_refused();
	test_chunks();
	test_stream();
	test_two_phase();
	wire_put_chunk(&buf, DTS_CHUNK_FIRST | DTS_CHUNK_LAST, &usual, NULL, 0);
	wire_put_fragment(&buf, DTS_FRAGMENT_FIRST | DTS_FRAGMENT_LAST, 5, "hello", 5);
	expect("fragments", 1, 0);
	free(buf.data);
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
