# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced. A real Ceph on loopback, in a network of its own: one monitor, one server of objects (OSD), and a
# manager if it is asked for. Nobody needs a password.
#
#   ceph         folder of the cluster; short, since socket paths end at 107 bytes
#   CEPH_CONF    exported; the file of its configuration, which is written here

ceph=${ceph:-}
ceph_monitor='[v2:127.0.0.1:3300,v1:127.0.0.1:6789]'

ceph_config() { # FSID
	cat <<CONF
[global]
fsid = $1
mon host = $ceph_monitor
auth cluster required = none
auth service required = none
auth client required = none
public network = 127.0.0.0/8
ms bind ipv6 = false
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd crush chooseleaf type = 0
mon data avail warn = 1
mon data avail crit = 0
run dir = $ceph/run
admin socket = $ceph/run/\$name.\$pid.asok
pid file = $ceph/run/\$name.pid
log file = $ceph/run/\$name.log
crash dir = $ceph/run
log to stderr = false
mgr initial modules =
[mon]
mon data = $ceph/mon
[osd]
osd data = $ceph/osd
osd objectstore = bluestore
bluestore block size = 1073741824
osd memory target = 939524096
[mgr]
mgr data = $ceph/mgr
CONF
}

# A new cluster with a monitor and an OSD that answers, and the pool POOL.
ceph_start() { # POOL
	local fsid osd
	mkdir -p "$ceph"/{mon,osd,mgr,run}
	fsid=$(</proc/sys/kernel/random/uuid)
	osd=$(</proc/sys/kernel/random/uuid)
	ceph_config "$fsid" >"$CEPH_CONF"
	{
		monmaptool --create --fsid "$fsid" --addv a "$ceph_monitor" "$ceph/monmap" &&
			ceph-mon -i a --mkfs --monmap "$ceph/monmap" &&
			ceph_run mon ceph-mon -i a -f &&
			timeout 60 ceph osd new "$osd" &&
			ceph-osd -i 0 --mkfs --osd-uuid "$osd" &&
			ceph_start_osd &&
			timeout 60 ceph osd pool create "$1" 1 &&
			ceph_answers "$1"
	} >>"$ceph/out" 2>&1 </dev/null || {
		tail -n 20 "$ceph/out"
		return 1
	}
}

# ceph_run NAME COMMAND...: in the background; its pid is in NAME.pid
ceph_run() {
	local name=$1
	shift
	"$@" >>"$ceph/out" 2>&1 </dev/null &
	echo $! >"$ceph/$name.pid"
}
ceph_pid() { cat "$ceph/$1.pid"; }
ceph_start_osd() { ceph_run osd ceph-osd -i 0 -f; }
ceph_start_mgr() { ceph_run mgr ceph-mgr -i x -f; }

# Whether an object of the pool can be written within 20 s.
ceph_answers() { timeout 20 rados -p "$1" put probe "$CEPH_CONF"; }

ceph_kill_osd() { kill -KILL "$(ceph_pid osd)"; }
ceph_stop_osd() { kill -STOP "$(ceph_pid osd)"; }
ceph_wake_osd() { kill -CONT "$(ceph_pid osd)"; }
