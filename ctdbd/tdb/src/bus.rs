// SPDX-License-Identifier: GPL-3.0-or-later
//! libtdb reads and writes files through maps. Where the file behind a page is missing (its disk has no room for
//! a hole, cannot be read, or somebody has cut the file), the kernel sends SIGBUS. Inside an operation of
//! libtdb that must not end the process: an empty page of memory takes the place of the missing one, the
//! operation ends, and is reported as failed. Then the file's page is put back.
//!
//! A program has to call [`rescue`] from its handler of SIGBUS for this.

use std::cell::Cell;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Pages that can be put back after one operation. Whoever loses more keeps the empty ones.
const PUT_BACK: usize = 64;

thread_local! {
    // No destructors: a signal handler looks at them.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LOST: Cell<usize> = const { Cell::new(0) };
    static PAGES: [Cell<usize>; PUT_BACK] = const { [const { Cell::new(0) }; PUT_BACK] };
}

/// Runs an operation of libtdb; the number says how many pages it missed.
pub(crate) fn guarded<R>(operation: impl FnOnce() -> R) -> (R, usize) {
    let depth = DEPTH.get();
    if depth == 0 {
        LOST.set(0);
    }
    let before = LOST.get();
    DEPTH.set(depth + 1);
    let result = operation();
    DEPTH.set(depth);
    (result, LOST.get() - before)
}

/// For a handler of SIGBUS: puts memory in place of a page that an operation of libtdb in this thread could not
/// reach. False if none runs: then the signal is for somebody else. Async-signal-safe.
#[must_use]
pub fn rescue(address: usize) -> bool {
    if DEPTH.get() == 0 {
        return false;
    }
    let page = address & !(page_bytes() - 1);
    // SAFETY: replaces exactly the page that has just been found to have nothing behind it, in the middle of an
    // instruction that reads or writes it; the instruction finds zeroes there or loses what it writes.
    let new = unsafe {
        libc::mmap(
            std::ptr::with_exposed_provenance_mut(page),
            page_bytes(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    if new == libc::MAP_FAILED {
        return false;
    }
    let lost = LOST.get();
    PAGES.with(|pages| {
        if let Some(place) = pages.get(lost) {
            place.set(page);
        }
    });
    LOST.set(lost + 1);
    true
}

/// Puts the pages of `file` back that the last operation missed; false if one could not be. Whoever touches
/// them next is told anew whether the disk has them.
pub(crate) fn put_back(file: BorrowedFd<'_>, writable: bool) -> bool {
    let lost = LOST.get();
    let mut pages: Vec<usize> = PAGES.with(|all| all.iter().take(lost).map(Cell::get).collect());
    if lost > pages.len() {
        return false;
    }
    pages.sort_unstable();
    let Ok(pieces) = maps_of(file) else {
        return false;
    };
    let bytes = page_bytes();
    let mut rest = pages.as_slice();
    while let [first, ..] = rest {
        let count = rest
            .iter()
            .enumerate()
            .take_while(|(i, page)| **page == first + i * bytes)
            .count();
        let end = first + count * bytes;
        // The map goes on before or behind what is missing of it.
        let offset = pieces.iter().find_map(|piece| {
            if piece.end == *first {
                Some(piece.offset + (piece.end - piece.start) as u64)
            } else if piece.start == end {
                piece.offset.checked_sub((count * bytes) as u64)
            } else {
                None
            }
        });
        let Some(offset) = offset.and_then(|offset| i64::try_from(offset).ok()) else {
            return false;
        };
        let write = if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: these pages are the empty ones that `rescue` put into a map of this file; the file takes the
        // place back that it had, and no operation of libtdb is under way.
        let new = unsafe {
            libc::mmap(
                std::ptr::with_exposed_provenance_mut(*first),
                count * bytes,
                libc::PROT_READ | write,
                libc::MAP_SHARED | libc::MAP_FIXED,
                file.as_raw_fd(),
                offset,
            )
        };
        if new == libc::MAP_FAILED {
            return false;
        }
        rest = &rest[count..];
    }
    true
}

/// A piece of a map of a file.
struct Piece {
    start: usize,
    end: usize,
    offset: u64,
}

/// The shared maps of `file` in this process.
fn maps_of(file: BorrowedFd<'_>) -> std::io::Result<Vec<Piece>> {
    // SAFETY: plain data; fstat writes to it only.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open as long as it is borrowed.
    if unsafe { libc::fstat(file.as_raw_fd(), &raw mut stat) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    let device = (libc::major(stat.st_dev), libc::minor(stat.st_dev));
    let inode = stat.st_ino;
    let text = std::fs::read_to_string("/proc/self/maps")?;
    Ok(text
        .lines()
        .filter_map(|line| piece(line, device, inode))
        .collect())
}

fn piece(line: &str, device: (u32, u32), inode: u64) -> Option<Piece> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let shared = words.next()?.ends_with('s');
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let (major, minor) = words.next()?.split_once(':')?;
    let here = (
        u32::from_str_radix(major, 16).ok()?,
        u32::from_str_radix(minor, 16).ok()?,
    );
    let same = shared && here == device && words.next()?.parse() == Ok(inode);
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some(Piece {
        start: address(start)?,
        end: address(end)?,
        offset,
    })
    .filter(|_| same)
}

fn page_bytes() -> usize {
    // SAFETY: takes a number and touches no memory; async-signal-safe in every libc that we know.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_maps_of_the_file_are_pieces() {
        let line =
            "7f0a00001000-7f0a00400000 rw-s 00001000 fe:01 77   /var/lib/ctdb/volatile/a.tdb.0";
        let found = piece(line, (0xfe, 1), 77).expect("a piece");
        assert_eq!(
            (found.start, found.end, found.offset),
            (0x7f0a_0000_1000, 0x7f0a_0040_0000, 0x1000)
        );
        assert!(piece(line, (0xfe, 1), 78).is_none());
        assert!(piece(line, (0xfe, 2), 77).is_none());
        assert!(piece(&line.replace("rw-s", "rw-p"), (0xfe, 1), 77).is_none());
        assert!(piece("", (0, 0), 0).is_none());
    }

    #[test]
    fn nobody_else_is_rescued() {
        assert!(!rescue(0x1000));
    }
}
