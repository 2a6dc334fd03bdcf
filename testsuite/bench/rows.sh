# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by run: one function per row. Each works on the running cluster and prints lines
# `NAME VALUE`; describe_rows says what the names mean.

describe_rows() {
	cat <<'ROWS'
start|three daemons, start to all OK|s|less|<= 3 s
message_ring|message_ring, 3 nodes|messages/s per node|more|>= 1.7
fetch_ring|fetch_ring, 3 nodes|messages/s per node|more|>= 1.7
load_messages|64 clients a node, messages in flight all the time|messages/s|more|>= 3
load_migrations|64 clients a node, migrations in flight all the time|migrations/s|more|>= 3
hot_10|one hot record, 10 clients a node|grants/s|more|>= 3
hot_10_p99|the same, 99th percentile of the wait|ms|less|>= 5
hot_100|one hot record, 100 clients a node|grants/s|more|>= 3
hot_100_p99|the same, 99th percentile of the wait|ms|less|>= 5
transactions|persistent transactions, 3 nodes|commits/s|more|>= 3
recovery|recovery, persistent database of 100,000 records of 100 B|s|less|<= 0.33 s
memory|resident memory of a ctdbd with that database|MB|less|>= 2
crowd_memory|resident memory with 1,000 clients and 64 databases|MB|less|>= 2
crowd_idle|processor of the same when nobody does anything|% of a core|less|<= 1 %
ptrans|`ctdb ptrans` of 20,000 lines|s|less|<= 0.2 s
connections|20,000 connections to an address told, listed, taken back|s|less|>= 1
leader|leader killed, to a recovered cluster|s|less|<= 2 s
lcp2_500|LCP2, 64 nodes, 500 unassigned addresses|s|less|
lcp2_2000|LCP2, 64 nodes, 2,000 unassigned addresses|s|less|<= 1 s
ROWS
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f\n", b - a }'; }

# Starts the cluster; the row `start` prints what it took.
bring_up() {
	local began
	began=$(now)
	start_all && wait_for 60 all_ok || return 1
	start_seconds=$(since "$began")
}

row_start() { echo "start $start_seconds"; }

# middle_rate WORD: from lines `WORD[n]: RATE msgs/sec`, the rate of node 0
rate_of_node_0() { sed -n "s/^$1\[0\]: \([0-9.]*\) msgs.*/\1/p"; }

row_message_ring() {
	echo "message_ring $(on_all message_ring -n "$nodes" -t 5 | rate_of_node_0 Ring)"
}

row_fetch_ring() {
	on_all ctdb attach ring.tdb
	echo "fetch_ring $(on_all fetch_ring -n "$nodes" -t 5 -D ring.tdb -k record | rate_of_node_0 Fetch)"
}

row_load() {
	on_all ctdb attach load.tdb
	on_all ctdb-load messages --clients 64 --seconds 5 | sum_of rate load_messages
	on_all ctdb-load migrations --clients 64 --seconds 5 --database load.tdb | sum_of rate load_migrations
}

row_hot() {
	local clients
	on_all ctdb attach hot.tdb
	for clients in 10 100; do
		on_all ctdb-load hot --clients "$clients" --seconds 5 --database hot.tdb >"$work/hot"
		sum_of rate "hot_$clients" <"$work/hot"
		awk -v name="hot_${clients}_p99" '$1 == "p99_ms" && $2 > most { most = $2 } END { print name, most }' "$work/hot"
	done
}

# sum_of KEY NAME: adds the values of all nodes' lines `KEY VALUE`
sum_of() { awk -v key="$1" -v name="$2" '$1 == key { s += $2; n++ } END { if (!n) exit 1; print name, s }'; }

row_transactions() {
	on_all ctdb attach loop.tdb persistent
	on_all transaction_loop -n "$nodes" -t 10 -D loop.tdb -k counters -T persistent |
		sed -n 's/^Transaction\[0\]://p' | tail -n 1 | tr -c '0-9\n' ' ' |
		awk '{ for (i = 1; i <= NF; i++) s += $i; print "transactions", s / 10 }'
}

# A persistent database of 100,000 records, written by our own tool for both.
fill_big() {
	[ ! -e "$cluster/filled" ] || return 0
	on 0 ctdb attach big.tdb persistent || return 1
	seq 100000 | awk '{ printf "\"key%06d\" \"%0100d\"\n", $1, $1 }' |
		on 0 "$programs/ctdb" -T 300 ptrans big.tdb || return 1
	touch "$cluster/filled"
}

row_recovery() {
	fill_big || return 1
	on 0 ctdb recover || return 1
	wait_for 30 all_ok
	echo "recovery $(on 0 ctdb uptime | sed -n 's/^Duration of last recovery.*: \([0-9.]*\) seconds.*/\1/p')"
}

row_memory() {
	fill_big || return 1
	awk '/^VmRSS/ { printf "memory %.1f\n", $2 / 1024 }' "/proc/$(on 0 ctdb getpid)/status"
}

# Needs room for a thousand descriptors and some (ulimit -n) when the cluster is started.
row_crowd() {
	local pid number client before
	pid=$(on 0 ctdb getpid)
	for number in $(seq 64); do
		on 0 ctdb attach "crowd$number.tdb" || return 1
	done
	on 0 storm_client -D crowd1.tdb -k key -v crowd -t 60 >"$work/crowd" &
	client=$!
	wait_for 30 grep -q 'connected 1000' "$work/crowd" || return 1
	sleep 3
	awk '/^VmRSS/ { printf "crowd_memory %.1f\n", $2 / 1024 }' "/proc/$pid/status"
	before=$(cpu_ticks "$pid")
	sleep 10
	awk -v ticks=$(($(cpu_ticks "$pid") - before)) -v hz="$(getconf CLK_TCK)" \
		'BEGIN { printf "crowd_idle %.2f\n", 100 * ticks / hz / 10 }'
	kill "$client"
	wait "$client" 2>/dev/null
	return 0
}

cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

row_ptrans() {
	local began
	on 0 ctdb attach lines.tdb persistent || return 1
	seq 20000 | awk '{ printf "\"key%06d\" \"value\"\n", $1 }' >"$work/lines"
	began=$(now)
	on 0 ctdb -T 300 ptrans lines.tdb <"$work/lines" || return 1
	echo "ptrans $(since "$began")"
}

row_connections() {
	local address=10.99.0.1 began
	on 0 ctdb addip "$address/32" lo || return 1
	seq 20000 | awk -v to="$address:445" '{ printf "10.98.%d.%d:%d %s\n", $1 / 200, $1 % 200 + 1, 1024 + $1, to }' \
		>"$work/connections"
	began=$(now)
	on 0 ctdb -T 300 addtickle <"$work/connections" || return 1
	[ "$(on 0 ctdb -X gettickles "$address" | wc -l)" -eq 20001 ] || return 1
	on 0 ctdb -T 300 deltickle <"$work/connections" || return 1
	echo "connections $(since "$began")"
}

# Leaves the cluster with a node less: comes after everything that needs all of them.
row_leader() {
	local victim survivor began
	victim=$(leader_of 0)
	survivor=$(((victim + 1) % nodes))
	kill -9 "$(cat "$(node_base "$victim")/run/ctdbd.pid")" || return 1
	began=$(now)
	wait_for 60 has_recovered "$survivor" "$victim" || return 1
	echo "leader $(since "$began")"
}

has_recovered() {
	on "$1" ctdb -X status | awk -F'|' -v v="$2" '$2 == v && $4 == 1 { f = 1 } END { exit !f }' &&
		on "$1" ctdb status >"$work/status" && grep -q '^Recovery mode:NORMAL' "$work/status" &&
		grep -q '^Size:2' "$work/status" && ! grep -q -e "^Leader:$2" -e '^Leader:UNKNOWN' "$work/status"
}

# The C side of this row is there if the C test programs have been built (upstream/fetch built).
row_lcp2() {
	local program count
	case "$1" in
	theirs)
		program=$(find "${CARGO_TARGET_DIR:-$top/target}/upstream/build" -path '*/bin/ctdb_takeover_tests' 2>/dev/null | head -n 1)
		[ -n "$program" ] || return 0
		;;
	before) program=$before/ctdb_takeover_tests ;;
	ours) program=$programs/ctdb_takeover_tests ;;
	esac
	for count in 500 2000; do
		[ "$1 $count" != "theirs 2000" ] || continue
		lcp2 "$program" "$count"
	done
}

lcp2() {
	local flags began
	flags=$(seq 64 | sed 's/.*/0/' | paste -sd,)
	seq "$2" | awk '{ printf "10.%d.%d.%d -1\n", $1 % 4, int($1 / 200), $1 % 200 + 1 }' >"$work/addresses"
	began=$(now)
	CTDB_TEST_MODE=yes CTDB_IP_ALGORITHM=lcp2 CTDB_TEST_LOGLEVEL=ERR CTDB_BASE="$work" \
		"$1" ipalloc "$flags" <"$work/addresses" >/dev/null 2>&1 || return 1
	echo "lcp2_$2 $(since "$began")"
}
