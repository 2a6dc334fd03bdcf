# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by run: smbd on each node of the local cluster, and single questions to it.

user=smbtest
password=Passw0rd.1
port=4450
login=(-p "$port" "-U$user%$password")

samba_dir() { echo "$cluster/smb.$1"; }
conf() { echo "$(samba_dir "$1")/smb.conf"; }

# prepare_shares [LINES]: smb.conf of every node, with more lines for [global]
prepare_shares() {
	local node
	mkdir -p "$cluster/data"
	chmod 1777 "$cluster/data"
	for node in $(node_numbers); do
		mkdir -p "$(samba_dir "$node")"/{private,lock,state,cache,pid,log,rpc,winbind}
		chmod 700 "$(samba_dir "$node")/private"
		smb_conf "$node" "${1:-}" >"$(conf "$node")"
		echo "//$(node_address "$node")/share"
	done >"$cluster/unclist"
}

# All nodes share one kernel. Whatever of Samba asks the kernel for locks, leases or change
# events is off, or the kernel would do ctdb's work and prove nothing.
smb_conf() {
	local dir
	dir=$(samba_dir "$1")
	cat <<CONF
[global]
	clustering = yes
	ctdbd socket = $(node_base "$1")/run/ctdbd.socket
	dbwrap_tdb_mutexes:* = yes
	dbwrap_tdb_require_mutexes:* = yes
	netbios name = LOCALCLUSTER
	workgroup = CTDBTEST
	server role = standalone server
	security = user
	passdb backend = tdbsam
	map to guest = never
	interfaces = $(node_address "$1")/8
	bind interfaces only = yes
	smb ports = $port
	disable netbios = yes
	server min protocol = NT1
	server multi channel support = yes
	private dir = $dir/private
	lock directory = $dir/lock
	state directory = $dir/state
	cache directory = $dir/cache
	pid directory = $dir/pid
	ncalrpc dir = $dir/rpc
	winbindd socket directory = $dir/winbind
	log file = $dir/log/log.%m
	log level = ${SMB_LOG_LEVEL:-1}
	max log size = 0
	load printers = no
	printing = bsd
	printcap name = /dev/null
	disable spoolss = yes
	kernel oplocks = no
	kernel change notify = no
	smbd:FSCTL_SMBTORTURE = yes
	smbd:suicide mode = yes
	smbd:validate_oplock_types = yes
	smbd:sharedelay = 100000
	smbd:writetimeupdatedelay = 500000
$2
[share]
	path = $cluster/data
	read only = no
	posix locking = no
	kernel share modes = no
	strict locking = yes
	durable handles = yes
	store dos attributes = yes
	map archive = no
	map hidden = no
	map system = no
	map readonly = no
	create mask = 0755
CONF
}

# The account database is a persistent database of the cluster: one node writes, all have it.
add_account() {
	printf '%s\n%s\n' "$password" "$password" | smbpasswd -c "$(conf 0)" -s -a "$user" >/dev/null
}

start_smbds() {
	local node
	for node in $(node_numbers); do
		smbd -D --configfile="$(conf "$node")" -l "$(samba_dir "$node")/log" || return 1
		wait_for 30 listens "$(node_address "$node")" || return 1
	done
}

listens() { (exec 3<>"/dev/tcp/$1/$port") 2>/dev/null; }

stop_smbds() {
	local node file pid
	for node in $(node_numbers); do
		file=$(samba_dir "$node")/pid/smbd.pid
		[ -s "$file" ] || continue
		pid=$(tr -d ' \n' <"$file")
		kill "$pid" 2>/dev/null && wait_for 10 gone "$pid"
	done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# finds PATTERN: like grep -q, but reads to the end, so that what writes to it does not fail
finds() { grep -- "$1" >/dev/null; }

# smb NODE COMMANDS: what smbclient says, errors too
smb() { smbclient "//$(node_address "$1")/share" "${login[@]}" -c "$2" 2>&1; }

# hold_open NODE FILE: opened for reading and writing, deletion not shared, until end_hold (90 s at most); returns
# when the file is open
hold_open() {
	rm -f "$cluster/let_go"
	(
		echo "open $2"
		wait_for 90 test -e "$cluster/let_go"
		echo quit
	) | smbclient "//$(node_address "$1")/share" "${login[@]}" >"$cluster/holder" 2>&1 &
	holder=$!
	wait_for 20 is_open "$1" "$2"
}

is_open() { smbstatus --configfile="$(conf "$1")" -L 2>/dev/null | grep -F "$2" | finds .; }

end_hold() {
	touch "$cluster/let_go"
	wait "$holder" 2>/dev/null
}

lists_after_put() {
	smb "$1" "put /etc/hostname io.$1; ls" | finds "io\.$1 "
}

deletes() { ! smb "$1" "del $2" | finds NT_STATUS; }

# owner_is_listed NODE FILE OWNER: smbstatus shows the open with "owner:pid"
owner_is_listed() {
	smbstatus --configfile="$(conf "$1")" -L 2>/dev/null | grep -F "$2" | finds "^$3:[0-9][0-9]*"
}

# open_pid NODE FILE: the process on node 0 that has it open
open_pid() {
	smbstatus --configfile="$(conf "$1")" -L 2>/dev/null | grep -F "$2" |
		sed -n 's/^0:\([0-9]*\).*/\1/p' | head -n 1
}

sessions() { smbstatus --configfile="$(conf "$1")" --json 2>/dev/null | jq -e "$2"; }

has_locking_record() { on "$1" ctdb catdb locking.tdb | finds '^key'; }

dbwrap() {
	local node=$1
	shift
	dbwrap_tool --configfile="$(conf "$node")" --persistent recipe.tdb "$@"
}

reads() { dbwrap "$1" fetch "$2" string | finds "$3"; }

tdb_has() { tdbdump "$1" | finds "$2"; }

# same_sequence DATABASE NUMBER: on every node
same_sequence() {
	local node
	for node in $(node_numbers); do
		[ "$(on "$node" ctdb getdbseqnum "$1")" = "$2" ] || return 1
	done
}

same_records() {
	local node
	for node in $(node_numbers); do
		on "$node" ctdb catdb "$1" | grep -A 4 '^key' | grep -E '^(key|data)' | sort | md5sum
	done | sort -u | wc -l | grep -qx 1
}

counts_tickles() { on "$1" ctdb gettickles "$2" | finds "Num connections: *$3$"; }
