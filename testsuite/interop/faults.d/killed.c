/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For LD_PRELOAD: the process ends by SIGKILL at the KILL_AT-th call that changes a file system, if it is the
 * program KILL_PROGRAM. Each such call adds a byte to the file KILL_COUNT, so that its size counts them; at the
 * end the name of the call goes to KILL_LOG. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static long counted;

static void append(const char *variable, const char *text)
{
	const char *path = getenv(variable);
	int fd;

	if (path == NULL)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	syscall(SYS_write, fd, text, strlen(text));
	syscall(SYS_close, fd);
}

static void point(const char *call)
{
	const char *program = getenv("KILL_PROGRAM");
	const char *at = getenv("KILL_AT");
	int saved = errno;

	if (program == NULL || strcmp(program, program_invocation_short_name) != 0)
		return;
	counted++;
	append("KILL_COUNT", ".");
	if (at != NULL && atol(at) == counted) {
		append("KILL_LOG", call);
		append("KILL_LOG", "\n");
		kill(getpid(), SIGKILL);
	}
	errno = saved;
}

/* Sockets and pipes are not what is left on a disk. */
static int on_disk(int fd)
{
	struct stat what;

	return fstat(fd, &what) == 0 && S_ISREG(what.st_mode);
}

#define CALL(type, name, parameters, arguments, when) \
	type name parameters \
	{ \
		type (*real) parameters = dlsym(RTLD_NEXT, #name); \
		if (when) \
			point(#name); \
		return real arguments; \
	}

CALL(int, fsync, (int fd), (fd), on_disk(fd))
CALL(int, fdatasync, (int fd), (fd), on_disk(fd))
CALL(int, msync, (void *at, size_t length, int flags), (at, length, flags), 1)
CALL(int, ftruncate, (int fd, off_t length), (fd, length), on_disk(fd))
CALL(int, ftruncate64, (int fd, off64_t length), (fd, length), on_disk(fd))
CALL(int, fallocate, (int fd, int mode, off_t from, off_t length), (fd, mode, from, length), on_disk(fd))
CALL(int, fallocate64, (int fd, int mode, off64_t from, off64_t length), (fd, mode, from, length), on_disk(fd))
CALL(int, posix_fallocate, (int fd, off_t from, off_t length), (fd, from, length), on_disk(fd))
CALL(int, posix_fallocate64, (int fd, off64_t from, off64_t length), (fd, from, length), on_disk(fd))
CALL(ssize_t, pwrite, (int fd, const void *data, size_t length, off_t at), (fd, data, length, at), on_disk(fd))
CALL(ssize_t, pwrite64, (int fd, const void *data, size_t length, off64_t at), (fd, data, length, at), on_disk(fd))
CALL(int, rename, (const char *from, const char *to), (from, to), 1)
CALL(int, unlink, (const char *path), (path), 1)
CALL(int, link, (const char *from, const char *to), (from, to), 1)
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), 1)

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
		mode_t mode = 0; \
		va_list more; \
		va_start(more, flags); \
		if (flags & O_CREAT) \
			mode = va_arg(more, mode_t); \
		va_end(more); \
		if (flags & O_CREAT) \
			point(#name); \
		return real(path, flags, mode); \
	}

OPEN(open)
OPEN(open64)
