# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. A file system that the kernel makes read-only after an error, and a folder that vanishes.

# Host 1 keeps its persistent databases on an ext4 of its own.
disk_of_its_own() {
	quick_keepalives "$1"
	[ "$1" = 1 ] || return 0
	dd if=/dev/zero of="$hosts_dir/disk" bs=1M count=48 2>/dev/null
	mkfs.ext4 -q -O ^has_journal "$hosts_dir/disk" && on 1 mount -o loop,errors=remount-ro "$hosts_dir/disk" /var/lib/ctdb/persistent
}

# What the kernel does when it finds the file system damaged.
damage_found() {
	local device
	device=$(on 1 findmnt -no SOURCE /var/lib/ctdb/persistent)
	on 1 sh -c "echo test >/sys/fs/ext4/${device#/dev/}/trigger_fs_error" 2>/dev/null
	on 1 sh -c '! touch /var/lib/ctdb/persistent/x' 2>/dev/null
}

part_readonly() {
	local began took pid
	command -v mkfs.ext4 >/dev/null || {
		skip "no mkfs.ext4 here"
		return 0
	}
	cluster 3 disk_of_its_own || return 1
	on 0 ctdb attach ro.tdb persistent || return 1
	store 0 ro.tdb first value || return 1
	pid=$(daemon_of 1)
	if ! damage_found; then
		skip "no file system that turns read-only here"
		return 0
	fi
	began=$SECONDS
	store 0 ro.tdb second value
	soon 60 store 0 ro.tdb third value
	took=$((SECONDS - began))
	row "node 1's file system turns read-only" "the others store again after $took s"
	judge "the others store again: $took s" at_most "$took" 40
	if [ "$kind" = ours ]; then
		judge "the daemon lives" same "$pid" "$(daemon_of 1)"
		judge "the node leaves by itself" soon 30 flag_of 1 BANNED
		judge "... and says why" has "Node 1.*Read-only file system" "$(on 0 ctdb health 2>&1)"
	fi
	# An administrator repairs it.
	on 1 timeout 30 ctdb shutdown
	soon 10 eval '! on 1 pgrep -x ctdbd' || kill_daemon 1
	on 1 umount /var/lib/ctdb/persistent
	e2fsck -fy "$hosts_dir/disk" >/dev/null 2>&1
	on 1 mount -o loop,errors=remount-ro "$hosts_dir/disk" /var/lib/ctdb/persistent
	start_daemon 1
	judge "all nodes are OK after the repair" soon 60 all_ok
	judge "nothing is lost" same value "$(value_of 1 ro.tdb third)"
	# The folder goes away under a running daemon, and comes back.
	on 1 umount -l /var/lib/ctdb/persistent
	on 1 mv /var/lib/ctdb/persistent /var/lib/ctdb/gone
	pid=$(daemon_of 1)
	began=$SECONDS
	on 0 timeout 60 ctdb attach later.tdb persistent
	soon 60 store 0 later.tdb key value
	took=$((SECONDS - began))
	row "node 1's folder of databases vanishes" "a new database takes data after $took s"
	judge "a new database takes data on the others: $took s" at_most "$took" 40
	if [ "$kind" = ours ]; then
		judge "the daemon lives" same "$pid" "$(daemon_of 1)"
		judge "the log names database and reason" grep -qE "later.tdb.*No such file or directory" "$(log_of 1)"
	fi
	on 1 mv /var/lib/ctdb/gone /var/lib/ctdb/persistent
	on 1 mount -o loop,errors=remount-ro "$hosts_dir/disk" /var/lib/ctdb/persistent
	judge "all nodes are OK when it is back" soon 90 all_ok
	judge "... with the new database" soon 30 eval '[ "$(value_of 1 later.tdb key)" = value ]'
}
