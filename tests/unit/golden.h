/*
 * golden.h
 *		Reads the golden vectors of the wire format (tests/golden/README has their format).
 */
#ifndef DTS_TEST_GOLDEN_H
#define DTS_TEST_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct GoldenMessage
{
	uint8_t *bytes;
	size_t len;
	char **readings; /* without "= " */
	int reading_count;
	bool refused; /* the reader must refuse it */
} GoldenMessage;

typedef struct Golden
{
	char *name; /* of the file, without ".vec" */
	GoldenMessage *messages;
	int count;
} Golden;

/* All vectors whose names begin with prefix, in the order of names; ends the process on bad files.
 */
Golden *golden_load(const char *prefix, int *count);
void golden_free(Golden *vectors, int count);

#endif /* DTS_TEST_GOLDEN_H */
