/*
 * worker_program.c
 *		Programs such as pg_dump, run without a shell; see worker.h.
 *
 * What a program says on stderr is kept, its last part at least, and ends up in the error when it
 *fails, with passwords masked: a program given a connection string may well repeat it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program_exec.h"
#include "strbuf.h"
#include "worker_internal.h"

#define STDERR_KEPT    (64 * 1024)
#define PROGRAMS_MAX   64
#define TERM_GRACE_MS  3000
#define EXIT_NOT_FOUND 127

struct Program
{
	pid_t pid; /* 0: ended and collected */
	int status;
	int stderr_fd; /* -1: at its end */
	char *name;
	StrBuf output;
};

static void
child(const char *const *argv, const char *const *env, int in_fd, int out_fd, int err_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[3] = {in_fd < 0 ? null_fd : in_fd, out_fd < 0 ? null_fd : out_fd, err_fd};

	/* above 2 first, so that no dup2 overwrites one that is still needed; dup2 clears CLOEXEC */
	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 3; i++)
	{
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			_exit(EXIT_NOT_FOUND);
	}
	signal(SIGPIPE, SIG_DFL);
	for (; env != NULL && *env != NULL; env++)
	{
		if (putenv((char *) *env) != 0)
			_exit(EXIT_NOT_FOUND);
	}
	program_exec(argv);
	dprintf(STDERR_FILENO, "could not run \"%s\": %s\n", argv[0], strerror(errno));
	_exit(EXIT_NOT_FOUND);
}

Program *
worker_run(Worker *w, const char *const *argv, const char *const *env, int in_fd, int out_fd,
           Error *err)
{
	int fds[2];
	Program *program;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
	{
		error_set(err, "53000", "could not run \"%s\"", argv[0]);
		error_detail(err, "%s.", strerror(errno));
		return NULL;
	}
	pid = worker_fork(w);
	if (pid == 0)
	{
		child(argv, env, in_fd, out_fd, fds[1]);
		_exit(EXIT_NOT_FOUND);
	}
	close(fds[1]);
	if (pid < 0)
	{
		error_set(err, "53000", "could not run \"%s\"", argv[0]);
		error_detail(err, "%s.", strerror(errno));
		close(fds[0]);
		return NULL;
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	program = xcalloc(1, sizeof(*program));
	program->pid = pid;
	program->stderr_fd = fds[0];
	program->name = xstrdup(argv[0]);
	strbuf_init(&program->output);
	return program;
}

static void
read_stderr(Program *program)
{
	char buffer[4096];
	ssize_t n;

	if (program->stderr_fd < 0)
		return;
	while ((n = read(program->stderr_fd, buffer, sizeof(buffer))) > 0)
	{
		if (program->output.len + (size_t) n > STDERR_KEPT)
			strbuf_reset(&program->output);
		strbuf_add(&program->output, buffer, (size_t) n);
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
	{
		close(program->stderr_fd);
		program->stderr_fd = -1;
	}
}

static void
end_programs(Worker *w, Program **programs, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (programs[i]->pid != 0)
			kill(programs[i]->pid, SIGTERM);
	}
	for (int waited = 0; waited <= TERM_GRACE_MS; waited += 10)
	{
		bool left = false;

		for (int i = 0; i < count; i++)
		{
			if (programs[i]->pid != 0 &&
			    worker_child_exited(w, programs[i]->pid, &programs[i]->status))
				programs[i]->pid = 0;
			left = left || programs[i]->pid != 0;
			if (programs[i]->pid != 0 && waited + 10 > TERM_GRACE_MS - 500)
				kill(programs[i]->pid, SIGKILL);
		}
		if (!left)
			return;
		usleep(10 * 1000);
	}
}

static void
report_failure(Worker *w, Program *program, Error *err)
{
	const char *text;

	worker_mask_secrets(w, program->output.data);
	while (program->output.len > 0 && program->output.data[program->output.len - 1] == '\n')
		program->output.data[--program->output.len] = '\0';
	/* the end of what it said is what matters */
	text = program->output.data;
	if (program->output.len > ERROR_TEXT_MAX - 1)
		text += program->output.len - (ERROR_TEXT_MAX - 1);
	if (WIFSIGNALED(program->status))
		error_set(err, ERR_CHILD, "program \"%s\" was ended by signal %d", program->name,
		          WTERMSIG(program->status));
	else
		error_set(err, ERR_CHILD, "program \"%s\" failed with exit status %d", program->name,
		          WEXITSTATUS(program->status));
	error_detail(err, "%s", text);
}

static void
programs_free(Program **programs, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (programs[i]->stderr_fd >= 0)
			close(programs[i]->stderr_fd);
		strbuf_free(&programs[i]->output);
		free(programs[i]->name);
		free(programs[i]);
		programs[i] = NULL;
	}
}

WorkerOrder
worker_run_wait(Worker *w, Program **programs, int count, bool *ok, Error *err)
{
	WorkerOrder order = ORDER_GO_ON;

	*ok = true;
	error_clear(err);
	for (;;)
	{
		struct pollfd fds[PROGRAMS_MAX];
		int nfds = 0;
		bool left = false;

		for (int i = 0; i < count; i++)
		{
			Program *program = programs[i];

			read_stderr(program);
			if (program->pid != 0 && worker_child_exited(w, program->pid, &program->status))
			{
				program->pid = 0;
				read_stderr(program);
				if (program->status != 0 && *ok)
				{
					*ok = false;
					report_failure(w, program, err);
				}
			}
			left = left || program->pid != 0;
			if (program->stderr_fd >= 0 && nfds < PROGRAMS_MAX)
				fds[nfds++] = (struct pollfd){.fd = program->stderr_fd, .events = POLLIN};
		}
		/* one that failed would leave the others waiting at a pipe */
		if (!left || !*ok)
			break;
		order = worker_wait(w, fds, nfds, 1000);
		if (order != ORDER_GO_ON)
			break;
	}
	if (order != ORDER_GO_ON && *ok)
	{
		*ok = false;
		error_set(err, "57014", "program \"%s\" was ended because the job yields",
		          programs[0]->name);
	}
	end_programs(w, programs, count);
	programs_free(programs, count);
	return order;
}
