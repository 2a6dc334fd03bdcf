// SPDX-License-Identifier: GPL-3.0-or-later
//! One node on a made-up machine: scripts that put addresses on interfaces and take them off, a file of
//! public addresses, and a note of all that was sent.

mod configure;
mod host;
mod moves;
mod tracking;

/// Processor time of this thread so far. Unlike a clock it says the same on a crowded machine.
pub(in crate::failover) fn cpu_time_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has this");
    let on_cpu_ns = text
        .split(' ')
        .next()
        .and_then(|word| word.parse::<u64>().ok());
    on_cpu_ns.expect("the first number") / 1_000_000
}
