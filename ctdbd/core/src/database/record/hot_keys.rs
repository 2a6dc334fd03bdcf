//! The ten keys of a database that moved most often within a second.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::time::Now;

/// Number of keys that are kept.
pub(in crate::database) const SLOTS: usize = 10;
/// Length of the window in which moves of a key are counted together, microseconds.
const WINDOW_US: u64 = 1_000_000;

/// The keys that moved most, ascending by count.
#[derive(Debug, Default)]
pub(in crate::database) struct HotKeys {
    /// Moves of each key in the current window.
    recent: BTreeMap<Bytes, u32>,
    window_since_us: u64,
    slots: Vec<(u32, Bytes)>,
}

impl HotKeys {
    /// A record has come to this node because someone here called for it.
    pub(in crate::database) fn count(&mut self, now: Now, key: &Bytes) {
        if now.monotonic_us.saturating_sub(self.window_since_us) >= WINDOW_US {
            self.recent.clear();
            self.window_since_us = now.monotonic_us;
        }
        let count = self.recent.entry(key.clone()).or_insert(0);
        *count += 1;
        let count = *count;
        self.note(count, key);
    }

    /// Keeps the largest count that each key ever had.
    fn note(&mut self, count: u32, key: &Bytes) {
        if let Some(slot) = self.slots.iter_mut().find(|(_, k)| k == key) {
            if count <= slot.0 {
                return;
            }
            slot.0 = count;
        } else if self.slots.len() < SLOTS {
            self.slots.push((count, key.clone()));
        } else if count > self.slots[0].0 {
            self.slots[0] = (count, key.clone());
        } else {
            return;
        }
        self.slots.sort_by_key(|(count, _)| *count);
    }

    /// Count and key of each slot in use, ascending.
    #[must_use]
    pub(in crate::database) fn slots(&self) -> &[(u32, Bytes)] {
        &self.slots
    }

    /// Forgets everything (STATISTICS_RESET).
    pub(in crate::database) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_sorted_and_the_smallest_gives_way() {
        let mut hot = HotKeys::default();
        let now = Now::default();
        for n in 0..12_u8 {
            for _ in 0..=n {
                hot.count(now, &Bytes::from(vec![n]));
            }
        }
        let counts: Vec<u32> = hot.slots().iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    }
}
