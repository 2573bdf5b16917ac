/*
 * reading.c
 *		Texts of readings; see reading.h.
 */
#include "reading.h"

#include <string.h>

static void
put_name(StrBuf *to, const char *name)
{
	strbuf_putc(to, '"');
	for (const unsigned char *p = (const unsigned char *) name; *p != '\0'; p++)
	{
		if (*p == '"' || *p == '\\')
			strbuf_printf(to, "\\%c", *p);
		else if (*p < 0x20 || *p > 0x7e)
			strbuf_printf(to, "\\x%02x", *p);
		else
			strbuf_putc(to, (char) *p);
	}
	strbuf_putc(to, '"');
}

static void
put_flags(StrBuf *to, unsigned flags, const char *letters)
{
	size_t before = to->len;

	for (int bit = 0; letters[bit] != '\0'; bit++)
	{
		if (flags & (1u << bit))
			strbuf_putc(to, letters[bit]);
	}
	if (to->len == before)
		strbuf_putc(to, '-');
}

static void
put_hex(StrBuf *to, const char *data, size_t len)
{
	if (len == 0)
		strbuf_puts(to, "''");
	for (size_t i = 0; i < len; i++)
		strbuf_printf(to, "%02x", (unsigned char) data[i]);
}

void
reading_header(StrBuf *to, const TxnHeader *h)
{
	strbuf_printf(to, "xid=%u commit=" LSN_FORMAT " end=" LSN_FORMAT " time=%lld origin=", h->xid,
	              LSN_ARGS(h->commit), LSN_ARGS(h->end), (long long) h->commit_time);
	put_name(to, h->origin);
}

void
reading_message(StrBuf *to, const WireMessage *m)
{
	switch (m->kind)
	{
		case DTS_MSG_HELLO:
			strbuf_printf(to, "hello version=1 server=%u encoding=", m->server_version);
			put_name(to, m->encoding);
			strbuf_printf(to, " chunk=%llu decoder=", (unsigned long long) m->chunk_size);
			put_name(to, m->decoder_version);
			return;
		case DTS_MSG_TXN:
		case DTS_MSG_PREPARE:
			strbuf_puts(to, m->kind == DTS_MSG_TXN ? "txn flags=" : "prepare flags=");
			put_flags(to, m->flags, "FL");
			strbuf_printf(to, " chunk=%llu", (unsigned long long) m->chunk_number);
			break;
		case DTS_MSG_STREAM:
			strbuf_printf(to, "stream xid=%u chunk=%llu", m->xid,
			              (unsigned long long) m->chunk_number);
			return;
		case DTS_MSG_STREAM_ABORT:
			strbuf_printf(to, "stream_abort xid=%u sub=%u", m->xid, m->aborted_xid);
			return;
		case DTS_MSG_STREAM_COMMIT:
			strbuf_puts(to, "stream_commit");
			break;
		case DTS_MSG_STREAM_PREPARE:
			strbuf_puts(to, "stream_prepare");
			break;
		case DTS_MSG_COMMIT_PREPARED:
			strbuf_puts(to, "commit_prepared");
			break;
		case DTS_MSG_ROLLBACK_PREPARED:
			strbuf_puts(to, "rollback_prepared");
			break;
	}
	if (m->gid != NULL)
	{
		strbuf_puts(to, " gid=");
		put_name(to, m->gid);
	}
	if (m->prepare_end.value != 0)
		strbuf_printf(to, " prepare_end=" LSN_FORMAT, LSN_ARGS(m->prepare_end));
	strbuf_putc(to, ' ');
	reading_header(to, &m->header);
}

static void
put_column(StrBuf *to, const Column *c)
{
	put_name(to, c->name);
	strbuf_printf(to, " %u/%d ", c->type_oid, c->typmod);
	if (c->fixed_len > 0)
		strbuf_printf(to, "f%u", c->fixed_len);
	else
		strbuf_putc(to, c->format == FORMAT_TEXT ? 't' : 'b');
	if (c->type_name != NULL)
	{
		strbuf_putc(to, ':');
		put_name(to, c->type_schema);
		strbuf_putc(to, '.');
		put_name(to, c->type_name);
	}
	strbuf_putc(to, ' ');
	put_flags(to, c->is_key | c->not_null << 1 | c->identity_always << 2, "kni");
}

void
reading_relation(StrBuf *to, const Relation *r, uint64_t number)
{
	strbuf_printf(to, "relation %llu oid=%u ", (unsigned long long) number, r->oid);
	put_name(to, r->schema);
	strbuf_putc(to, '.');
	put_name(to, r->name);
	strbuf_printf(to, " kind=%c identity=%c flags=", r->relkind, r->identity);
	put_flags(to, (r->root_schema != NULL) | r->no_identity << 1, "RN");
	strbuf_puts(to, " root=");
	if (r->root_schema != NULL)
	{
		put_name(to, r->root_schema);
		strbuf_putc(to, '.');
		put_name(to, r->root_name);
	}
	else
		strbuf_putc(to, '-');
	strbuf_puts(to, " columns=(");
	for (int i = 0; i < r->column_count; i++)
	{
		if (i > 0)
			strbuf_puts(to, ", ");
		put_column(to, &r->columns[i]);
	}
	strbuf_putc(to, ')');
}

static void
put_values(StrBuf *to, const Value *values, int count)
{
	bool first = true;

	strbuf_puts(to, " (");
	for (int i = 0; i < count; i++)
	{
		const Value *v = &values[i];

		if (v->state == VALUE_ABSENT)
			continue;
		if (!first)
			strbuf_puts(to, ", ");
		first = false;
		switch (v->state)
		{
			case VALUE_NULL:
				strbuf_puts(to, "null");
				break;
			case VALUE_UNCHANGED:
				strbuf_puts(to, "unchanged");
				break;
			case VALUE_PRESENT:
				put_hex(to, v->data, v->len);
				break;
			case VALUE_ABSENT:
				break;
		}
	}
	strbuf_putc(to, ')');
}

static void
put_row_change(StrBuf *to, const Change *c)
{
	static const char *const updates[] = {"update", "update_key", "update_old"};
	static const char *const deletes[] = {"delete", "delete_key", "delete_old"};

	strbuf_puts(to, c->kind == CHANGE_INSERT   ? "insert"
	                : c->kind == CHANGE_UPDATE ? updates[c->old_row]
	                                           : deletes[c->old_row]);
	strbuf_printf(to, " %u", c->relation->number);
	if (c->old_values != NULL)
		put_values(to, c->old_values, c->relation->column_count);
	if (c->new_values != NULL)
		put_values(to, c->new_values, c->relation->column_count);
}

static void
put_refused_text(StrBuf *to, const char *name, const char *text)
{
	strbuf_printf(to, " %s=", name);
	put_name(to, text);
}

void
reading_change(StrBuf *to, const Change *c)
{
	switch (c->kind)
	{
		case CHANGE_INSERT:
		case CHANGE_UPDATE:
		case CHANGE_DELETE:
			put_row_change(to, c);
			break;
		case CHANGE_TRUNCATE:
			strbuf_puts(to, "truncate ");
			put_flags(to, c->cascade | c->restart_identity << 1, "CR");
			for (int i = 0; i < c->truncated_count; i++)
				strbuf_printf(to, " %u", c->truncated[i]->number);
			break;
		case CHANGE_MESSAGE:
			strbuf_puts(to, "message ");
			put_name(to, c->prefix);
			strbuf_putc(to, ' ');
			put_hex(to, c->content, c->content_len);
			break;
		case CHANGE_NO_IDENTITY:
			strbuf_printf(to, "no_identity %u %c", c->relation->number, c->operation);
			break;
		case CHANGE_REFUSED:
			strbuf_printf(to, "refused %u %c state=%s position=%u", c->relation->number,
			              c->operation, c->refused->sqlstate, c->refused->position);
			put_refused_text(to, "column", c->refused->column);
			put_refused_text(to, "expression", c->refused->expression);
			put_refused_text(to, "message", c->refused->message);
			put_refused_text(to, "detail", c->refused->detail);
			put_refused_text(to, "hint", c->refused->hint);
			put_refused_text(to, "key", c->refused->key);
			break;
	}
}
