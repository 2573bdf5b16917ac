/*
 * copy_roles.c
 *		Roles in definitions; see copy_roles.h.
 *
 * The SQL comes from pg_dump or from ourselves, so its shapes are few: a role stands alone after FOR
 * ROLE, OWNER TO, SESSION AUTHORIZATION or USER MAPPING FOR, ends a GRANT ... TO or REVOKE ... FROM,
 * or stands in a policy's list after TO.  Words are told apart from quoted names and texts, and
 * those in parentheses (arguments of a function, a policy's condition) are passed over.
 */
#include "copy_roles.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "strbuf.h"

/* Names in the order in which they came, each once. */
typedef struct RoleList
{
	const char **names;
	int count;
	int room;
} RoleList;

struct CopyRoles
{
	const Job *job;
	Arena *arena;
	const char **names; /* on the target, sorted; an owner-to-be has a '+' behind its NUL */
	int count;
	RoleList missing;
	RoleList foreign;
};

/* One word, name or sign of a statement. */
typedef struct Token
{
	const char *at;
	size_t len;
	char kind; /* 'w' word, '"' quoted name, '\'' text, else the sign itself */
} Token;

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

CopyRoles *
copy_roles_read(const Job *job, PgSession *target, Arena *arena, Error *err)
{
	CopyRoles *roles = arena_zalloc(arena, sizeof(CopyRoles));
	PgRows *rows = pg_session_query(
	    target, err,
	    "SELECT rolname, pg_catalog.pg_has_role(current_user, oid, CASE WHEN "
	    "pg_catalog.current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' "
	    "END) FROM pg_catalog.pg_roles",
	    0, NULL);

	if (rows == NULL)
	{
		error_context(err, "reading the target's roles");
		return NULL;
	}
	roles->job = job;
	roles->arena = arena;
	roles->count = pg_rows_count(rows);
	roles->names = arena_alloc(arena, sizeof(char *) * ((size_t) roles->count + 1));
	for (int i = 0; i < roles->count; i++)
	{
		const char *name = pg_rows_get(rows, i, 0);
		size_t len = strlen(name);
		char *entry = arena_alloc(arena, len + 2);

		memcpy(entry, name, len + 1);
		entry[len + 1] = pg_rows_bool(rows, i, 1) ? '+' : '-';
		roles->names[i] = entry;
	}
	qsort(roles->names, (size_t) roles->count, sizeof(char *), compare_names);
	pg_rows_free(rows);
	return roles;
}

static void
list_add(CopyRoles *roles, RoleList *list, const char *role)
{
	for (int i = 0; i < list->count; i++)
	{
		if (strcmp(list->names[i], role) == 0)
			return;
	}
	if (list->count == list->room)
	{
		int room = list->room == 0 ? 16 : list->room * 2;
		const char **more = arena_alloc(roles->arena, sizeof(char *) * (size_t) room);

		if (list->count > 0)
			memcpy(more, list->names, sizeof(char *) * (size_t) list->count);
		list->names = more;
		list->room = room;
	}
	list->names[list->count++] = arena_strdup(roles->arena, role);
}

/* The target's role of that name, with its mark, or NULL. */
static const char *
find_role(const CopyRoles *roles, const char *name)
{
	const char **found = roles->count == 0 ? NULL
	                                       : bsearch(&name, roles->names, (size_t) roles->count,
	                                                 sizeof(char *), compare_names);

	return found == NULL ? NULL : *found;
}

const char *
copy_roles_name(CopyRoles *roles, const char *role)
{
	const char *found = find_role(roles, job_role(roles->job, role));

	if (found == NULL)
		list_add(roles, &roles->missing, role);
	return found;
}

const char *
copy_roles_owner(CopyRoles *roles, const char *role)
{
	const char *found = copy_roles_name(roles, role);

	if (found == NULL || found[strlen(found) + 1] == '+')
		return found;
	/* what a role of the server's own has, its database's owner has without us */
	if (strncmp(found, "pg_", 3) != 0)
		list_add(roles, &roles->foreign, found);
	return NULL;
}

int
copy_roles_missing(const CopyRoles *roles, const char *const **names)
{
	*names = roles->missing.names;
	return roles->missing.count;
}

int
copy_roles_foreign(const CopyRoles *roles, const char *const **names)
{
	*names = roles->foreign.names;
	return roles->foreign.count;
}

/* End of a quoted piece that begins here; backslashes count in E'...'. */
static const char *
quoted_end(const char *at, bool escapes)
{
	char quote = *at++;

	for (; *at != '\0'; at++)
	{
		if (escapes && *at == '\\' && at[1] != '\0')
			at++;
		else if (*at == quote)
		{
			if (at[1] != quote)
				return at + 1;
			at++;
		}
	}
	return at;
}

/* The next token at or after `at`; its kind is '\0' at the end. */
static Token
next_token(const char *at)
{
	Token t = {.at = at};
	const char *end;

	while (isspace((unsigned char) *t.at))
		t.at++;
	end = t.at;
	if (*end == '"' || *end == '\'')
	{
		t.kind = *end;
		end = quoted_end(end, false);
	}
	else if (*end == 'E' && end[1] == '\'')
	{
		t.kind = '\'';
		end = quoted_end(end + 1, true);
	}
	else if (isalnum((unsigned char) *end) || *end == '_' || (*end & 0x80) != 0)
	{
		t.kind = 'w';
		while (isalnum((unsigned char) *end) || *end == '_' || *end == '$' || (*end & 0x80) != 0)
			end++;
	}
	else if (*end != '\0')
		t.kind = *end++;
	t.len = (size_t) (end - t.at);
	return t;
}

static bool
is_word(const Token *t, const char *word)
{
	return t->kind == 'w' && t->len == strlen(word) && strncasecmp(t->at, word, t->len) == 0;
}

static const char *
role_of(const CopyRoles *roles, const Token *t)
{
	char *name;
	size_t n = 0;

	if (t->kind != '"')
		return arena_strndup(roles->arena, t->at, t->len);
	name = arena_alloc(roles->arena, t->len);
	for (size_t i = 1; i + 1 < t->len; i++)
	{
		name[n++] = t->at[i];
		if (t->at[i] == '"')
			i++;
	}
	name[n] = '\0';
	return name;
}

/* Puts the role's name on the target; false when it has none. */
static bool
put_role(CopyRoles *roles, const Token *t, StrBuf *out)
{
	const char *role = role_of(roles, t);
	const char *name;

	/* no role can be called that, quoted or not */
	if (strcasecmp(role, "public") == 0)
	{
		strbuf_puts(out, "PUBLIC");
		return true;
	}
	name = copy_roles_name(roles, role);
	if (name != NULL)
		strbuf_ident(out, name);
	return name != NULL;
}

/* Where a role stands next, given the words before. */
typedef enum Place
{
	PLACE_NONE,
	PLACE_ROLE,
	PLACE_LIST, /* of a policy */
} Place;

static Place
place_after(const Token *t, const Token *before, const Token *first, const Token *second)
{
	bool grant = is_word(first, "GRANT") || is_word(first, "REVOKE") ||
	             (is_word(first, "ALTER") && is_word(second, "DEFAULT"));

	if (is_word(t, "AUTHORIZATION") || (is_word(t, "ROLE") && is_word(before, "FOR")) ||
	    (is_word(t, "TO") && is_word(before, "OWNER")) ||
	    (is_word(t, "FOR") && is_word(before, "MAPPING")) ||
	    (is_word(t, "ROLE") && is_word(first, "ALTER") && before->at == first->at))
		return PLACE_ROLE;
	if (grant && (is_word(t, "TO") || is_word(t, "FROM")))
		return PLACE_ROLE;
	if (is_word(t, "TO") && is_word(first, "CREATE") && is_word(second, "POLICY"))
		return PLACE_LIST;
	return PLACE_NONE;
}

/* A policy's roles, each once; *at ends behind them.  False when none is left. */
static bool
put_list(CopyRoles *roles, const char **at, StrBuf *out)
{
	const char **seen = NULL;
	int kept = 0;
	int room = 0;

	for (;;)
	{
		Token t = next_token(*at);
		size_t len = out->len;
		bool twice = false;
		bool found;

		strbuf_puts(out, kept > 0 ? ", " : " ");
		*at = t.at + t.len;
		found = put_role(roles, &t, out);
		for (int i = 0; found && i < kept; i++)
			twice = twice || strcmp(seen[i], out->data + len + (kept > 0 ? 2 : 1)) == 0;
		if (!found || twice)
		{
			out->len = len;
			out->data[len] = '\0';
		}
		else
		{
			if (kept == room)
				seen = xrealloc(seen, sizeof(char *) * (size_t) (room = room * 2 + 8));
			seen[kept] = arena_strdup(roles->arena, out->data + len + (kept > 0 ? 2 : 1));
			kept++;
		}
		t = next_token(*at);
		if (t.kind != ',')
			break;
		*at = t.at + t.len;
	}
	free(seen);
	return kept > 0;
}

/*
 * One statement, to its semicolon.  False: it is to be left out.  *mute: it began a block of another
 * user's, that of a missing role.
 */
static bool
put_statement(CopyRoles *roles, const char **sql, StrBuf *out, bool *mute)
{
	const char *at = *sql;
	Token first = {0}, second = {0}, before = {0};
	int depth = 0;
	bool keep = true;

	for (;;)
	{
		Token t = next_token(at);
		Place place;

		if (t.kind == '\0')
			break;
		strbuf_add(out, at, (size_t) (t.at + t.len - at));
		at = t.at + t.len;
		/* two roles may have become one */
		if (is_word(&t, "MAPPING") && is_word(&second, "USER") && is_word(&before, "USER"))
			strbuf_puts(out, " IF NOT EXISTS");
		if (t.kind == ';' && depth == 0)
			break;
		depth += t.kind == '(' ? 1 : t.kind == ')' ? -1 : 0;
		if (first.at == NULL)
			first = t;
		else if (second.at == NULL)
			second = t;
		place = depth == 0 && !is_word(&first, "RESET") ? place_after(&t, &before, &first, &second)
		                                                : PLACE_NONE;
		before = t;
		if (place == PLACE_ROLE)
		{
			Token role = next_token(at);

			strbuf_putc(out, ' ');
			at = role.at + role.len;
			if (!put_role(roles, &role, out))
			{
				keep = false;
				*mute = *mute || is_word(&t, "AUTHORIZATION");
			}
		}
		else if (place == PLACE_LIST)
			keep = put_list(roles, &at, out) && keep;
	}
	if (is_word(&first, "RESET") && *mute)
	{
		*mute = false;
		keep = false;
	}
	*sql = at;
	return keep && !*mute && first.at != NULL;
}

const char *
copy_roles_rewrite(CopyRoles *roles, const char *sql)
{
	const char *at = sql;
	const char *result;
	StrBuf out, statement;
	bool mute = false;

	strbuf_init(&out);
	strbuf_init(&statement);
	while (next_token(at).kind != '\0')
	{
		strbuf_reset(&statement);
		if (put_statement(roles, &at, &statement, &mute))
			strbuf_add(&out, statement.data, statement.len);
	}
	result = out.len == 0 ? "" : arena_strndup(roles->arena, out.data, out.len);
	strbuf_free(&out);
	strbuf_free(&statement);
	return strcmp(result, sql) == 0 ? NULL : result;
}
