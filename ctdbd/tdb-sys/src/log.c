/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libtdb logs through a function with a variable number of arguments. This one makes a line of them. */

#include <stdarg.h>
#include <stdio.h>

struct tdb_context;

static void (*sink)(int level, const char *line);

/* Lines go to this function from now on. It may be called from any thread. */
void tdb_sys_log_to(void (*function)(int level, const char *line))
{
	sink = function;
}

void tdb_sys_log(struct tdb_context *tdb, int level, const char *format, ...)
{
	char line[512];
	va_list arguments;

	(void)tdb;
	if (sink == NULL) {
		return;
	}
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	sink(level, line);
}
