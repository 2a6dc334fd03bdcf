# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. More traverses than anybody needs.

part_helpers() {
	local worst most=0 now id times client
	cluster 3 quick_keepalives || return 1
	on 0 ctdb attach many.tdb
	for number in $(seq 50); do
		on 0 ctdb writekey many.tdb "key$number" "value$number"
	done
	id=$(on 0 ctdb getdbmap | sed -n 's/^dbid:\(0x[0-9a-f]*\) name:many.tdb .*/\1/p')
	[ -n "$id" ] || return 1
	watch_gaps 1 0
	clumsy 0 vanish 2500 "$id" &
	client=$!
	while kill -0 "$client" 2>/dev/null; do
		now=$(on 0 pgrep -c -P "$(daemon_of 0)")
		[ "${now:-0}" -le "$most" ] || most=$now
		sleep 0.1
	done
	judge "the daemon answers" on 0 timeout 5 ctdb ping
	worst=$(worst_gap 0)
	row "2500 traverses by clients that vanish" "late by at most $worst s, $most processes"
	judge "keepalives and broadcasts are late by at most 1 s: $worst" at_most "$worst" 1
	judge "the daemon had $most processes at most" at_most "$most" 40
	watch_gaps 1 0
	times=$(clumsy 0 traverse 400 "$id")
	worst=$(worst_gap 0)
	row "400 traverses by clients that wait" "others served after, all done after: $times s; late by $worst s"
	judge "400 traverses all end: $times s" has '[0-9]+ [0-9]+' "${times//./}"
	judge "keepalives and broadcasts are late by at most 1 s: $worst" at_most "$worst" 1
}
