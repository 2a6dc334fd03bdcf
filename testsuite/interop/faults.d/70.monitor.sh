# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. A script that fails on one node, asked about on another.

script_that_can_break() {
	local script=$hosts_dir/h$1/etc/events/legacy/45.backend.script
	echo MonitorInterval=1 >>"$hosts_dir/h$1/etc/ctdb.tunables"
	cat >"$script" <<-'SCRIPT'
		#!/bin/sh
		[ "$1" = monitor ] && [ -e /etc/ctdb/broken ] || exit 0
		cat /etc/ctdb/broken
		exit 1
	SCRIPT
	chmod 755 "$script"
}

unhealthy_there() { on 0 ctdb status | grep -q "^pnn:1 .*UNHEALTHY"; }

part_monitor() {
	local line
	cluster 2 script_that_can_break || return 1
	printf '\nbackend gone: no route to the array\nsecond line\n' >"$hosts_dir/h1/etc/broken"
	judge "host 1 is unhealthy" soon 20 unhealthy_there
	line=$(on 0 ctdb health 2>&1 | grep "^Node 1:")
	row "script fails on host 1, health of host 0" "$line"
	[ "$kind" = ours ] || return 0
	local told="Node 1: monitor event failed in script 45.backend: backend gone: no route to the array"
	judge "health of host 0 has the script and its first line" same "$line" "$told"
	judge "health of host 1 has the same" has "^$told\$" "$(on 1 ctdb health 2>&1)"
	judge "status -v of host 0 has it" has "$told\$" "$(on 0 ctdb status -v 2>&1)"
	judge "so has its JSON" has "$told" "$(on 0 ctdb -j health 2>&1)"
	rm "$hosts_dir/h1/etc/broken"
	judge "host 1 gets well" soon 20 all_ok
	judge "health has nothing to say" same "$(on 0 ctdb health 2>&1)" OK
	# An event daemon that does not answer makes nobody wait for long.
	on 1 sh -c 'kill -STOP "$(cat /run/ctdb/eventd.pid)"'
	judge "version -v of host 0 still knows host 1" has "^1 .* ctdb-rs" "$(on 0 ctdb version -v 2>&1)"
	on 1 sh -c 'kill -CONT "$(cat /run/ctdb/eventd.pid)"'
}
