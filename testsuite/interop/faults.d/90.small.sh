# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. Small mistakes of administrators, and daemons that stand still: each is named, and nobody waits for ever.

# milliseconds COMMAND...: how long it takes, whatever comes of it; what it says goes to $hosts_dir/said
milliseconds() {
	local began
	began=$(date +%s%N)
	"$@" >"$hosts_dir/said" 2>&1
	echo $((($(date +%s%N) - began) / 1000000))
}
said() { has "$1" "$(cat "$hosts_dir/said")"; }

# Host 1's configuration is that of a clumsy hand.
clumsy_configuration() {
	local conf=$hosts_dir/h$1/etc/ctdb.conf
	quick_keepalives "$1"
	[ "$1" = 1 ] || return 0
	{
		echo "CTDB_RECOVERY_LOCK=/elsewhere"
		cat "$conf"
		printf '[cluster]\n    leader timout = 5\n'
	} >"$conf.new" && mv "$conf.new" "$conf"
}

# frozen_daemon: the tool asks a daemon that is stopped
frozen_daemon() {
	local pid took
	pid=$(daemon_of 1)
	on 1 kill -STOP "$pid"
	took=$(milliseconds on 1 timeout 30 ctdb -t 2 status)
	on 1 kill -CONT "$pid"
	row "ctdb -t 2 status, daemon stopped" "returned after $took ms"
	[ "$kind" = ours ] || return 0
	judge "-t 2 ends the wait for a frozen daemon: $took ms" at_most "$took" 6000
	judge "... with C's words for it" said "Control GET_PNN failed, ret=110"
	soon 30 all_ok
}

# refused_words: what is refused before anything happens
refused_words() {
	local addr
	for addr in 10.88.0.200/33 fd00::1/129; do
		judge "addip $addr is refused" eval "! on 0 timeout 40 ctdb addip $addr eth1 >'$hosts_dir/said' 2>&1"
		judge "... as no address with a prefix" said "Invalid IP/Mask $addr"
	done
	judge "addtickle refuses port 65536" eval '! on 0 ctdb addtickle 10.88.0.9:65536 10.88.0.101:445'
	judge "checktcpport refuses port 65536" eval "! on 0 ctdb checktcpport 65536 >'$hosts_dir/said' 2>&1"
	judge "... and says so" said "Invalid port 65536"
}

# one_list_twice: a nodes list with a node in it twice
one_list_twice() {
	local list=$hosts_dir/h1/etc/nodes
	on 1 timeout 30 ctdb shutdown
	cp "$list" "$list.good"
	echo "$PRIVATE.1" >>"$list"
	judge "a nodes list with a node twice is refused" eval '! on 1 ctdbd'
	judge "... with both lines" grep -q "Duplicate node address $PRIVATE.1: lines 1 and 4" "$(log_of 1)"
	mv "$list.good" "$list"
	mv "$hosts_dir/h1/etc/events/legacy" "$hosts_dir/h1/etc/events/away"
	on 1 ctdbd
	judge "a missing folder of events is named" \
		soon 10 grep -q "script list for /etc/ctdb/events/legacy: No such file" "$(log_of 1)"
	soon 10 eval '! on 1 pgrep -x ctdbd'
	mv "$hosts_dir/h1/etc/events/away" "$hosts_dir/h1/etc/events/legacy"
	start_daemon 1
	judge "the node joins when all is as it was" soon 60 all_ok
}

# other_lock: a node with another cluster lock
other_lock() {
	local conf=$hosts_dir/h2/etc/ctdb.conf
	on 2 timeout 30 ctdb shutdown
	sed -i "s|lock = $hosts_dir/shared/lock|lock = /elsewhere|" "$conf"
	start_daemon 2
	judge "a node with another cluster lock leaves" soon 30 eval '! on 2 pgrep -x ctdbd'
	judge "... and says why, once" same 1 "$(grep -c 'is not that of the leader' "$(log_of 2)")"
	sed -i "s|lock = /elsewhere|lock = $hosts_dir/shared/lock|" "$conf"
	start_daemon 2
	soon 60 all_ok
}

# addresses_of_one: one node cannot read its addresses again
addresses_of_one() {
	local list=$hosts_dir/h1/etc/public_addresses
	cp "$list" "$list.good"
	echo "nonsense eth1" >>"$list"
	on 0 timeout 60 ctdb reloadips all >"$hosts_dir/said" 2>&1
	row "reloadips, one node cannot" "rc $?; $(tr '\n' ' ' <"$hosts_dir/said")"
	judge "reloadips says that a node failed" said "^Failed to reload IPs on some nodes.$"
	judge "... and which" said "^Node 1 did not reload its IPs"
	mv "$list.good" "$list"
	on 0 timeout 60 ctdb reloadips all
}

# last_one: stop and ban of the last active node
last_one() {
	local took verb
	on 1 timeout 60 ctdb stop
	on 2 timeout 60 ctdb stop
	for verb in stop "ban 60"; do
		# shellcheck disable=SC2086 # a verb and its argument
		took=$(milliseconds on 0 timeout 60 ctdb $verb)
		row "ctdb $verb of the last active node" "returned after $took ms"
		[ "$kind" != ours ] || judge "ctdb $verb of the last active node returns: $took ms" at_most "$took" 8000
		# shellcheck disable=SC2086 # as above
		case $verb in
		stop) on 0 timeout 60 ctdb continue ;;
		*) on 0 timeout 60 ctdb unban ;;
		esac
	done
	on 1 timeout 60 ctdb continue
	on 2 timeout 60 ctdb continue
	judge "all nodes are OK again" soon 60 all_ok
}

part_small() {
	cluster 3 clumsy_configuration || return 1
	if [ "$kind" = ours ]; then
		judge "an old setting is named with its line and its new place" \
			grep -q 'ctdb.conf:1: conf: unknown section for option "CTDB_RECOVERY_LOCK" (an old setting, now "cluster lock"' \
			"$(log_of 1)"
		judge "so is a mistyped one, once" same 1 "$(grep -c 'unknown option \[cluster\] -> "leader timout"' "$(log_of 1)")"
		refused_words
	fi
	frozen_daemon
	last_one
	[ "$kind" = ours ] || return 0
	addresses_of_one
	one_list_twice
	other_lock
	# Why a node is banned: by a leader that counts its faults.
	on 0 timeout 20 ctdb -n 1 ban 30
	judge "health says who banned a node" has "Node 1: banned .*node 0" "$(on 0 ctdb health 2>&1)"
	on 0 timeout 20 ctdb -n 1 unban
}
