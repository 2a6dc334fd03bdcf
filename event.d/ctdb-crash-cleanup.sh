#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# For cron: if the daemon is not running, takes public addresses off this node,
# and the NAT gateway's, since another node will have them by now.

: "${CTDB_BASE:=$(cd -P "$(dirname "$0")" && pwd)}"
. "${CTDB_BASE}/functions"

if service ctdb status >/dev/null 2>&1; then
	exit 0
fi

load_script_options "failover" "11.natgw"

have_public_addresses || die "No public addresses file found. Can't clean up."

{
	drop_all_public_ips
	if [ -n "$CTDB_NATGW_PUBLIC_IP" ]; then
		drop_ip "$CTDB_NATGW_PUBLIC_IP"
	fi
} 2>&1 | script_log "ctdb-crash-cleanup.sh"
