# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced. Releases of Samba, where Debian has them, and their programs as programs of this machine.
# `upstream/fetch root RELEASE` makes a root with everything of that release installed and nothing started;
# here it is entered. What is changed in it is gone with the mount namespace that it was mounted in.

releases_fetch=$(cd "$(dirname "${BASH_SOURCE[0]}")/../upstream" && pwd -P)/fetch

SAMBA_RELEASES="4.17 4.22 4.24 4.25"

# release_suites RELEASE: the suites of Debian whose Samba is of that release; with a second one, the first
# is the system and Samba comes from the second
release_suites() {
	case "$1" in
	4.17) echo bookworm ;;
	4.22) echo trixie ;;
	4.24) echo trixie trixie-backports ;;
	4.25) echo sid ;;
	*)
		echo "$1: not a known release of Samba ($SAMBA_RELEASES)" >&2
		return 1
		;;
	esac
}

# release_mount RELEASE WHERE [FOLDER...]: a root of that release at WHERE/root, in this script's own mount
# namespace, with what a running system has and with the machine's FOLDERs at their own place
release_mount() {
	local root where=$2 folder
	root=$("$releases_fetch" root "$1") || return 1
	shift 2
	mkdir -p "$where" && mount -t tmpfs -o mode=755 root "$where" && mkdir "$where"/{upper,work,root} || return 1
	mount -t overlay overlay -o "lowerdir=$root,upperdir=$where/upper,workdir=$where/work" "$where/root" || {
		echo "overlayfs cannot be mounted here" >&2
		return 1
	}
	where=$where/root
	mount -t proc proc "$where/proc" && mount --rbind /sys "$where/sys" && mount --rbind /dev "$where/dev" &&
		mount -t tmpfs -o mode=755 run "$where/run" && mkdir -p "$where/run/lock" || return 1
	for folder; do
		mkdir -p "$where$folder" && mount --rbind "$folder" "$where$folder" || return 1
	done
	cp /etc/hosts "$where/etc/hosts"
}

# release_starters ROOT FOLDER PROGRAM...: scripts in FOLDER that start programs of the mounted ROOT by
# their names, in the working folder of the caller if ROOT has it. FOLDER must not be seen inside ROOT.
release_starters() {
	local root=$1 folder=$2 program
	shift 2
	mkdir -p "$folder"
	# There each would find itself by its name, and enter the root once more.
	[ ! -d "$root$folder" ] || {
		echo "$folder is seen inside $root" >&2
		return 1
	}
	for program; do
		[ -n "$(chroot "$root" sh -c 'command -v "$1"' sh "$program")" ] || {
			echo "$root has no $program" >&2
			return 1
		}
		# shellcheck disable=SC2016 # for the script that is written
		printf '#!/bin/sh\nexec chroot %s sh -c %s sh "$PWD" %s "$@"\n' "'$root'" \
			"'cd \"\$1\" 2>/dev/null; shift; exec \"\$@\"'" "$program" >"$folder/$program"
		chmod 755 "$folder/$program"
	done
}
