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

# The toolchain that need_rust installs, and from where.
rust_toolchain=1.95.0
rust_site=https://static.rust-lang.org/rustup/dist

# need_rust: finds cargo, or installs a toolchain for this user with rustup; Debian 12's own is too
# old for this tree. CARGO_HOME and RUSTUP_HOME are respected, no start-up file of a shell is changed.
need_rust() {
	local bin=${CARGO_HOME:-$HOME/.cargo}/bin
	if ! command -v cargo >/dev/null 2>&1 && [ -x "$bin/cargo" ]; then
		PATH=$bin:$PATH
	fi
	if ! command -v cargo >/dev/null 2>&1; then
		install_rust || return 1
		PATH=$bin:$PATH
	fi
	export PATH
}

install_rust() {
	local work n
	need_packages curl ca-certificates || return 1
	echo "installing Rust $rust_toolchain with rustup" >&2
	# rustup-init goes by its own name
	work=$(mktemp -d)
	for n in 1 2 3; do
		if { curl -fsSL -o "$work/rustup-init" "$rust_site/$(uname -m)-unknown-linux-gnu/rustup-init" &&
			chmod +x "$work/rustup-init" && "$work/rustup-init" -y --no-modify-path --profile minimal \
			--component clippy --component rustfmt --default-toolchain "$rust_toolchain"; } \
			</dev/null >"$work/log" 2>&1; then
			rm -rf "$work"
			return 0
		fi
		echo "rustup failed (attempt $n of 3)" >&2
		sleep $((n * 5))
	done
	tail -n 20 "$work/log" >&2
	rm -rf "$work"
	echo "There is no cargo, and Rust $rust_toolchain could not be fetched from $rust_site." >&2
	echo "Install Rust 1.90 or newer by hand and start this again." >&2
	return 1
}
