# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by faults. Clients that do not read, with and without a memory limit.

part_memory() {
	local said before after
	cluster 2 quick_keepalives || return 1
	before=$(memory_of 0)
	said=$(timeout 120 nsenter --target "${host_init[h0]}" --net --mount --pid --uts -- \
		python3 "$here/faults.d/clumsy.py" deaf 400)
	sleep 2
	after=$(memory_of 0)
	row "400 MB to a client that does not read" "$said; memory $before kB before, $after kB after"
	judge "the daemon answers" on 0 timeout 5 ctdb ping
	judge "memory goes back: $before kB before, $after kB after" at_most "$after" $((before + 80000))
	if [ "$kind" = ours ]; then
		judge "the log names the client and its process" \
			grep -qE "Drop client [0-9]+ \(process [0-9]+\): it does not read" "$(log_of 0)"
	fi
	on 0 timeout 20 ctdb shutdown
	sleep 1
	on 0 sh -c 'ulimit -v 400000; ctdbd' || return 1
	soon 30 all_ok || return 1
	said=$(timeout 120 nsenter --target "${host_init[h0]}" --net --mount --pid --uts -- \
		python3 "$here/faults.d/clumsy.py" deaf 400)
	row "the same with ulimit -v 400000" "${said:-the daemon is gone}"
	judge "the daemon lives on" on 0 timeout 5 ctdb ping
	judge "the other node never missed it" soon 5 all_ok
}
