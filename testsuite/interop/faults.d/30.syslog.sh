# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. A syslog whose reader has stopped.

logs_to_syslog() {
	quick_keepalives "$1"
	[ "$1" = 0 ] || return 0
	sed -i 's|location = .*|location = syslog|' "$hosts_dir/h0/etc/ctdb.conf"
	# A place of its own for /dev/log, and somebody who reads there.
	on 0 sh -c 'mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9 &&
		mknod /dev/random c 1 8 && mknod /dev/zero c 1 5 && chmod 666 /dev/*' || return 1
	on 0 python3 -c '
import socket
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind("/dev/log")
while True:
    print(log.recv(8192).decode(errors="replace"), flush=True)' >"$hosts_dir/h0/log/log.ctdb" 2>&1 &
	soon 5 on 0 test -S /dev/log
}

part_syslog() {
	local reader worst
	cluster 2 logs_to_syslog || return 1
	reader=$(on 0 pgrep -f 'log.bind')
	watch_gaps 1 0
	on 0 kill -STOP "$reader"
	for number in $(seq 40); do
		timeout 5 nsenter --target "${host_init[h0]}" --net --mount --pid --uts -- \
			env PATH="$programs:$PATH" ctdb attach "s$number.tdb" || break
	done
	judge "the daemon still answers" on 0 timeout 5 ctdb ping
	on 0 kill -CONT "$reader"
	worst=$(worst_gap 0)
	row "syslog that does not read, 40 databases attached" "late by at most $worst s"
	judge "keepalives and broadcasts are late by at most 1 s: $worst" at_most "$worst" 1
	if [ "$kind" = ours ]; then
		judge "nothing is lost of so little" soon 10 grep -q "s40.tdb" "$(log_of 0)"
	fi
}
