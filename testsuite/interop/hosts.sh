# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced. Hosts made of namespaces on one machine: each with its own network, processes, mounts and
# name, and with programs in their installed paths. A bridge is the switch between them; a client host
# stands beside them. Needs root.
#
#   kinds        array: per host `ours`, `c-4.17` or `c-4.22` (unpacked packages below target/upstream)
#   programs     folder with our programs
#   hosts_dir    folder for everything; made here, removed by hosts_down
#
# Host N is called hN. Its private address is 10.77.0.(N+1) on eth0; public addresses 10.88.0.1xx go on
# eth1. The client has 10.88.0.9.

hosts_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
programs=${programs:-$hosts_top/target/release}
kinds=("${kinds[@]:-}")
PRIVATE=10.77.0
PUBLIC=10.88.0
declare -A host_init host_outer

host_numbers() { seq 0 $((${#kinds[@]} - 1)); }

# programs_of HOST: the folder that stands for /usr/libexec/ctdb and heads PATH on that host
programs_of() {
	case ${kinds[$1]} in
	ours) echo "$programs" ;;
	*) echo "$hosts_top/target/upstream/${kinds[$1]}/programs" ;;
	esac
}

# host_programs N: the same programs in a place that nobody renews while the hosts run
host_programs() {
	case ${kinds[$1]} in
	ours) echo "$programs" ;;
	*)
		[ -d "$hosts_dir/${kinds[$1]}" ] || cp -r "$(programs_of "$1")" "$hosts_dir/${kinds[$1]}"
		echo "$hosts_dir/${kinds[$1]}"
		;;
	esac
}

# host_boot NAME COMMAND: COMMAND is the first thing to run inside
host_boot() {
	unshare --net --mount --pid --uts --fork --kill-child --mount-proc \
		sh -c "hostname $1; $2; touch '$hosts_dir/$1.up'; while :; do sleep 1; done" &
	host_outer[$1]=$!
	local tries=100
	until [ -e "$hosts_dir/$1.up" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
	host_init[$1]=$(pgrep -P "${host_outer[$1]}" | head -n 1)
	within "$1" ip link set lo up
}

# within NAME COMMAND...: in the namespaces of a host by name (hN, client, switch)
within() {
	local name=$1
	shift
	nsenter --target "${host_init[$name]}" --net --mount --pid --uts -- "$@"
}

# on N COMMAND...: on host N, with its programs in PATH
on() {
	local host=$1 bin
	shift
	bin=$(programs_of "$host")
	within "h$host" env PATH="$bin:$hosts_dir/bin:$PATH" CTDB="$bin/ctdb" "$@"
}

# background N COMMAND...: as on, but goes on until hosts_down
background() {
	local host=$1 bin
	shift
	bin=$(programs_of "$host")
	nsenter --target "${host_init[h$host]}" --net --mount --pid --uts -- \
		env PATH="$bin:$PATH" "$@" &
	# Stopped together with its child, and so to be killed by us.
	host_outer[job-$!]=$!
}

# end_job JOB: ends `within ... &` and what it started, which outlives it otherwise
end_job() {
	local inner
	inner=$(pgrep -P "$1")
	# shellcheck disable=SC2046 # a list
	kill $(pgrep -P "$inner") "$inner" "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

# host_cable NAME INTERFACE: a cable to the switch, whose end is called NAME-INTERFACE there
host_cable() {
	ip link add "c$$" type veth peer name "p$$"
	ip link set "p$$" netns "${host_init[$1]}" name "$2"
	ip link set "c$$" netns "${host_init[switch]}" name "$1-$2"
	within switch ip link set "$1-$2" master switch up
	within "$1" ip link set "$2" up
}

# switch_up: the switch that all cables lead to
switch_up() {
	host_boot switch true || return 1
	within switch ip link add switch type bridge || return 1
	within switch ip link set switch up
}

# host_up N COMMAND: host N with its cables and its private address; COMMAND as of host_boot
host_up() {
	local name=h$1
	host_boot "$name" "$2" || return 1
	host_cable "$name" eth0
	host_cable "$name" eth1
	on "$1" ip addr add "$PRIVATE.$(($1 + 1))/24" dev eth0
}

# client_up: the host of the clients
client_up() {
	host_boot client true || return 1
	host_cable client eth0
	within client ip addr add "$PUBLIC.9/24" dev eth0
}

# pull_cables N / plug_cables N: every cable of a host, at the switch
pull_cables() { within switch sh -c "ip link set h$1-eth0 down; ip link set h$1-eth1 down"; }
plug_cables() { within switch sh -c "ip link set h$1-eth0 up; ip link set h$1-eth1 up"; }

# freeze N / thaw N: every process of a host stops; what the kernel does goes on
freeze() { host_processes "$1" | xargs -r kill -STOP 2>/dev/null; }
thaw() { host_processes "$1" | xargs -r kill -CONT 2>/dev/null; }

# host_processes N: processes that were started on a host, as seen from outside
host_processes() {
	local space pid
	space=$(readlink "/proc/${host_init[h$1]}/ns/pid")
	for pid in /proc/[0-9]*; do
		if [ "$(readlink "$pid/ns/pid" 2>/dev/null)" = "$space" ]; then
			pid=${pid#/proc/}
			[ "$pid" = "${host_init[h$1]}" ] || echo "$pid"
		fi
	done
}

# host_script N NAME: an enabled event script out of standard input; a link, as packages have it
host_script() {
	local dir=$hosts_dir/h$1/etc
	mkdir -p "$dir/shipped"
	cat >"$dir/shipped/$2.script"
	chmod 755 "$dir/shipped/$2.script"
	ln -s "/etc/ctdb/shipped/$2.script" "$dir/events/legacy/$2.script"
}

host_configure() {
	local dir=$hosts_dir/h$1 from name scripts
	mkdir -p "$dir"/{etc/events/legacy,lib/{volatile,persistent,state},run,log}
	case ${kinds[$1]} in
	ours) from=$hosts_top/event.d scripts=$from/events/legacy ;;
	*)
		from=$hosts_top/target/upstream/${kinds[$1]}/etc/ctdb
		scripts=$hosts_top/target/upstream/${kinds[$1]}/usr/share/ctdb/events/legacy
		;;
	esac
	cp "$from"/{functions,notify.sh,debug-hung-script.sh} "$dir/etc/"
	for name in 00.ctdb 10.interface; do
		host_script "$1" "$name" <"$scripts/$name.script"
	done
	for name in $(host_numbers); do
		echo "$PRIVATE.$((name + 1))"
	done >"$dir/etc/nodes"
	for name in $(seq 101 $((100 + 2 * ${#kinds[@]}))); do
		echo "$PUBLIC.$name/24 eth1"
	done >"$dir/etc/public_addresses"
	cat >"$dir/etc/ctdb.conf" <<-CONF
		[logging]
		    location = file:/var/log/ctdb/log.ctdb
		    log level = NOTICE
		[cluster]
		    $(host_lock_option "$1") = $hosts_dir/shared/lock
	CONF
	: >"$dir/etc/script.options"
	# Nodes tell each other of connections every 2 s in place of 20, so that tests need not wait.
	echo "TickleUpdateInterval=2" >"$dir/etc/ctdb.tunables"
}

# 4.17 still calls the lock by its older name
host_lock_option() {
	case ${kinds[$1]} in
	c-4.17) echo "recovery lock" ;;
	*) echo "cluster lock" ;;
	esac
}

# hosts_up: makes all hosts, the switch and the client; starts no daemon
hosts_up() {
	local host name directory
	hosts_dir=$(mktemp -d /tmp/interop-hosts.XXXXXX)
	mkdir "$hosts_dir/shared" "$hosts_dir/bin"
	# onnode reaches another host through this in place of ssh.
	# shellcheck disable=SC2016 # expanded in the script that is written
	{
		echo '#!/bin/sh'
		echo '# ssh-like: [OPTION...] ADDRESS COMMAND...'
		echo 'while case "$1" in -*) true ;; *) false ;; esac; do shift; done'
		echo "pid=\$(cat $hosts_dir/pid.\$1) || exit 255; shift"
		echo 'exec nsenter --target "$pid" --net --mount --pid --uts -- sh -c "$*"'
	} >"$hosts_dir/bin/enter"
	chmod 755 "$hosts_dir/bin/enter"
	# Left behind: removing one would take the mounts of every other run along.
	for directory in /etc/ctdb /var/lib/ctdb /run/ctdb /var/log/ctdb /usr/libexec/ctdb; do
		mkdir -p "$directory"
	done
	switch_up || return 1
	for host in $(host_numbers); do
		name=h$host
		host_configure "$host"
		host_up "$host" "set -e
			mount --bind '$hosts_dir/$name/etc' /etc/ctdb
			mount --bind '$hosts_dir/$name/lib' /var/lib/ctdb
			mount --bind '$hosts_dir/$name/run' /run/ctdb
			mount --bind '$hosts_dir/$name/log' /var/log/ctdb
			mount --bind '$(host_programs "$host")' /usr/libexec/ctdb" || return 1
		echo "${host_init[$name]}" >"$hosts_dir/pid.$PRIVATE.$((host + 1))"
	done
	client_up
}

hosts_down() {
	local pid
	for pid in "${host_outer[@]}"; do
		kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	[ -n "${KEEP-}" ] || rm -rf -- "$hosts_dir"
	host_outer=()
}

# start_daemon N
start_daemon() { on "$1" ctdbd; }

# kill_daemon N: the daemon alone dies, as a crash would have it
kill_daemon() {
	local pid
	pid=$(on "$1" sh -c 'cat /run/ctdb/ctdbd.pid 2>/dev/null || cat /run/ctdb/*.pid | head -n 1')
	on "$1" kill -9 "$pid"
}

# is_ok N: the node answers and sees every node without any flag
is_ok() {
	on "$1" timeout 5 ctdb -X nodestatus all 2>/dev/null | awk -F '|' -v nodes="${#kinds[@]}" '
		NR > 1 { seen++; for (i = 4; i < NF - 1; i++) bad += $i }
		END { exit seen != nodes || bad }'
}

all_ok() {
	local host
	for host in $(host_numbers); do
		is_ok "$host" || return 1
	done
}

# soon SECONDS COMMAND...: succeeds as soon as the command does
soon() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.3
	done
}

# leader: its number, as the lowest host that answers sees it
leader() {
	local host found
	for host in $(host_numbers); do
		found=$(on "$host" timeout 3 ctdb leader 2>/dev/null ||
			on "$host" timeout 3 ctdb recmaster 2>/dev/null)
		case $found in
		[0-9]*)
			echo "$found"
			return
			;;
		esac
	done
	return 1
}

# holders ADDRESS: the hosts that have the address on an interface
holders() {
	local host
	for host in $(host_numbers); do
		if on "$host" ip -o addr show to "$1" | grep -q .; then
			echo "$host"
		fi
	done
}

# addresses_of N: public addresses that are really there
addresses_of() {
	on "$1" ip -o -4 addr show dev eth1 | awk '{ sub("/.*", "", $4); print $4 }'
}

# all_hosted: every public address is on exactly one host
all_hosted() {
	local last
	for last in $(seq 101 $((100 + 2 * ${#kinds[@]}))); do
		[ "$(holders "$PUBLIC.$last" | wc -l)" -eq 1 ] || return 1
	done
}
