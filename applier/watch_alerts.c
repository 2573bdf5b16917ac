/*
 * watch_alerts.c
 *		Posts the alerts that the control database has ready; it alone knows rules, texts and
 *signatures.
 *
 * An address may be reached that the rule's author could not: so no redirects are followed, no
 *proxy of the environment is used, only HTTP is spoken, and the address connected to is judged.  Of
 *an answer nothing but status and code is kept.  An alert is posted at least once: when its outcome
 *could not be reported it comes again, with the same id in its body.
 */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "alert_address.h"
#include "arena.h"
#include "log.h"
#include "version.h"
#include "watch.h"

#define ROUND_PAUSE_MS  1000
#define CONNECT_SECONDS 5
#define TOTAL_SECONDS   15
#define ANSWER_MAX      4096
#define REASON_MAX      160

typedef struct Post
{
	const char *url;
	const char *headers; /* one a line */
	const char *body;
	bool internal;    /* internal addresses are allowed */
	bool checks_code; /* the answer is JSON with a code, 0 when all is well */
	const char *ca_file;
	bool refused; /* an address was internal */
	char answer[ANSWER_MAX];
	size_t answer_len;
} Post;

typedef struct Outcome
{
	bool ok;
	bool again;
	long status; /* 0: no answer */
	char reason[REASON_MAX];
} Outcome;

static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	Post *post = arg;

	(void) purpose;
	if (!post->internal && alert_address_internal(&address->addr))
	{
		post->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Keeps the beginning of the answer; one that goes on for long is not waited for. */
static size_t
take_answer(char *data, size_t size, size_t count, void *arg)
{
	Post *post = arg;
	size_t len = size * count;
	size_t room = sizeof(post->answer) - post->answer_len;

	memcpy(post->answer + post->answer_len, data, len < room ? len : room);
	post->answer_len += len < room ? len : room;
	return len < room ? len : 0;
}

static struct curl_slist *
header_list(const Post *post)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	char *lines = xstrdup(post->headers);
	char *rest = lines;
	char *line;

	list = curl_slist_append(list, "Expect:");
	while ((line = strsep(&rest, "\n")) != NULL)
	{
		if (line[0] != '\0')
			list = curl_slist_append(list, line);
	}
	free(lines);
	return list;
}

static bool
set_options(CURL *curl, Post *post, struct curl_slist *headers)
{
	bool ok = curl_easy_setopt(curl, CURLOPT_URL, post->url) == CURLE_OK;

#if LIBCURL_VERSION_NUM >= 0x075500
	ok = ok && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
	ok = ok && curl_easy_setopt(curl, CURLOPT_PROTOCOLS,
	                            (long) (CURLPROTO_HTTP | CURLPROTO_HTTPS)) == CURLE_OK;
#endif
	ok = ok && curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long) CONNECT_SECONDS) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long) TOTAL_SECONDS) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_USERAGENT, "dts/" DTS_VERSION) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post->body) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_WRITEDATA, post) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK;
	ok = ok && curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, post) == CURLE_OK;
	if (ok && post->ca_file != NULL)
		ok = curl_easy_setopt(curl, CURLOPT_CAINFO, post->ca_file) == CURLE_OK;
	return ok;
}

/* The code in the answer of a chat service; true when it says that all is well. */
static bool
answer_accepts(const Post *post, Outcome *outcome)
{
	json_t *answer = json_loadb(post->answer, post->answer_len, 0, NULL);
	const json_t *code = json_object_get(answer, "errcode");
	bool ok;

	if (code == NULL)
		code = json_object_get(answer, "code");
	if (code == NULL)
		code = json_object_get(answer, "StatusCode");
	ok = json_is_integer(code) && json_integer_value(code) == 0;
	if (!ok && json_is_integer(code))
		snprintf(outcome->reason, sizeof(outcome->reason), "the service answered code %lld",
		         (long long) json_integer_value(code));
	else if (!ok)
		snprintf(outcome->reason, sizeof(outcome->reason), "the answer has no code");
	json_decref(answer);
	return ok;
}

static void
judge(const Post *post, CURLcode code, Outcome *outcome)
{
	/* an answer too long to be kept is still an answer */
	if (code == CURLE_WRITE_ERROR && outcome->status > 0)
		code = CURLE_OK;
	if (post->refused && code != CURLE_OK)
		snprintf(outcome->reason, sizeof(outcome->reason),
		         "the host's address is internal, which is not allowed for it");
	else if (code != CURLE_OK)
	{
		/* the library's longer texts may repeat the URL */
		outcome->again = code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_URL_MALFORMAT &&
		                 code != CURLE_UNSUPPORTED_PROTOCOL;
		snprintf(outcome->reason, sizeof(outcome->reason), "%s", curl_easy_strerror(code));
	}
	else if (outcome->status / 100 != 2)
	{
		outcome->again = outcome->status == 429 || outcome->status / 100 == 5;
		snprintf(outcome->reason, sizeof(outcome->reason), "the host answered with status %ld%s",
		         outcome->status, outcome->status / 100 == 3 ? "; redirects are not followed" : "");
	}
	else
		outcome->ok = !post->checks_code || answer_accepts(post, outcome);
}

static void
post_alert(Post *post, Outcome *outcome)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = header_list(post);

	memset(outcome, 0, sizeof(*outcome));
	if (curl == NULL || !set_options(curl, post, headers))
		snprintf(outcome->reason, sizeof(outcome->reason), "the HTTP library could not be set up");
	else
	{
		CURLcode code = curl_easy_perform(curl);

		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &outcome->status);
		judge(post, code, outcome);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

static bool
report(PgSession *control, const char *id, const Outcome *outcome, Error *err)
{
	char status[24];
	const char *params[] = {id, outcome->ok ? "true" : "false", status, outcome->reason,
	                        outcome->again ? "true" : "false"};

	snprintf(status, sizeof(status), "%ld", outcome->status);
	if (!outcome->ok)
		log_warn("alert %s could not be posted: %s", id, outcome->reason);
	return pg_session_exec(control, err, "SELECT dts.daemon_alert_done($1, $2, $3, $4, $5)", 5,
	                       params);
}

bool
watch_alerts(PgSession *control, const char *ca_file, int *pause_ms, Error *err)
{
	PgRows *due;
	bool ok = true;

	*pause_ms = ROUND_PAUSE_MS;
	if (!pg_session_exec(control, err, "SELECT dts.daemon_alert_watch()", 0, NULL))
		return false;
	due = pg_session_query(control, err,
	                       "SELECT id, url, headers, body, internal, checks_code "
	                       "FROM dts.daemon_alert_next()",
	                       0, NULL);
	if (due == NULL)
		return false;
	for (int i = 0; ok && i < pg_rows_count(due); i++)
	{
		Post post = {.url = pg_rows_get(due, i, 1),
		             .headers = pg_rows_get(due, i, 2),
		             .body = pg_rows_get(due, i, 3),
		             .internal = pg_rows_bool(due, i, 4),
		             .checks_code = pg_rows_bool(due, i, 5),
		             .ca_file = ca_file};
		Outcome outcome;

		*pause_ms = 0; /* more may wait */
		post_alert(&post, &outcome);
		ok = report(control, pg_rows_get(due, i, 0), &outcome, err);
	}
	pg_rows_free(due);
	return ok;
}
