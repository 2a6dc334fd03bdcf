# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. An address that is given to a node and does not come to its interface.

# The operator's classic: public_addresses without 10.interface.
no_interface_script() {
	[ "$1" = 1 ] || return 0
	rm "$hosts_dir/h$1/etc/events/legacy/10.interface.script"
	# The leader is to be another one: it is who waits for everybody when it shuts down.
	echo "    leader capability = false" >>"$hosts_dir/h$1/etc/ctdb.conf"
}

# ticks N: processor time of the daemon and its children so far, hundredths of a second
ticks() { on "$1" sh -c 'awk "{ print \$14 + \$15 + \$16 + \$17 }" "/proc/$(cat /run/ctdb/ctdbd.pid)/stat"'; }

asked_for() { count_in_logs 'Takeover run wanted|Trigger takeoverrun|IP not hosted|Public IP .* is (assigned|missing)'; }

missing_is_told() {
	on "$1" ctdb health 2>/dev/null | grep -q "$PUBLIC"
}

part_pacing() {
	local wanted before began took status address leaver
	cluster 3 no_interface_script || return 1
	sleep 10
	wanted=$(asked_for)
	before=$(ticks 0)
	sleep 10
	wanted=$(($(asked_for) - wanted))
	before=$(($(ticks 0) - before))
	row "address that does not come to its interface, 10 s" "asked for a run $wanted times, $before ticks on host 0"
	judge "runs wanted $wanted times in 10 s" at_most "$wanted" 10
	if [ "$kind" = ours ]; then
		address=$(on 1 ctdb ip 2>/dev/null | awk '$2 == 1 { print $1; exit }')
		judge "health on host 1 names the address and the script" \
			has "$address.*10.interface" "$(on 1 ctdb health 2>&1)"
		judge "so does health on host 0" has "Node 1:.*$address" "$(on 0 ctdb health 2>&1)"
		judge "so does status -v" has "$address" "$(on 1 ctdb status -v 2>&1)"
	fi
	leaver=$(leader)
	began=$(date +%s%N)
	on "$leaver" timeout 60 ctdb -t 60 shutdown >"$hosts_dir/shutdown.out" 2>&1
	status=$?
	took=$((($(date +%s%N) - began) / 1000000))
	row "shutdown of the healthy leader meanwhile" "status $status after $took ms"
	judge "shutdown of the healthy leader: status $status after $took ms" same "$status" 0
	judge "... and no takeover run before it failed or timed out" \
		same "$(grep -cE 'Takeover run before shutdown' "$(log_of "$leaver")")" 0
	# The script comes back: so does the address, without anybody's help.
	[ "$kind" = ours ] || return 0
	on 1 ctdb event script enable legacy 10.interface >/dev/null 2>&1 ||
		ln -s /etc/ctdb/shipped/10.interface.script "$hosts_dir/h1/etc/events/legacy/"
	judge "with the script there the address comes by itself" soon 40 is_hosted
}

is_hosted() { ! on 1 ctdb health 2>&1 | grep -q "is not on interface"; }
