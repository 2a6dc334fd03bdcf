# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. Files that somebody has locked and does not let go.

answers() { on "$1" timeout 3 ctdb pnn >/dev/null 2>&1; }
# An operator's stop of one process of a host.
stopped() { on "$1" kill -STOP "$2"; }

# A client that stops with a chain of a volatile database locked.
stuck_client() {
	on "$1" storm_client -D "$2" -k stuck -v hold -t 600 >/dev/null 2>&1 &
	sleep 3
	stuck=$(on "$1" pgrep -x storm_client | head -n 1)
	[ -n "$stuck" ] && stopped "$1" "$stuck"
}

part_locked() {
	local stuck began took path
	cluster 3 quick_keepalives || return 1
	on 0 ctdb attach locked.tdb && on 0 ctdb attach kept.tdb persistent
	sleep 2
	# A persistent file, locked by a stranger while the daemon is away.
	on 1 timeout 20 ctdb shutdown
	path=$(on 1 sh -c 'ls /var/lib/ctdb/persistent/kept.tdb.*')
	clumsy 1 hold "$path" 600 >"$hosts_dir/hold" 2>&1 &
	soon 10 grep -q held "$hosts_dir/hold" || return 1
	watch_gaps 2 0
	start_daemon 1
	sleep 8
	judge "the daemon with the locked file can still be told to end" \
		on 1 kill -0 "$(daemon_of 1)"
	if [ "$kind" = ours ]; then
		judge "its log names file, process and remedy" \
			grep -qE "kept.tdb.* is locked by process [0-9]+ \(.*end that process" "$(log_of 1)"
	fi
	judge "the others go on" on 0 timeout 5 ctdb ping -n 2
	on 1 pkill -f 'clumsy.py hold'
	judge "the node joins when the lock is gone" soon 60 all_ok
	row "persistent file locked by a stranger while ctdbd starts" \
		"joins when it is let go; others late by at most $(worst_gap 0) s"
	# A volatile one, by a client that is stopped, while the daemon restarts.
	if [ "$kind" = ours ]; then
		stuck_client 1 locked.tdb || return 1
		kill_daemon 1
		sleep 2
		start_daemon 1
		judge "the daemon answers although a client of the last one stands in a mutex" \
			soon 20 answers 1
		judge "the node is OK, all but that database" soon 60 is_ok 1
		watch_gaps 2 1
		began=$(date +%s%N)
		on 1 timeout 20 ctdb attach locked.tdb >"$hosts_dir/attach" 2>&1
		took=$((($(date +%s%N) - began) / 1000000))
		judge "to attach that database fails at once: $took ms" at_most "$took" 2000
		judge "... and so says who has it" has "process $(on 1 pgrep -x storm_client | head -n 1)" \
			"$(tail -n 5 "$(log_of 1)")"
		judge "health names it" has "locked.tdb" "$(on 1 ctdb health 2>&1)"
		on 1 sh -c 'pkill -9 -x storm_client'
		judge "it heals by itself" soon 20 eval 'on 1 ctdb getdbmap | grep -q locked.tdb'
		took=$(worst_gap 1)
		row "client stopped in a chain mutex, ctdbd restarted" "that database alone, late by $took s"
		judge "keepalives and broadcasts are late by at most 1 s: $took" at_most "$took" 1
	fi
}
