#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts backups of all persistent databases into one compressed archive in the
# given directory, named after the time.
#
#	-l		makes no backup, successfully, on a node that is not the leader
#	-L STATUS	the same, with this exit status
#	-m MODE		of the directory, in octal; 0700 if not given
#
# Databases contain secrets: whoever may not read the directory may not read the
# archive either.

fail()
{
	echo "ERROR: $*"
	exit 1
}

usage()
{
	fail "usage: $0 [-l | -L <rc> ] [-m <mode>] <dir>"
}

elsewhere= # exit status where another node is the leader; empty: not asked
mode=0700
while getopts "hlL:m:?" option; do
	case "$option" in
	l) : "${elsewhere:=0}" ;;
	L) elsewhere=$OPTARG ;;
	m) mode=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage

case "$mode" in
"" | *[!0-7]*) fail "Invalid mode ${mode}" ;;
esac

directory=$1
[ -d "$directory" ] || fail "No such directory ${directory}"

# Also where no backup is made now: there may be older ones.
umask 077
chmod "$mode" "$directory" || fail "Failed to change the mode of ${directory}"

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
chmod "$(printf '%04o' "$((0$mode & 0666))")" "$archive"
echo "Created backup tarball ${archive}"
