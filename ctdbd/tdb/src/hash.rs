// SPDX-License-Identifier: GPL-3.0-or-later
//! The two hash functions of the file format.

use crate::file::Tdb;
use crate::flags::TdbFlags;
use crate::record::datum;

/// Bob Jenkins' lookup3 hash as libtdb has it: database ids, lmaster choice, and chains of
/// files with `INCOMPATIBLE_HASH`.
pub fn jenkins(key: &[u8]) -> u32 {
    let mut key = datum(key);
    // SAFETY: the datum describes a live slice which the function only reads.
    unsafe { tdb_sys::tdb_jenkins_hash(&raw mut key) }
}

/// The hash of files without `INCOMPATIBLE_HASH`.
pub fn old_hash(key: &[u8]) -> u32 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let start = 0x238F_13AF_u32.wrapping_mul(length);
    let mixed = (0_u32..).zip(key).fold(start, |value, (i, &byte)| {
        value.wrapping_add(u32::from(byte) << (i.wrapping_mul(5) % 24))
    });
    mixed.wrapping_mul(1_103_515_243).wrapping_add(12_345)
}

impl Tdb {
    /// Jenkins hash of a key, whatever the file uses for its chains.
    pub fn hash(&self, key: &[u8]) -> u32 {
        jenkins(key)
    }

    /// The chain that holds `key`, going by the flags the file was opened with.
    pub fn chain(&self, key: &[u8]) -> u32 {
        let hash = if self.opened_with().contains(TdbFlags::INCOMPATIBLE_HASH) {
            jenkins(key)
        } else {
            old_hash(key)
        };
        hash % self.hash_size().max(1)
    }
}
