//! How much memory this process may use, and giving back what it does not.

use nix::sys::resource::{Resource, getrlimit};

/// Bytes that this process may use: its limit (`ulimit -v`), that of its control group, or what the machine
/// has, whichever is least.
#[must_use]
pub fn usable_bytes() -> u64 {
    let limit = getrlimit(Resource::RLIMIT_AS).map_or(u64::MAX, |(soft, _)| soft);
    let machine = nix::sys::sysinfo::sysinfo().map_or(u64::MAX, |info| info.ram_total());
    limit.min(machine).min(group_bytes().unwrap_or(u64::MAX))
}

/// The limit of this process's control group, if it has one of version 2.
fn group_bytes() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let path = format!("/sys/fs/cgroup{own}/memory.max");
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Gives memory that was freed back to the system. What one queue has used is spread over the heap and
/// would stay this process's otherwise. Takes some milliseconds after hundreds of megabytes.
pub fn give_back() {
    // SAFETY: the call takes no pointer and may be made at any time.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_memory_can_be_used() {
        assert!(usable_bytes() > 16 << 20);
        give_back();
    }
}
