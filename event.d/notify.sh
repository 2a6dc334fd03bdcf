#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# notify.sh EVENT: the daemon runs this when something about the node changes.
# Passes it on to every executable events/notification/*.script (see the README
# there); fails if one of them does.

status=0
for script in "$(dirname "$0")"/events/notification/*.script; do
	if [ -x "$script" ]; then
		"$script" "$1" || status=1
	fi
done
exit "$status"
