# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. Event scripts that write without end, and that leave processes behind.

short_events() {
	quick_keepalives "$1"
	echo EventScriptTimeout=5 >>"$hosts_dir/h$1/etc/ctdb.tunables"
	[ "$1" = 1 ] || return 0
	host_script 1 90.endless <<-'SCRIPT'
		#!/bin/sh
		[ "$1" = ipreallocated ] && [ -e /run/ctdb/endless ] && exec timeout 60 yes spam
		[ "$1" = ipreallocated ] && [ -e /run/ctdb/leave ] && { sleep 300 </dev/null >/dev/null 2>&1 & }
		exit 0
	SCRIPT
}
eventd_of() { on "$1" pgrep -x ctdb-eventd | head -n 1; }

part_scripts() {
	local eventd began took memory bytes result
	cluster 2 short_events || return 1
	eventd=$(eventd_of 1)
	watch_gaps 0 1
	on 1 touch /run/ctdb/endless
	began=$(date +%s%N)
	on 1 timeout 60 ctdb event run 5 legacy ipreallocated >/dev/null 2>&1
	result=$?
	took=$((($(date +%s%N) - began) / 1000000))
	memory=$(on 1 awk '/VmHWM/ { print $2 }' "/proc/$eventd/status")
	on 1 rm /run/ctdb/endless
	began=$(date +%s%N)
	on 1 timeout 60 ctdb event run 5 legacy ipreallocated
	next=$?
	bytes=$(stat -c %s "$(log_of 1)")
	row "a script that writes without end (time-out 5 s)" \
		"asker told after $took ms (rc $result), next event rc $next after $((($(date +%s%N) - began) / 1000000)) ms, eventd at most $memory kB, log $bytes bytes"
	judge "the asker is told at the time-out: $took ms" at_most "$took" 8000
	judge "the next event runs" same "$next" 0
	judge "the event daemon stays small: $memory kB" at_most "$memory" 30000
	judge "the log stays small: $bytes bytes" at_most "$bytes" 1000000
	took=$(worst_gap 1)
	judge "keepalives and broadcasts are late by at most 1 s: $took" at_most "$took" 1
	if [ "$kind" = ours ]; then
		on 1 touch /run/ctdb/leave
		on 1 timeout 60 ctdb event run 5 legacy ipreallocated
		on 1 rm /run/ctdb/leave
		judge "a process that a script leaves is named" \
			soon 20 grep -qE "90.endless.* left 1 processes behind: [0-9]+ \(sleep" "$(log_of 1)"
	fi
	# A failed takeover bans the node that ran into the time-out; nothing else may be wrong.
	judge "all nodes are OK" soon 60 all_ok
}
