#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts backups of all persistent databases into one compressed archive in the
# given directory, named after the time.
#
#	-l		does nothing, successfully, on a node that is not the leader
#	-L STATUS	the same, with this exit status

fail()
{
	echo "ERROR: $*"
	exit 1
}

usage()
{
	fail "usage: $0 [-l | -L <rc> ] <dir>"
}

elsewhere= # exit status where another node is the leader; empty: not asked
while getopts "hlL:?" option; do
	case "$option" in
	l) : "${elsewhere:=0}" ;;
	L) elsewhere=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage

directory=$1
[ -d "$directory" ] || fail "No such directory ${directory}"

if [ -n "$elsewhere" ] && [ "$(ctdb pnn)" != "$(ctdb leader)" ]; then
	exit "$elsewhere"
fi

name=ctdb-persistent-db-backup-$(date +%Y%m%d%H%M%S)
work=${directory}/${name}
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$work"

databases=$(ctdb getdbmap -X) || fail "Failed to list databases"
for database in $(printf '%s\n' "$databases" | awk -F '|' '$5 == 1 { print $3 }'); do
	(cd "$work" && ctdb backupdb "$database" "${database}.backup") ||
		fail "Failed to backup ${database}"
done

archive=${directory}/${name}.tgz
tar -czf "$archive" -C "$directory" "$name" || fail "Failed to create tarball"
echo "Created backup tarball ${archive}"
