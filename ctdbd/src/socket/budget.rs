//! How many bytes may wait for those who do not read.

use std::sync::OnceLock;

use crate::sys::memory;

const MEGABYTE: u64 = 1 << 20;

/// Limits of what waits to be sent, in bytes. They follow from the memory that this process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// To one client.
    pub client_bytes: u64,
    /// To all clients.
    pub clients_bytes: u64,
    /// To one other node.
    pub peer_bytes: u64,
}

impl Budget {
    /// The budget of this process.
    #[must_use]
    pub fn get() -> Self {
        static BUDGET: OnceLock<Budget> = OnceLock::new();
        *BUDGET.get_or_init(|| Self::of(memory::usable_bytes()))
    }

    /// The budget where so many bytes of memory can be used. A node that is recovered gets a whole
    /// database in its queue, hence its share; a client that does not read its messages is not worth more than
    /// a quarter of a gigabyte.
    fn of(usable_bytes: u64) -> Self {
        let share = |parts: u64, most: u64| (usable_bytes / parts).clamp(4 * MEGABYTE, most);
        Self {
            client_bytes: share(16, 256 * MEGABYTE),
            clients_bytes: share(8, 2048 * MEGABYTE),
            peer_bytes: share(4, 16_384 * MEGABYTE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_big_machine_has_bounds_and_a_small_one_gets_shares() {
        let big = Budget::of(64 << 30);
        assert_eq!(big.client_bytes, 256 * MEGABYTE);
        assert_eq!(big.clients_bytes, 2048 * MEGABYTE);
        assert_eq!(big.peer_bytes, 16_384 * MEGABYTE);
        let small = Budget::of(200_000 << 10);
        assert_eq!(small.client_bytes, 12_800_000);
        assert!(small.clients_bytes + small.peer_bytes < 100 * MEGABYTE);
        assert_eq!(Budget::of(0).client_bytes, 4 * MEGABYTE);
    }
}
