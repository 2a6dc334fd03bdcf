//! The hash that places keys: Bob Jenkins' public-domain lookup3 ("hashlittle"), with which libtdb
//! hashes the keys of cluster databases.
//!
//! The same number chooses a key's lmaster and, over a database's name with its closing NUL, its id.

use crate::id::DbId;

/// Where lookup3 starts before the length is added.
const START: u32 = 0xdead_beef;

/// The hash of a key.
#[must_use]
pub fn hash(key: &[u8]) -> u32 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut state = [START.wrapping_add(length); 3];
    let mut rest = key;
    while rest.len() > 12 {
        let (block, tail) = rest.split_at(12);
        add(&mut state, block);
        mix(&mut state);
        rest = tail;
    }
    if rest.is_empty() {
        return state[2];
    }
    add(&mut state, rest);
    finish(&mut state);
    state[2]
}

/// The id of the database with this name.
#[must_use]
pub fn database_id(name: &str) -> DbId {
    let mut with_nul = Vec::with_capacity(name.len() + 1);
    with_nul.extend_from_slice(name.as_bytes());
    with_nul.push(0);
    DbId(hash(&with_nul))
}

/// Adds up to twelve bytes, as three little-endian words.
fn add(state: &mut [u32; 3], block: &[u8]) {
    for (word, bytes) in state.iter_mut().zip(block.chunks(4)) {
        let mut padded = [0; 4];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = word.wrapping_add(u32::from_le_bytes(padded));
    }
}

/// lookup3's reversible mixing of three words between blocks.
fn mix([a, b, c]: &mut [u32; 3]) {
    let step = |x: &mut u32, y: &mut u32, z: &mut u32, by: u32| {
        *x = x.wrapping_sub(*z) ^ z.rotate_left(by);
        *z = z.wrapping_add(*y);
    };
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
}

/// lookup3's final mixing after the last block.
fn finish([a, b, c]: &mut [u32; 3]) {
    let step = |x: &mut u32, y: u32, by: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that upstream's own fixtures and Samba's databases have.
    #[test]
    fn database_ids_are_upstreams() {
        for (name, id) in [
            ("volatile.tdb", 0x211b_f47b),
            ("persistent.tdb", 0x54ef_7d5e),
            ("replicated.tdb", 0x8424_1f7c),
            ("locking.tdb", 0x7a19_d84d),
            ("smbXsrv_session_global.tdb", 0x6b06_a26d),
            ("rpcd_witness_registration.tdb", 0xe880_2765),
            ("g_lock.tdb", 0x4d2a_432b),
        ] {
            assert_eq!(database_id(name), DbId(id), "{name}");
        }
    }
}
