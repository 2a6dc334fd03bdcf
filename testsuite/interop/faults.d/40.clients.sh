# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. Clients that die with requests under way.

part_clients() {
	local worst
	cluster 3 quick_keepalives || return 1
	on 2 kill -STOP "$(daemon_of 2)"
	watch_gaps 1 0
	clumsy 0 die 400 500 2
	judge "the daemon answers" on 0 timeout 5 ctdb ping
	sleep 1
	worst=$(worst_gap 0)
	on 2 kill -CONT "$(daemon_of 2)"
	row "400 clients gone with 500 requests each to a frozen node" "late by at most $worst s"
	judge "keepalives and broadcasts are late by at most 1 s: $worst" at_most "$worst" 1
}
