#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# debug-hung-script.sh PID EVENT: the event daemon runs this when a script has
# not ended in time.  Shows what the script's processes are doing.

: "${CTDB_BASE:=$(cd -P "$(dirname "$0")" && pwd)}"
. "${CTDB_BASE}/functions"

load_script_options

pid=$1
event=$2

# Processes whose kernel stack is of interest: a regular expression without
# parentheses, alternatives separated by |.
: "${CTDB_DEBUG_HUNG_SCRIPT_STACKPAT:=exportfs|rpcinfo}"

frame()
{
	echo "===== ${1} of hung script debug for PID=\"${pid}\", event=\"${event}\" ====="
}

# Reads pstree's output, where processes look like "-name,pid arguments".
show_stacks()
{
	sed -n -r "s/.*-(.*(${CTDB_DEBUG_HUNG_SCRIPT_STACKPAT}).*),([0-9]+).*/\3 \1/p" |
		while read -r process name; do
			if stack=$(cat "/proc/${process}/stack" 2>/dev/null); then
				echo "---- Stack trace of interesting process ${process}[${name}] ----"
				printf '%s\n' "$stack"
			fi
		done
}

show()
{
	frame Start
	echo "pstree -p -a ${pid}:"
	tree=$(pstree -p -a "$pid")
	printf '%s\n' "$tree"
	printf '%s\n' "$tree" | show_stacks

	# The daemon does not listen yet during init.
	if [ "$event" != init ]; then
		echo "---- ctdb scriptstatus ${event}: ----"
		$CTDB scriptstatus "$event"
	fi
	frame End
}

# A file of its own is for tests, which take it for complete when it is there.
report=$CTDB_DEBUG_HUNG_SCRIPT_LOGFILE
if [ -n "$report" ]; then
	exec >>"${report}.part" 2>&1
fi

# Several releaseip events may hang at once: their reports must not mix.
(
	if flock -w 2 9; then
		show
		[ -z "$report" ] || mv "${report}.part" "$report"
	fi
) 9>"${CTDB_SCRIPT_VARDIR}/debug-hung-script.lock"
