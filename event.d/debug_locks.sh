#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# debug_locks.sh PID SCOPE DATABASE TYPE: the daemon runs this when the lock
# helper PID has been waiting for long.  Shows who holds locks on the database
# file, and the stacks of those processes.  Locks are found in /proc/locks;
# robust mutexes (TYPE is MUTEX) are looked up by the helper tdb_mutex_check.

: "${CTDB_BASE:=$(cd -P "$(dirname "$0")" && pwd)}"
. "${CTDB_BASE}/functions"

if [ $# -ne 4 ]; then
	die "usage: $0 <pid> { DB | RECORD } <tdb_path> { FCNTL | MUTEX }"
fi

waiter=$1
database=$3
database_name=$(basename "$database")
lock_type=$4

# Some distributions have no gstack.
if ! command -v gstack >/dev/null; then
	gstack()
	{
		gdb --quiet -nx -batch -ex 'thread apply all bt' \
			"/proc/${1}/exe" "$1" 2>/dev/null | grep -E '^(#|Thread )'
	}
fi

command_of()
{
	ps -p "$1" -o comm=
}

# A debugger that attaches to a process in uninterruptible sleep hangs as well.
show_stack()
{
	echo "----- Stack trace for PID=${1} -----"
	case "$(ps -p "$1" -o state=)" in
	D*)
		echo "----- Process in D state, printing kernel stack only"
		get_proc "${1}/stack"
		;;
	*) gstack "$1" ;;
	esac
}

# The database file as /proc/locks names it: MAJOR:MINOR:INODE.
file_id()
{
	if ! ids=$(stat -c '%d:%i' "$database" 2>/dev/null); then
		die "Unable to stat \"${database}\""
	fi
	device=${ids%:*}
	printf '%02x:%02x:%u\n' "$((device >> 8))" "$((device & 255))" "${ids#*:}"
}

# write_locks FILE-ID: prints "waits|holds PID START END".  A waiting process
# has an arrow after the number of the lock.
write_locks()
{
	get_proc locks | awk -v file="$1" '
		{ state = "holds"; first = 2 }
		$2 == "->" { state = "waits"; first = 3 }
		$first == "POSIX" && $(first + 1) == "ADVISORY" && $(first + 2) == "WRITE" &&
		$(first + 4) == file { print state, $(first + 3), $(first + 5), $(first + 6) }'
}

# named_holders: turns "PID WHERE" lines into "PID COMMAND DATABASE WHERE".
named_holders()
{
	while read -r holder where; do
		echo "${holder} $(command_of "$holder") ${database_name} ${where}"
	done
}

# show_holders LIST: and adds them, without the waiter, to holders.
show_holders()
{
	[ -n "$1" ] || return 0
	echo "Lock holders:"
	printf '%s\n' "$1"
	holders="${holders} $(printf '%s\n' "$1" |
		awk -v waiter="$waiter" '$1 != waiter { print $1 }')"
}

look_at_locks()
{
	locks=$(write_locks "$(file_id)")

	waits=$(printf '%s\n' "$locks" | awk -v waiter="$waiter" \
		'$1 == "waits" && $2 == waiter { print $3, $4 }')
	if [ -n "$waits" ]; then
		echo "Waiter:"
		echo "${waiter} $(command_of "$waiter") ${database_name} ${waits}"
	fi

	show_holders "$(printf '%s\n' "$locks" | awk -v waiter="$waiter" \
		'$1 == "holds" && $2 != waiter { print $2, $3, $4 }' | named_holders)"
}

# The helper prints "[CHAIN] pid=PID" for each mutex that is held.  It exists
# only where it is known what a mutex looks like inside.
look_at_mutexes()
{
	helper=${CTDB_HELPER_BINDIR}/tdb_mutex_check
	[ -x "$helper" ] || return 0
	said=$("$helper" "$database") || return 0

	held=$(printf '%s\n' "$said" | sed -n 's/^\[\(.*\)\] pid=\(.*\)/\2 \1/p' |
		named_holders)
	if [ -n "$held" ]; then
		show_holders "$held"
	else
		printf '%s\n' "$said" | grep -F 'trylock failed'
	fi
}

show()
{
	echo "===== Start of debug locks PID=$$ ====="
	holders=
	look_at_locks
	if [ "$lock_type" = MUTEX ]; then
		look_at_mutexes
	fi
	for holder in $(printf '%s\n' "$holders" | tr -s ' ' '\n' | sort -u); do
		show_stack "$holder"
	done
	echo "===== End of debug locks PID=$$ ====="
}

ctdb_get_db_options

# One report is enough when many lock requests wait for the same holder.
{
	if flock -n 9; then
		show
	fi
} 9>"${CTDB_SCRIPT_VARDIR}/debug_locks.lock" |
	script_log "ctdbd-lock"
