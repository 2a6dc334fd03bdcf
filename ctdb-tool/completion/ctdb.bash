# Made from the table of commands by ctdb-tool/src/completion.rs; do not edit.
_ctdb()
{
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local command= at=0 index words=
	for ((index = 1; index < COMP_CWORD; index++)); do
		case ${COMP_WORDS[index]} in
		-d | --debug | -t | --timelimit | -n | --node | -x | --separator | -T | --maxruntime) ((index++)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[index]}
			at=$index
			break
			;;
		esac
	done
	case $before in
	-n | --node)
		COMPREPLY=($(compgen -W "$(ctdb -X listnodes 2>/dev/null | cut -d'|' -f2)" -- "$current"))
		return
		;;
	-d | --debug | -t | --timelimit | -n | --node | -x | --separator | -T | --maxruntime) return ;;
	esac
	if [[ $current == -* ]]; then
		COMPREPLY=($(compgen -W '-d --debug -t --timelimit -n --node -Y -x --separator -X -j --json -v --verbose -T --maxruntime --help --usage' -- "$current"))
		return
	fi
	if [[ -z $command ]]; then
		COMPREPLY=($(compgen -W 'version status uptime ping runstate getvar setvar listvars statistics statisticsreset stats ip ipinfo ifaces setifacelink process-exists getdbmap getdbstatus catdb cattdb getcapabilities pnn lvs setdebug getdebug attach detach dumpmemory rddumpmemory getpid disable enable stop continue ban unban shutdown recover sync ipreallocate gratarp tickle gettickles addtickle deltickle listnodes reloadnodes moveip addip delip backupdb restoredb dumpdbbackup wipedb leader event scriptstatus natgw getreclock setlmasterrole setleaderrole setdbreadonly setdbsticky pfetch pstore pdelete ptrans tfetch tstore readkey writekey deletekey checktcpport getdbseqnum nodestatus dbstatistics reloadips pushrecord health upgrade-check config locks top help' -- "$current"))
		return
	fi
	case $command in
	help) words='version status uptime ping runstate getvar setvar listvars statistics statisticsreset stats ip ipinfo ifaces setifacelink process-exists getdbmap getdbstatus catdb cattdb getcapabilities pnn lvs setdebug getdebug attach detach dumpmemory rddumpmemory getpid disable enable stop continue ban unban shutdown recover sync ipreallocate gratarp tickle gettickles addtickle deltickle listnodes reloadnodes moveip addip delip backupdb restoredb dumpdbbackup wipedb leader event scriptstatus natgw getreclock setlmasterrole setleaderrole setdbreadonly setdbsticky pfetch pstore pdelete ptrans tfetch tstore readkey writekey deletekey checktcpport getdbseqnum nodestatus dbstatistics reloadips pushrecord health upgrade-check config locks top help' ;;
	getvar | setvar)
		((COMP_CWORD == at + 1)) && words=$(ctdb listvars 2>/dev/null | cut -d' ' -f1)
		;;
	runstate) words='setup first_recovery startup running' ;;
	stats) words='count' ;;
	ip) words='all' ;;
	setifacelink) words='up down' ;;
	lvs) words='leader list status' ;;
	setdebug) words='ERROR WARNING NOTICE INFO DEBUG' ;;
	attach) words='persistent replicated' ;;
	restoredb) words='dbname' ;;
	scriptstatus) words='init setup startup monitor takeip releaseip ipreallocated' ;;
	natgw) words='leader list status' ;;
	setlmasterrole) words='on off' ;;
	setleaderrole) words='on off' ;;
	readkey) words='readonly' ;;
	nodestatus) words='all' ;;
	reloadips) words='all' ;;
	config) words='check validate dump get' ;;
	locks) words='all' ;;
	esac
	case $command in
	getdbstatus | catdb | cattdb | detach | backupdb | wipedb | setdbreadonly | setdbsticky | pfetch | pstore | pdelete | ptrans | readkey | writekey | deletekey | getdbseqnum | dbstatistics | pushrecord | locks)
		((COMP_CWORD == at + 1)) && words="$words $(ctdb -X getdbmap 2>/dev/null | tail -n +2 | cut -d'|' -f3)"
		;;
	esac
	case $command in
	backupdb | restoredb | dumpdbbackup | ptrans | tfetch | tstore) COMPREPLY=($(compgen -f -- "$current")) ;;
	esac
	COMPREPLY+=($(compgen -W "$words" -- "$current"))
}
complete -F _ctdb ctdb
