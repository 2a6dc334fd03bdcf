# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced. Gives a script a network and processes of its own, so that its daemons meet nobody
# else's on 127.0.0.1:4379, and so that everything it started ends with it.

# isolate "$@": starts the calling script again in new network, process and mount namespaces.
# Where that is not possible it goes on as it is, and says so.
isolate() {
	if [ -n "${CTDB_TESTSUITE_ISOLATED:-}" ]; then
		ip link set lo up
		return
	fi
	export CTDB_TESTSUITE_ISOLATED=1
	if unshare --net --pid --mount --fork --mount-proc true 2>/dev/null; then
		exec unshare --net --pid --mount --fork --mount-proc --kill-child "$0" "$@"
	fi
	echo "$(basename "$0"): no namespaces here; using this machine's own loopback" >&2
	# shellcheck disable=SC2317 # called by scripts that source this
	ip() { [ "$1 $2" = "link set" ] || command ip "$@"; }
}
