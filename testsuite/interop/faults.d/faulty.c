/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For LD_PRELOAD: nothing gets to the disk for certain while the file that FAULTY_DISK names is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static int broken(void)
{
	const char *file = getenv("FAULTY_DISK");

	return file != NULL && access(file, F_OK) == 0;
}

#define FAULTY(name, parameters, arguments) \
	int name parameters \
	{ \
		int (*real) parameters = dlsym(RTLD_NEXT, #name); \
		if (broken()) { \
			errno = EIO; \
			return -1; \
		} \
		return real arguments; \
	}

FAULTY(fsync, (int fd), (fd))
FAULTY(fdatasync, (int fd), (fd))
FAULTY(msync, (void *at, size_t length, int flags), (at, length, flags))
FAULTY(fallocate, (int fd, int mode, off_t from, off_t length), (fd, mode, from, length))
FAULTY(fallocate64, (int fd, int mode, off64_t from, off64_t length), (fd, mode, from, length))
