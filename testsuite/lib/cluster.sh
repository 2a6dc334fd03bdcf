# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced. A cluster of local nodes: node N has the address 127.0.0.(N+1) and keeps everything in
# $cluster/node.N. Demo, Samba, bench and the mixed clusters are all built on this.
#
#   cluster      folder of the cluster; short, since socket paths end at 107 bytes
#   nodes        how many nodes
#   programs     folder with the programs (ctdbd, ctdb, helpers) of every node
#   program_of   array: another programs folder for single nodes

nodes=${nodes:-3}
cluster=${cluster:-}
declare -A program_of

node_numbers() { seq 0 $((nodes - 1)); }
node_address() { echo "127.0.0.$(($1 + 1))"; }
node_base() { echo "$cluster/node.$1"; }
programs_of() { echo "${program_of[$1]:-$programs}"; }

# on NODE COMMAND...: runs a command as on that node
on() {
	local node=$1 bin
	shift
	bin=$(programs_of "$node")
	env CTDB_TEST_MODE=yes CTDB_BASE="$(node_base "$node")" PATH="$bin:$programs:$PATH" \
		CTDB_TEST_HELPER_BINDIR="$bin" CTDB_EVENTD="$bin/ctdb-eventd" CTDB_EVENT_HELPER="$bin/ctdb-event" \
		CTDB_LOCK_HELPER="$bin/ctdb_lock_helper" \
		CTDB_RECOVERY_HELPER="$bin/ctdb_recovery_helper" \
		CTDB_TAKEOVER_HELPER="$bin/ctdb_takeover_helper" \
		CTDB_CLUSTER_MUTEX_HELPER="$bin/ctdb_mutex_fcntl_helper" "$@"
}

# on_all COMMAND...: on every node at once; fails if it failed on any
on_all() {
	local node pids=() failed=0 pid
	for node in $(node_numbers); do
		on "$node" "$@" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || failed=1
	done
	return $failed
}

# Writes the files of all nodes. An argument is a file of public addresses.
cluster_setup() {
	local node base public=${1:-}
	mkdir -p "$cluster/shared"
	for node in $(node_numbers); do
		node_address "$node"
	done >"$cluster/nodes"
	for node in $(node_numbers); do
		base=$(node_base "$node")
		mkdir -p "$base"/{run,var,events/legacy,db/volatile,db/persistent,db/state}
		cp "$cluster/nodes" "$base/nodes"
		if [ -n "$public" ]; then
			cp "$public" "$base/public_addresses"
		else
			: >"$base/public_addresses"
		fi
		cluster_event_script >"$base/events/legacy/00.local.script"
		chmod +x "$base/events/legacy/00.local.script"
		cluster_config "$node" >"$base/ctdb.conf"
	done
}

cluster_config() {
	local base
	base=$(node_base "$1")
	cat <<CONF
[logging]
	location = file:$base/log.ctdb
	log level = ${log_level:-NOTICE}

[cluster]
	node address = $(node_address "$1")
	cluster lock = $cluster/shared/lock

[database]
	volatile database directory = $base/db/volatile
	persistent database directory = $base/db/persistent
	state database directory = $base/db/state
CONF
}

# All public addresses are on the loopback, which is always up.
cluster_event_script() {
	cat <<'SCRIPT'
#!/bin/sh
if [ "$1" = startup ] && [ -s "$CTDB_BASE/public_addresses" ]; then
	ctdb setifacelink lo up
fi
exit 0
SCRIPT
}

start_node() {
	on "$1" "$(programs_of "$1")/ctdbd" </dev/null
}

start_all() {
	local node
	for node in $(node_numbers); do
		start_node "$node" || return 1
	done
}

stop_node() {
	[ ! -e "$(node_base "$1")/run/ctdbd.pid" ] || on "$1" ctdb shutdown
}

stop_all() {
	local node failed=0
	for node in $(node_numbers); do
		stop_node "$node" || failed=1
	done
	return $failed
}

# wait_for SECONDS COMMAND...: until the command succeeds; checks ten times a second
wait_for() {
	local end=$((SECONDS + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# all_ok [NODE...]: every node that is named sees every node as OK and no recovery
all_ok() {
	local node
	# shellcheck disable=SC2046 # one word per node
	[ $# -gt 0 ] || set -- $(node_numbers)
	for node; do
		on "$node" ctdb nodestatus all || return 1
		on "$node" ctdb status | grep '^Recovery mode:NORMAL' >/dev/null || return 1
	done
}

# leader_of NODE: who that node takes for the leader
leader_of() { on "$1" ctdb leader; }

# show_logs LINES: the end of every node's log, for a failure
show_logs() {
	local node
	for node in $(node_numbers); do
		echo "--- log of node $node"
		tail -n "$1" "$(node_base "$node")/log.ctdb" 2>/dev/null
	done
}
