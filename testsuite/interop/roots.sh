# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced, after hosts.sh and with `kinds` set. Hosts as there, but each with a whole root of its own: an
# overlay over $base_root (of upstream/fetch), in which packages are really installed, and configuration,
# state and logs are where they belong. Needs to be in a mount namespace of its own.
#
#   base_install ROOT     called by roots_up, for the root that is below all hosts: install and configure
#   host_files N ROOT     called by roots_up, before host N is made: files of its own, below ROOT
#
# $hosts_dir is at the same place on every host; $hosts_dir/packages and $hosts_dir/shared are in it.

# on N COMMAND...: on host N, as its administrator would
on() {
	local host=$1
	shift
	within "h$host" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}

# background N COMMAND...: as on, but goes on until hosts_down
background() {
	on "$@" &
	host_outer[job-$!]=$!
}

start_daemon() {
	# What the unit does. The unit of Debian's 4.25.1 makes the folder of the pid only, and its daemon does
	# not start until somebody makes that of the socket.
	# shellcheck disable=SC2016 # for the shell on the host
	on "$1" sh -c 'mkdir -p "/run/$(sed -n "s/^RuntimeDirectory=//p" /lib/systemd/system/ctdb.service)" /run/ctdb
		exec $(sed -n "s/^ExecStart=//p" /lib/systemd/system/ctdb.service)'
}

# root_mount UPPER LOWER WHERE: a root with what a running system has, changes going to UPPER
root_mount() {
	mkdir -p "$1/upper" "$1/work" "$3"
	mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$3" || return 1
	mount --rbind /dev "$3/dev"
	mount -t tmpfs tmpfs "$3/run"
	mount -t tmpfs tmpfs "$3/tmp"
	mkdir -p "$3$hosts_dir" "$3/run/lock"
	mount --bind "$hosts_dir" "$3$hosts_dir"
}

# base_make: the root below all hosts
base_make() {
	local root=$space/base-root status
	root_mount "$space/base" "$base_root" "$root" || return 1
	mount -t proc proc "$root/proc"
	base_install "$root" >"$hosts_dir/base.log" 2>&1
	status=$?
	[ $status = 0 ] || tail -n 20 "$hosts_dir/base.log"
	umount -R "$root"
	return $status
}

# base_run ROOT COMMAND...: in the root below all hosts
base_run() {
	local root=$1
	shift
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

# root_enter N: what makes a host's first process live in the host's own root
root_enter() {
	cat <<-ENTER
		set -e
		mount -t proc proc '$space/h$1-root/proc'
		mount -t sysfs sysfs '$space/h$1-root/sys'
		cd '$space/h$1-root'
		mkdir -p mnt
		pivot_root . mnt
		umount -l /mnt
		cd /
	ENTER
}

# roots_up: makes all hosts, the switch and the client; starts no daemon
roots_up() {
	local host name
	hosts_dir=$(mktemp -d /tmp/roots.XXXX)
	space=$hosts_dir/space
	chmod 755 "$hosts_dir"
	mkdir "$hosts_dir/shared" "$hosts_dir/packages" "$hosts_dir/log" "$space"
	mount -t tmpfs -o size=4g,mode=755 roots "$space" || return 1
	base_make || return 1
	switch_up || return 1
	for host in $(host_numbers); do
		name=h$host
		root_mount "$space/$name" "$space/base/upper:$base_root" "$space/$name-root" || return 1
		echo "127.0.0.1 localhost $name" >"$space/$name-root/etc/hosts"
		host_files "$host" "$space/$name-root"
		host_up "$host" "$(root_enter "$host")" || return 1
	done
	client_up
}

roots_down() {
	local mounted
	KEEP=yes hosts_down
	while read -r mounted; do
		umount "$mounted" 2>/dev/null || umount -l "$mounted"
	done < <(awk -v top="$hosts_dir/" 'index($2, top) == 1 { print $2 }' /proc/mounts | tac)
	[ -n "${KEEP-}" ] || rm -rf --one-file-system -- "$hosts_dir"
}
