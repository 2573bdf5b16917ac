/*
 * worker_call.c
 *		Blocking functions, run in a child of the worker.
 *
 * Connecting to a server that does not answer blocks libpq for many seconds, and the lease must be
 *renewed meanwhile.  So whatever talks to an end outside the phases runs in a child, which writes
 *one JSON object to a pipe and ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "strbuf.h"
#include "worker_internal.h"

#define OUTPUT_MAX (16 * 1024 * 1024)

static void
write_all(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0)
	{
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(1);
		text += n;
		len -= (size_t) n;
	}
}

static json_t *
error_to_json(const Error *err)
{
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:s, s:s}", "sqlstate", err->sqlstate, "message", err->message,
	              "detail", err->detail, "hint", err->hint, "context", err->context);

	if (json == NULL)
		json = json_pack("{s:s, s:s}", "sqlstate", err->sqlstate, "message",
		                 "error text is not UTF-8");
	return json;
}

static void
copy_member(char *to, const json_t *json, const char *member)
{
	const char *text = json_string_value(json_object_get(json, member));

	snprintf(to, ERROR_TEXT_MAX, "%s", text ? text : "");
}

static void
error_from_json(Error *err, const json_t *json)
{
	const char *sqlstate = json_string_value(json_object_get(json, "sqlstate"));

	error_set(err, sqlstate ? sqlstate : ERR_INTERNAL, "%s", "");
	copy_member(err->message, json, "message");
	copy_member(err->detail, json, "detail");
	copy_member(err->hint, json, "hint");
	copy_member(err->context, json, "context");
}

static void
run_in_child(const Job *job, WorkerFunction function, void *arg, int fd)
{
	json_t *result = json_object();
	json_t *answer;
	char *text;
	Error err;
	bool ok;

	error_clear(&err);
	ok = function(job, arg, result, &err);
	answer = json_pack("{s:b, s:o}", "ok", ok ? 1 : 0, "result", result);
	if (!ok)
		json_object_set_new(answer, "error", error_to_json(&err));
	text = json_dumps(answer, JSON_COMPACT);
	if (text == NULL)
		_exit(1);
	write_all(fd, text);
	_exit(0);
}

static WorkerCallEnd
read_answer(const StrBuf *output, int status, json_t **result, Error *err)
{
	json_t *answer = json_loadb(output->data, output->len, 0, NULL);
	WorkerCallEnd end = CALL_FAILED;

	if (answer == NULL)
	{
		error_set(err, WIFSIGNALED(status) ? ERR_KILLED : ERR_CHILD,
		          "a process of the job ended without an answer");
		if (WIFSIGNALED(status))
			error_detail(err, "It was ended by signal %d.", WTERMSIG(status));
		return CALL_FAILED;
	}
	if (result != NULL)
		*result = json_incref(json_object_get(answer, "result"));
	if (json_is_true(json_object_get(answer, "ok")))
		end = CALL_OK;
	else
		error_from_json(err, json_object_get(answer, "error"));
	json_decref(answer);
	return end;
}

static int
end_child(Worker *w, pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	while (!worker_child_exited(w, pid, &status))
		usleep(1000);
	return status;
}

struct WorkerCall
{
	Worker *w;
	pid_t pid;
	int fd;
	StrBuf output;
};

WorkerCall *
worker_call_start(Worker *w, WorkerFunction function, void *arg, Error *err)
{
	WorkerCall *call;
	int fds[2];
	pid_t pid;

	error_clear(err);
	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = worker_fork(w)) < 0)
	{
		error_set(err, "53000", "could not start a process of the job");
		error_detail(err, "%s.", strerror(errno));
		return NULL;
	}
	if (pid == 0)
	{
		close(fds[0]);
		run_in_child(&w->job, function, arg, fds[1]);
		_exit(1);
	}
	close(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	call = xcalloc(1, sizeof(*call));
	call->w = w;
	call->pid = pid;
	call->fd = fds[0];
	strbuf_init(&call->output);
	return call;
}

int
worker_call_fd(const WorkerCall *call)
{
	return call->fd;
}

static void
call_free(WorkerCall *call)
{
	close(call->fd);
	strbuf_free(&call->output);
	free(call);
}

bool
worker_call_step(WorkerCall *call, WorkerCallEnd *end, json_t **result, Error *err)
{
	char buffer[8192];
	int status = 0;
	ssize_t n;

	*result = NULL;
	while ((n = read(call->fd, buffer, sizeof(buffer))) > 0 && call->output.len <= OUTPUT_MAX)
		strbuf_add(&call->output, buffer, (size_t) n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* the pipe is at its end, so the child is about to be */
	while (!worker_child_exited(call->w, call->pid, &status))
		usleep(1000);
	*end = read_answer(&call->output, status, result, err);
	call_free(call);
	return true;
}

void
worker_call_cancel(WorkerCall *call)
{
	if (call == NULL)
		return;
	end_child(call->w, call->pid);
	call_free(call);
}

WorkerCallEnd
worker_call(Worker *w, WorkerFunction function, void *arg, bool yields, json_t **result, Error *err)
{
	WorkerCall *call = worker_call_start(w, function, arg, err);
	WorkerCallEnd end = CALL_FAILED;
	json_t *answer;

	if (call == NULL)
		return CALL_FAILED;
	for (;;)
	{
		struct pollfd poll_fd = {.fd = call->fd, .events = POLLIN};
		WorkerOrder order = worker_wait(w, &poll_fd, 1, 1000);

		if (order == ORDER_LEAVE || (order == ORDER_YIELD && yields))
		{
			worker_call_cancel(call);
			return CALL_LEFT;
		}
		if (worker_call_step(call, &end, &answer, err))
			break;
	}
	if (result != NULL)
		*result = answer;
	else
		json_decref(answer);
	return end;
}
