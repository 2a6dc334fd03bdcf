# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced. Installs the Debian packages that a script needs, never starting a service.

# need_packages NAME...: installs those that are missing; three attempts; fails with a message.
need_packages() {
	local missing=() name n
	for name; do
		dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ||
			missing+=("$name")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ]; then
		echo "missing Debian packages, and only root can install them: ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}" >&2
	local log policy=/usr/sbin/policy-rc.d made_policy=false
	log=$(mktemp)
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		made_policy=true
	fi
	for n in 1 2 3; do
		if { apt-get update && apt-get install --yes --no-install-recommends \
			-o Dpkg::Options::=--force-confold "${missing[@]}"; } </dev/null >"$log" 2>&1; then
			! $made_policy || rm -f "$policy"
			rm -f "$log"
			return 0
		fi
		echo "apt-get failed (attempt $n of 3)" >&2
		sleep $((n * 5))
	done
	! $made_policy || rm -f "$policy"
	tail -n 20 "$log" >&2
	rm -f "$log"
	echo "these Debian packages could not be installed: ${missing[*]}" >&2
	return 1
}
export DEBIAN_FRONTEND=noninteractive

# need_rust: finds cargo, or says what to do.
need_rust() {
	if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
		PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
	fi
	if ! command -v cargo >/dev/null 2>&1; then
		echo "There is no Rust toolchain here (cargo). Debian 12's is too old for this tree:" >&2
		echo "install Rust 1.90 or newer, for instance with rustup, and start this again." >&2
		return 1
	fi
}
