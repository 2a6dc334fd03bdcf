# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by `transcript`: a cluster of three nodes, just started, is looked at and changed. `t NODE WORDS...` runs
# the tool against a node and notes what it said. Every command of the tool is called here, rightly and wrongly.

# wrong command lines, no daemon asked
for words in "" "nosuchcommand" "-Q status" "-n" "-n abc status" "-n 99999999999 status" "-t x status" \
	"--nod=1 status" "--verbose=1 status" "-node=1 status" "-n 1 version" "-n 1 listnodes"; do
	t 0 $words
done

# wrong arguments of every command; not of checktcpport and dumpdbbackup, where upstream looks up a wrong name and
# shows the help of all commands
for words in "status x" "getvar" "getvar A b" "setvar A" "listvars x" "statistics x" "statisticsreset x" "stats 1 2" \
	"ip x" "ip all x" "ipinfo" "ipinfo 1.2.3" "ifaces x" "setifacelink lo" "setifacelink lo sideways" \
	"setifacelink a-name-that-is-too-long up" "process-exists" "process-exists 1 x" "getdbmap x" "getdbstatus" \
	"catdb" "cattdb" "getcapabilities x" "lvs" "setdebug" "setdebug loud" "getdebug x" "attach" "attach a b" "detach" \
	"disable x" "enable x" "stop x" "continue x" "ban" "ban x" "ban 0" "unban x" "shutdown x" "recover x" \
	"ipreallocate x" "sync x" "gratarp 10.0.0.1" "gratarp x lo" "tickle x" "tickle 1.2.3.4 5.6.7.8" "gettickles" \
	"gettickles x" "gettickles 10.0.0.1 x" "addtickle x" "addtickle x y" "deltickle x" "deltickle 1.2.3.4:5 x" \
	"listnodes x" "reloadnodes x" "moveip 1.2.3.4" "moveip x 1" "moveip 1.2.3.4 x" "addip x" "addip 1.2.3.4 lo" \
	"delip" "delip x" "backupdb x" "backupdb nosuch.tdb file" "restoredb" "restoredb /nonexistent"  \
	"dumpdbbackup /nonexistent" "dumpdbbackup /etc/passwd" "restoredb /etc/passwd" "wipedb" "wipedb nosuch.tdb" \
	"natgw" "getreclock x" "setlmasterrole" "setlmasterrole maybe" "setleaderrole maybe" "setdbreadonly" \
	"setdbreadonly nosuch.tdb" "setdbsticky" "setdbsticky nosuch.tdb" "pfetch a" "pfetch nosuch.tdb k" "pstore a b" \
	"pdelete a" "ptrans" "ptrans nosuch.tdb" "tfetch x" "tfetch /nonexistent k" "tstore x y" \
	"tstore /nonexistent k v" "readkey x" "readkey a b c" "readkey nosuch.tdb k" "writekey a b" \
	"writekey nosuch.tdb k v" "deletekey x" "deletekey nosuch.tdb k" "getdbseqnum" \
	"getdbseqnum nosuch.tdb" "getdbseqnum 0x1" "getdbseqnum 0xzz" "nodestatus x y" "nodestatus x" "nodestatus 7" \
	"dbstatistics" "dbstatistics nosuch.tdb" "reloadips x y" "reloadips 9" "runstate nowhere" "scriptstatus a b" \
	"-n 7 status" "-n 1 pnn" "-n 1 catdb x" "-n 1 reloadnodes"; do
	t 0 $words
done

# more words than any command takes
for command in $(upstream_commands); do
	t 0 "$command" 1 2 3 4 5 6 7 8 9
done

# looking at a healthy cluster
for words in "version" "status" "-X status" "-Y status" "-X -x : status" "nodestatus" "-X nodestatus" "nodestatus all" \
	"-X nodestatus all" "nodestatus 0,2" "nodestatus 1,9" "-n 1 nodestatus" "-n 2 status" "uptime" "-n 1 uptime" \
	"ping" "-n 1 ping" "runstate" "runstate running" "runstate startup running" "runstate setup" "getcapabilities" \
	"-X getcapabilities" "pnn" "leader" "-n 1 leader" "getpid" "listnodes" "-X listnodes" "getreclock" "getdebug" \
	"-n 2 getdebug" "listvars" "getvar MonitorInterval" "getvar monitorinterval" "getvar NoSuchVar" "ip" "-X ip" "ip all" \
	"-X ip all" "ip -v" "ip -v all" "-X -v ip all" "ifaces" "-X ifaces" "ipinfo 192.168.100.1" "ipinfo 10.1.1.1" \
	"process-exists 1" "process-exists 1 0x17" "getdbmap" "-X getdbmap" "statistics" "-X statistics" \
	"dumpmemory" "rddumpmemory" "gettickles 192.168.100.1" "-X gettickles 192.168.100.1" \
	"gettickles 10.9.9.9" "checktcpport 65000"; do
	t 0 $words
done
t 1 status
t 1 pnn

# tunables and log levels
t 0 setvar MonitorInterval 17
t 0 getvar MonitorInterval
t 0 setvar MonitorInterval 0x0f
t 0 getvar MonitorInterval
t 0 setvar MonitorInterval many
t 0 setvar NoSuchVar 1
t 0 setvar MaxRedirectCount 1
for level in ERROR warn 3 INFO 10 DEBUG NOTICE; do
	t 0 setdebug $level
	t 0 getdebug
done

# databases
t 0 attach volatile.tdb
t 0 attach persistent.tdb persistent
t 0 attach replicated.tdb replicated
t 0 attach readonly.tdb readonly
t 0 attach sticky.tdb sticky
t 0 getdbmap
t 0 -X getdbmap
for db in volatile.tdb persistent.tdb replicated.tdb readonly.tdb sticky.tdb 0x211bf47b; do
	t 0 getdbstatus $db
	t 0 dbstatistics $db
	t 0 catdb $db
	t 0 cattdb $db
done
t 0 getdbseqnum persistent.tdb
t 0 getdbseqnum replicated.tdb
t 0 setdbreadonly volatile.tdb
t 0 setdbsticky volatile.tdb
t 0 setdbreadonly persistent.tdb
t 0 setdbsticky replicated.tdb
t 0 getdbstatus volatile.tdb
t 1 getdbstatus volatile.tdb
for key in key1 key2 0x6b657933 "key 4"; do
	t 0 writekey volatile.tdb "$key" "value of $key"
	t 0 readkey volatile.tdb "$key"
done
t 1 readkey volatile.tdb key1
t 2 readkey readonly.tdb key1 readonly
t 1 writekey volatile.tdb key2 other
t 0 writekey volatile.tdb key5 0xzz
t 0 writekey volatile.tdb 0x123 odd
t 0 readkey persistent.tdb key1
t_sorted 0 catdb volatile.tdb
t 0 cattdb volatile.tdb
t 1 cattdb volatile.tdb
t 0 deletekey volatile.tdb key1
t 0 deletekey volatile.tdb nosuchkey
t_sorted 0 catdb volatile.tdb
t 0 pstore persistent.tdb a 1
t 0 pstore persistent.tdb b 0x0102
t 0 pstore volatile.tdb b 2
t 0 pfetch persistent.tdb a
t 0 pfetch persistent.tdb nosuchkey
t 1 pfetch persistent.tdb b
t 0 pdelete persistent.tdb b
t 0 pdelete persistent.tdb nosuchkey
t 0 getdbseqnum persistent.tdb
printf '"x" "1"\n"y" "2"\n"x" "3"\nrubbish\n"half\n"z" ""\n' | t 0 ptrans persistent.tdb
t 0 getdbseqnum persistent.tdb
printf '"x" "3"\n' | t 0 ptrans persistent.tdb
t 0 getdbseqnum persistent.tdb
printf '"r" "1"\n' | t 0 ptrans replicated.tdb
t 0 ptrans persistent.tdb /nonexistent
t 0 catdb persistent.tdb
t 2 cattdb persistent.tdb
t 2 cattdb replicated.tdb
t 0 backupdb persistent.tdb "$STATE/backup"
t 0 dumpdbbackup "$STATE/backup"
t 0 pstore persistent.tdb after-backup 1
t 0 restoredb "$STATE/backup"
t 1 catdb persistent.tdb
t 0 restoredb "$STATE/backup" copy.tdb
t 0 getdbstatus copy.tdb
t 0 attach file.tdb persistent
t 0 pstore file.tdb k v
file=$STATE/node.0/db/persistent/file.tdb.0
t 0 tfetch "$file" k
t 0 tstore "$file" k w
t 0 tfetch "$file" k
t 0 tstore "$file" 0x6b32 0x7632 7 1
t 0 tstore "$file" 0x6b32 0x7632 7 1 2
t 0 tfetch "$file" k2 "$STATE/fetched"
cat "$STATE/fetched"
t 0 tfetch "$file" nosuchkey
t 0 cattdb file.tdb
t 0 wipedb persistent.tdb
t 1 catdb persistent.tdb
t 0 wipedb volatile.tdb
t 0 cattdb volatile.tdb
t 0 attach plain.tdb
t 0 writekey plain.tdb k v
t 0 detach plain.tdb
for node in 0 1 2; do
	t $node setvar AllowClientDBAttach 0
done
t 0 detach persistent.tdb
# not volatile.tdb: the C daemons abort when a sticky database is detached
t 0 detach nosuch.tdb plain.tdb
t 0 getdbmap
for node in 0 1 2; do
	t $node setvar AllowClientDBAttach 1
done

# state of nodes
for pair in "disable enable" "stop continue" "ban unban"; do
	set -- $pair
	time=
	[ "$1" = ban ] && time=300
	t 0 -n 1 $1 $time
	recovered
	t 0 status
	t 0 -X status
	t 0 nodestatus all
	t 0 -n 1 $1 $time
	t 0 -n 1 $2
	t 0 -n 1 $2
	settle
	t 0 status
done
t 0 recover
t 0 ipreallocate
t 0 sync
t 0 -n 1 setleaderrole off
t 0 -n 1 setlmasterrole off
t 0 -n 1 getcapabilities
t 0 -n 1 setleaderrole on
t 0 -n 1 setlmasterrole on
settle

# public addresses
public=$(public_addresses)
for ip in $public; do
	t 0 ipinfo "$ip"
	t 1 gettickles "$ip"
done
set -- $public
t 0 addtickle "10.1.1.1:1000" "$1:445"
t 0 addtickle "10.1.1.2:1000" "$1:445"
t 0 gettickles "$1"
t 0 -X gettickles "$1" 445
t 0 gettickles "$1" 446
t 0 deltickle "10.1.1.1:1000" "$1:445"
t 0 deltickle "10.1.1.1:1000" "$1:445"
t 0 gettickles "$1"
printf '10.1.1.3:1000 %s:139\n10.1.1.4:1000 %s:139\n' "$1" "$1" | t 0 addtickle
t 0 gettickles "$1" 139
printf '10.1.1.3:1000 %s:139\n' "$1" | t 0 deltickle
t 0 gettickles "$1" 139
t 0 gratarp "$1" lo
t 0 tickle "10.1.1.1:1000" "$1:445"
t 0 moveip 10.9.9.9 1
t 0 addip 192.168.111.1/24 lo
t 0 addip 192.168.111.1/24 lo
t 0 delip 192.168.111.1
t 0 delip 192.168.111.1
t 0 setifacelink lo down
t 0 ifaces
t 0 status
t 0 setifacelink lo up
t 0 setifacelink nosuch up
# C's daemons refuse to be quiet while the takeover run that this causes goes on.
settle
t 0 reloadips
t 0 reloadips all
t 0 reloadnodes
for group in natgw lvs; do
	t 0 $group list
	printf '127.0.0.1\n127.0.0.2\tfollower-only\n127.0.0.3\n' >"$STATE/node.0/${group}_nodes"
	for word in leader list status; do
		t 0 $group $word
	done
	rm "$STATE/node.0/${group}_nodes"
done
t 0 scriptstatus
t 0 event status legacy monitor
t 0 event status legacy nosuch
t 0 event script list legacy

# a node less
t 2 shutdown
settle_without 2
recovered
t 0 status
t 0 -X status
t 0 nodestatus all
t 0 -n 2 ping
t 0 -n 2 status
t 0 reloadnodes
t 2 status
