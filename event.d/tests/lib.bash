# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Three hosts with installed paths, made of namespaces, each with a private
# network, two public interfaces, its own processes and file systems, and a client
# beside them.  Sourced by the tests beside it, whose first argument is the
# directory of the programs.
#
# With KEEP set, the logs of a failed run are left behind.  With ROOT set, hosts live
# in the system below that directory (a root of another release, say) instead of this
# machine's; what they change there is gone with them.

set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$(cd "${1:?usage: $0 <directory of the programs>}" && pwd)

# need PROGRAM...
need()
{
	local program
	for program; do
		if ! PATH="${bin}:${PATH}" command -v "$program" >/dev/null; then
			echo "the program ${program} is missing" >&2
			exit 2
		fi
	done
}

# need_there PROGRAM...: where hosts live.
need_there()
{
	if [[ -z $ROOT ]]; then
		need "$@"
		return
	fi
	local program
	for program; do
		# shellcheck disable=SC2016
		if ! PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$ROOT" sh -c 'command -v "$0"' "$program" >/dev/null; then
			echo "the program ${program} is missing in ${ROOT}" >&2
			exit 2
		fi
	done
}

: "${ROOT:=}"
need ctdbd ctdb ctdb-eventd ctdb_killtcp
need ip ss iptables ethtool nsenter ncat ping flock

HOSTS="0 1 2"
PUBLIC=10.88.0     # .1xx are public addresses, .9 is the client, .200 the NAT gateway
PRIVATE=10.77.0    # .1 to .3
SCRIPTS="00 01 05 10 95" # event scripts to enable, by number
MOUNTED="/etc/ctdb /var/lib/ctdb /run/ctdb /var/log/ctdb /usr/libexec/ctdb /etc/iproute2"

work=$(mktemp -d /tmp/hosts.XXXXXX)
pids=()   # of what holds the namespaces
declare -A init # init[NAME]: process number 1 of a host, as seen from here
passed=0
failed=0

# ---------------------------------------------------------------------------
# Hosts
# ---------------------------------------------------------------------------

clean_up()
{
	local pid
	for pid in "${pids[@]}"; do
		kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	if [[ $failed -eq 0 || -z ${KEEP-} ]]; then
		rm -rf -- "$work"
	else
		echo "logs are in ${work}"
	fi
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

die()
{
	echo "$*" >&2
	failed=$((failed + 1))
	show_logs
	exit 1
}

show_logs()
{
	local host
	for host in $HOSTS; do
		if [[ -r ${work}/${host}/log/log.ctdb ]]; then
			echo "--- last lines of host ${host}'s log"
			tail -n 25 "${work}/${host}/log/log.ctdb"
		fi
	done
}

# boot NAME SCRIPT: starts a host of which SCRIPT is the first thing to run.
boot()
{
	unshare --net --mount --pid --fork --kill-child --mount-proc \
		sh -c "$2; touch '${work}/$1.up'; while :; do sleep 1; done" &
	pids+=($!)
	local outer=$! tries=100
	until [[ -e ${work}/$1.up ]]; do
		tries=$((tries - 1))
		[[ $tries -gt 0 ]] || die "host $1 does not start"
		sleep 0.1
	done
	init[$1]=$(pgrep -P "$outer" | head -n 1)
	on "$1" ip link set lo up
}

# on NAME COMMAND...
on()
{
	local name=$1
	shift
	nsenter --target "${init[$name]}" --net --mount --pid -- \
		env PATH="${bin}:${PATH}" CTDB="${bin}/ctdb" "$@"
}

# cable NAME INTERFACE BRIDGE: to a bridge of the switch.
cable()
{
	local end=$1$2
	ip -n "$switch" link add "$end" type veth peer name "$2" netns "/proc/${init[$1]}/ns/net"
	ip -n "$switch" link set "$end" master "$3" up
	on "$1" ip link set "$2" up
}

make_switch()
{
	boot switch true
	mkdir -p /run/netns
	switch=hosts-$$
	ip netns attach "$switch" "${init[switch]}"
	for bridge in private public; do
		ip -n "$switch" link add "$bridge" type bridge
		ip -n "$switch" link set "$bridge" up
	done
}

configure()
{
	local dir=${work}/$1 name
	mkdir -p "${dir}"/{etc,lib/{volatile,persistent,state},run,log,iproute2}
	cp -r "$here"/{functions,events,nfs-checks.d,notify.sh,debug-hung-script.sh} \
		"$here"/{debug_locks.sh,ctdb-backup-persistent-tdbs.sh,nfs-linux-kernel-callout} \
		"${dir}/etc"
	for name in "${dir}"/etc/events/legacy/*; do
		case " ${SCRIPTS} " in
		*" $(basename "$name" | cut -c 1-2) "*) ;;
		*) rm "$name" ;;
		esac
	done
	for name in 02 98; do
		printf '#!/bin/sh\necho "$*" >>/var/log/ctdb/events.%s\n' "$name" \
			>"${dir}/etc/events/legacy/${name}.record.script"
		chmod 755 "${dir}/etc/events/legacy/${name}.record.script"
	done

	for name in $HOSTS; do
		echo "${PRIVATE}.$((name + 1))"
	done | tee "${dir}/etc/natgw_nodes" >"${dir}/etc/nodes"
	{
		printf "${PUBLIC}.%s/24 eth1\n" 101 102 103
		printf "${PUBLIC}.%s/24 eth1,eth2\n" 104 105 106
	} >"${dir}/etc/public_addresses"
	cat >"${dir}/etc/ctdb.conf" <<-CONF
		[logging]
			location = file:/var/log/ctdb/log.ctdb
			log level = NOTICE
		[cluster]
			cluster lock = ${work}/shared/lock
	CONF
	echo "MonitorInterval=3" >"${dir}/etc/ctdb.tunables"
	echo "CTDB_PARTIALLY_ONLINE_INTERFACES=yes" >"${dir}/etc/script.options"
}

# To be replaced: prepare HOST DIRECTORY, once a host is configured, and
# more_mounts HOST, which prints commands for when it starts.
prepare()
{
	:
}

more_mounts()
{
	:
}

# enter_root HOST: prints commands that make ROOT the host's file system.
enter_root()
{
	[[ -n $ROOT ]] || return 0
	local there=${work}/$1/root directory
	cat <<-ENTER
		mkdir -p '${there}'
		mount -t tmpfs none '${there}'
		mkdir '${there}/upper' '${there}/work' '${there}/root'
		cd '${there}'
		mount -t overlay -o 'lowerdir=${ROOT},upperdir=upper,workdir=work' overlay root
		cd root
		mount --rbind /proc proc
		mount --rbind /dev dev
		mount -t sysfs sysfs sys
		mount -t tmpfs none tmp
		mkdir -p '.${work}' '.${bin}' mnt
		mount --bind '${work}' '.${work}'
		mount --bind '${bin}' '.${bin}'
		pivot_root . mnt
		umount -l /mnt
		cd /
	ENTER
}

# overlays HOST: prints commands that make the host's file system its own where it
# has to have directories that may not exist here.
overlays()
{
	if [[ -n $ROOT ]]; then
		echo "mount -t tmpfs none /run"
		return
	fi
	local directory upper=${work}/$1/overlay
	echo "mount -t tmpfs none /run; mkdir ${upper}; mount -t tmpfs none ${upper}"
	for directory in /etc /var /usr/libexec; do
		echo "mkdir -p ${upper}${directory} ${upper}/work${directory}"
		echo "mount -t overlay -o lowerdir=${directory},upperdir=${upper}${directory},workdir=${upper}/work${directory} overlay ${directory}"
	done
}

make_hosts()
{
	local host
	mkdir "${work}/shared" "${work}/libexec"
	ln -s "$bin"/ctdb?* "$bin"/{statd_callout,tdb_mutex_check} "${work}/libexec"
	cp --remove-destination "$here"/helpers/* "${work}/libexec"
	make_switch
	for host in $HOSTS; do
		configure "$host"
		prepare "$host" "${work}/${host}"
		boot "$host" "set -e
			$(enter_root "$host")
			$(overlays "$host")
			mkdir -p ${MOUNTED}
			mount --bind '${work}/${host}/etc' /etc/ctdb
			mount --bind '${work}/${host}/lib' /var/lib/ctdb
			mount --bind '${work}/${host}/run' /run/ctdb
			mount --bind '${work}/${host}/log' /var/log/ctdb
			mount --bind '${work}/libexec' /usr/libexec/ctdb
			mount --bind '${work}/${host}/iproute2' /etc/iproute2
			$(more_mounts "$host")
			true"
		cable "$host" eth0 private
		cable "$host" eth1 public
		cable "$host" eth2 public
		on "$host" ip addr add "${PRIVATE}.$((host + 1))/24" dev eth0
	done
	boot client true
	cable client eth0 public
	on client ip addr add "${PUBLIC}.9/24" dev eth0
}

# ---------------------------------------------------------------------------
# Looking at hosts
# ---------------------------------------------------------------------------

# expect WHAT COMMAND...: the command has to succeed.
expect()
{
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok      ${what}"
	else
		failed=$((failed + 1))
		echo "FAILED  ${what}"
	fi
}

# soon SECONDS COMMAND...: succeeds as soon as the command does.
soon()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[[ $SECONDS -lt $end ]] || return 1
		sleep 0.3
	done
}

events()
{
	cat "${work}/$1/log/events.98" 2>/dev/null
}

# has_event HOST TEXT: since the last call of forget_events.
has_event()
{
	events "$1" | grep -Fxq "$2"
}

# in_order HOST EVENT...: first occurrences, whatever else is between them.
in_order()
{
	local host=$1
	shift
	events "$host" | awk -v wanted="$*" '
		BEGIN { count = split(wanted, event, " "); next_one = 1 }
		$1 == event[next_one] { next_one++ }
		END { exit next_one <= count }'
}

forget_events()
{
	local host
	for host in $HOSTS; do
		: >"${work}/${host}/log/events.02"
		: >"${work}/${host}/log/events.98"
	done
}

same_events_in_both_scripts()
{
	local host
	for host in $HOSTS; do
		# A monitor event may be under way.
		diff <(grep -v monitor "${work}/${host}/log/events.02") \
			<(grep -v monitor "${work}/${host}/log/events.98") >/dev/null || return 1
	done
}

is_ok()
{
	on "$1" timeout 5 ctdb -X nodestatus 2>/dev/null | awk -F '|' '
		NR == 2 { for (i = 4; i < NF - 1; i++) bad += $i; seen = 1 }
		END { exit !seen || bad }'
}

all_ok()
{
	local host
	for host in $HOSTS; do
		is_ok "$host" || return 1
	done
}

# where_is IP: the hosts that really have the address, and on which interface.
where_is()
{
	local host
	for host in $HOSTS; do
		on "$host" ip -o addr show to "$1" | awk -v host="$host" '{ print host, $2 }'
	done
}

# settled: nothing but monitor events for some seconds.
settled()
{
	local before now
	before=$(for host in $HOSTS; do events "$host"; done | grep -vc monitor)
	sleep 4
	now=$(for host in $HOSTS; do events "$host"; done | grep -vc monitor)
	[[ $before -eq $now ]]
}

# Every address is on exactly one host.
all_hosted()
{
	local last
	for last in 101 102 103 104 105 106; do
		[[ $(where_is "${PUBLIC}.${last}" | wc -l) -eq 1 ]] || return 1
	done
}

all_reachable()
{
	local last
	for last in 101 102 103 104 105 106; do
		on client ping -c 1 -W 1 -q "${PUBLIC}.${last}" >/dev/null || return 1
	done
}

has_none()
{
	! on "$1" ip -o addr show | grep -q " ${PUBLIC}\.10"
}

is_elsewhere()
{
	local now
	now=$(where_is "$1")
	[[ -n $now && $now != *$'\n'* && ${now% *} != "$2" ]]
}

logged()
{
	grep -Fq "$2" "${work}/$1/log/log.ctdb"
}

is_gone()
{
	! kill -0 "$1" 2>/dev/null
}

# Starts daemons everywhere, and waits until addresses are where they belong.
start_cluster()
{
	local host
	make_hosts
	for host in $HOSTS; do
		on "$host" ctdbd || die "ctdbd does not start on host ${host}"
	done
	soon 90 all_ok || die "the cluster does not become OK"
	soon 30 all_hosted || die "public addresses are not taken"
	soon 60 settled || die "addresses keep moving"
}

# finish: the closing line, and the exit status.
finish()
{
	ip netns delete "$switch" 2>/dev/null
	[[ $failed -eq 0 ]] || show_logs
	echo "${passed} passed, ${failed} failed, 0 skipped"
	exit "$((failed > 0))"
}
