//! Finds mutexes that belong to a thread that no longer exists, or that no longer has the file
//! mapped, and frees them.

use std::collections::BTreeMap;
use std::num::NonZeroI32;

use tdb::{MutexArea, Which};

use super::parent;

/// A mutex that was freed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) thread: i32,
    pub(super) program: String,
    pub(super) mutex: String,
}

/// Owners that looked dead when last seen. One is believed dead when it is seen so twice in a
/// row: a thread that is just ending is the kernel's business.
#[derive(Debug, Default)]
pub(super) struct Search {
    suspects: BTreeMap<(u8, u32), NonZeroI32>,
}

impl Search {
    /// One look at what stands in the way: the mutex of `chain` (all chains if `None`) and
    /// those that every locker may need. `file` is the file's device and inode.
    pub(super) fn step(
        &mut self,
        area: &MutexArea,
        chain: Option<Which>,
        file: (u64, u64),
    ) -> Vec<Freed> {
        let mut verdicts = BTreeMap::new();
        let mut freed = Vec::new();
        let before = std::mem::take(&mut self.suspects);
        for (which, owner) in candidates(area, chain) {
            let gone = *verdicts
                .entry(owner)
                .or_insert_with(|| is_gone(owner.get(), file));
            if !gone {
                continue;
            }
            let key = order(which);
            if before.get(&key) != Some(&owner) {
                self.suspects.insert(key, owner);
            } else if area.release_dead(which, owner) {
                freed.push(Freed {
                    thread: owner.get(),
                    program: program(owner.get()),
                    mutex: name(which),
                });
            }
        }
        freed
    }
}

fn candidates(area: &MutexArea, chain: Option<Which>) -> Vec<(Which, NonZeroI32)> {
    match chain {
        None => area.owned().collect(),
        Some(chain) => [Which::All, Which::Freelist, chain]
            .into_iter()
            .filter_map(|which| Some((which, area.owner(which)?)))
            .collect(),
    }
}

/// Whether a thread cannot own a mutex of the file. A thread that we may not look at counts as
/// living.
fn is_gone(thread: i32, file: (u64, u64)) -> bool {
    if !parent::exists(thread) {
        return true;
    }
    match std::fs::read_to_string(format!("/proc/{thread}/maps")) {
        // A zombie maps nothing, but the kernel has seen to its mutexes.
        Ok(maps) => !maps.lines().any(|line| maps_file(line, file)),
        Err(_) => false,
    }
}

/// Whether a line of `/proc/PID/maps` (range, mode, offset, device, inode, path) is of the file.
fn maps_file(line: &str, (device, inode): (u64, u64)) -> bool {
    let mut words = line.split_ascii_whitespace().skip(3);
    let (Some(dev), Some(ino)) = (words.next(), words.next()) else {
        return false;
    };
    let Some((major, minor)) = dev.split_once(':') else {
        return false;
    };
    let hex = |text| u64::from_str_radix(text, 16).ok();
    // Some filesystems (btrfs, overlay) show another device in stat(2) than here: the inode
    // alone must do then, and a wrong hit only means more patience.
    let same_device = hex(major) == Some(libc::major(device).into())
        && hex(minor) == Some(libc::minor(device).into());
    ino.parse() == Ok(inode) && (same_device || line.contains(".tdb"))
}

fn program(thread: i32) -> String {
    std::fs::read_to_string(format!("/proc/{thread}/comm"))
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_default()
}

fn order(which: Which) -> (u8, u32) {
    match which {
        Which::All => (0, 0),
        Which::Freelist => (1, 0),
        Which::Chain(chain) => (2, chain),
    }
}

fn name(which: Which) -> String {
    match which {
        Which::All => "allrecord".to_owned(),
        Which::Freelist => "freelist".to_owned(),
        Which::Chain(chain) => format!("chain {chain}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_maps() {
        let line = "7f00-7f01 rw-s 00000000 fe:01 1234                 /x/a.tdb.0";
        let device = libc::makedev(0xfe, 1);
        assert!(maps_file(line, (device, 1234)));
        assert!(!maps_file(line, (device, 1235)));
        assert!(!maps_file(
            "7f00-7f01 rw-p 00000000 00:00 0",
            (device, 1234)
        ));
        assert!(!maps_file("", (device, 1234)));
    }

    #[test]
    fn this_thread_is_alive_but_does_not_map_everything() {
        let own = std::process::id().cast_signed();
        let program = std::env::current_exe().unwrap();
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(program).unwrap();
        assert!(!is_gone(own, (meta.dev(), meta.ino())));
        assert!(is_gone(own, (meta.dev(), u64::MAX)));
        assert!(is_gone(i32::MAX, (meta.dev(), meta.ino())));
    }
}
