# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. Disks that are full or broken, and files that are damaged.

# small_disks N: host 1 has small file systems of its own for databases
small_disks() {
	quick_keepalives "$1"
	[ "$1" = 1 ] || return 0
	on 1 mount -t tmpfs -o size=12m none /var/lib/ctdb/persistent &&
		on 1 mount -t tmpfs -o size=48m none /var/lib/ctdb/volatile
}
# fill FOLDER [LEAVE]: of host 1, until no byte, or LEAVE kilobytes, are left
fill() {
	on 1 sh -c "cd '$1' && { cat /dev/zero >filler; } 2>/dev/null; [ -z '${2:-}' ] || truncate -s -${2:-0}K filler"
}
unfill() { on 1 rm -f "$1/filler"; }
# value_of N DATABASE KEY
value_of() { on "$1" timeout 10 ctdb pfetch "$2" "$3" 2>/dev/null; }
# flag_of N FLAG: as node 0 sees host N
flag_of() { on 0 timeout 5 ctdb status 2>/dev/null | grep -qE "^pnn:$1 .*$2"; }
# store N DATABASE KEY VALUE
store() { on "$1" timeout 60 ctdb pstore "$2" "$3" "$4" 2>/dev/null; }

part_disk() {
	local began took pid
	cluster 3 small_disks || return 1
	on 0 ctdb attach full.tdb persistent && on 0 ctdb attach other.tdb persistent || return 1
	store 0 full.tdb first value || return 1
	# Full while a commit needs room.
	pid=$(daemon_of 1)
	fill /var/lib/ctdb/persistent
	began=$SECONDS
	store 0 full.tdb big "$(printf %0100000d 1)"
	soon 60 store 0 other.tdb second value
	took=$((SECONDS - began))
	row "full disk on node 1 during a commit" "the others store again after $took s"
	judge "the others store again: $took s" at_most "$took" 40
	if [ "$kind" = ours ]; then
		judge "the node leaves by itself" soon 30 flag_of 1 BANNED
		judge "... and says why, in its log" grep -q "leaves the others to it.*No space left on device" "$(log_of 1)"
		judge "... and in health" has "Node 1.*No space left on device" "$(on 0 ctdb health 2>&1)"
		judge "... and in status -v" has "Node 1.*No space left on device" "$(on 0 ctdb status -v 2>&1)"
	fi
	store 2 full.tdb third value
	unfill /var/lib/ctdb/persistent
	began=$SECONDS
	judge "all nodes are OK when there is room again" soon 60 all_ok
	row "room again" "all OK after $((SECONDS - began)) s"
	judge "it is the same process" same "$pid" "$(daemon_of 1)"
	for key in first third; do
		judge "$key is there on node 1" same value "$(value_of 1 full.tdb $key)"
	done
	# Attaching with too little room for the mutexes: SIGBUS in C.
	fill /var/lib/ctdb/volatile 2000
	on 0 timeout 20 ctdb attach short.tdb
	sleep 2
	judge "the daemon lives when a new database does not fit" same "$pid" "$(daemon_of 1)"
	if [ "$kind" = ours ]; then
		judge "its log says why" grep -qE "short.tdb.*No space left on device" "$(log_of 1)"
	fi
	unfill /var/lib/ctdb/volatile
	began=$SECONDS
	judge "all nodes are OK when there is room again" soon 60 all_ok
	row "2 MB left, a volatile database attached" "$(grep -c 'INTERNAL ERROR' "$(log_of 1)") deaths; all OK $((SECONDS - began)) s after room"
}

# A library that makes writing to disk fail while a file is there.
faulty_disk() {
	quick_keepalives "$1"
	[ "$1" = 1 ] || return 0
	gcc -shared -fPIC -o "$hosts_dir/faulty.so" "$here/faults.d/faulty.c"
}

part_broken() {
	local began took
	need_packages gcc libc6-dev || return 1
	cluster 3 faulty_disk || return 1
	on 1 timeout 20 ctdb shutdown
	on 1 env LD_PRELOAD="$hosts_dir/faulty.so" FAULTY_DISK=/run/ctdb/broken ctdbd
	soon 60 all_ok || return 1
	on 0 ctdb attach io.tdb persistent || return 1
	store 0 io.tdb first value || return 1
	on 1 touch /run/ctdb/broken
	began=$SECONDS
	store 0 io.tdb second value
	soon 60 store 0 io.tdb third value
	took=$((SECONDS - began))
	row "I/O errors of node 1's disk" "the others store again after $took s"
	judge "the others store again: $took s" at_most "$took" 40
	if [ "$kind" = ours ]; then
		judge "the node leaves by itself" soon 30 flag_of 1 BANNED
		judge "... and says why" has "Node 1.*Input/output error" "$(on 0 ctdb health 2>&1)"
	fi
	on 1 rm /run/ctdb/broken
	judge "all nodes are OK when the disk is well" soon 60 all_ok
	judge "nothing is lost" same value "$(value_of 1 io.tdb third)"
}

part_damage() {
	local path file
	cluster 2 quick_keepalives || return 1
	on 0 ctdb attach secrets.tdb persistent || return 1
	store 0 secrets.tdb first value || return 1
	path=/var/lib/ctdb/persistent/secrets.tdb
	on 1 timeout 20 ctdb shutdown
	file=$path.1
	on 1 sh -c "printf x | dd of='$file' bs=1 seek=3 conv=notrunc 2>/dev/null; echo >/var/lib/ctdb/persistent/notes.bak"
	start_daemon 1
	judge "a node with a damaged copy joins" soon 60 all_ok
	judge "... with the others' records" same value "$(value_of 1 secrets.tdb first)"
	row "damaged header of a persistent file, a good copy elsewhere" "first = '$(value_of 1 secrets.tdb first)'"
	if [ "$kind" = ours ]; then
		judge "the damaged file is kept" on 1 sh -c "ls $path*.corrupted.*"
		judge "the log names it" grep -qE "secrets.tdb.*no tdb file, moved aside to" "$(log_of 1)"
		judge "an odd file is named" grep -qE 'notes.bak.* is not used' "$(log_of 1)"
	fi
	# All copies.
	on 0 timeout 20 ctdb shutdown
	on 1 timeout 20 ctdb shutdown
	for host in 0 1; do
		on $host sh -c "printf x | dd of='$path.$host' bs=1 seek=3 conv=notrunc 2>/dev/null"
		start_daemon $host
	done
	sleep 10
	row "damaged headers of all copies" "node 0 $(is_ok 0 && echo "is OK, first = '$(value_of 0 secrets.tdb first)'" || echo "does not start")"
	if [ "$kind" = ours ]; then
		judge "no node says that all is well" eval '! is_ok 0 && ! is_ok 1'
		judge "the log says why" grep -q "secrets.tdb.* is unhealthy - shutting down" "$(log_of 0)"
		judge "... and what to do" grep -q "secrets.tdb.*put a good file in its place.*remove.*persistent_health.tdb.0" "$(log_of 0)"
		for host in 0 1; do
			on $host rm "/var/lib/ctdb/state/persistent_health.tdb.$host"
			start_daemon $host
		done
		judge "who does that gets the cluster back" soon 60 all_ok
	fi
}
