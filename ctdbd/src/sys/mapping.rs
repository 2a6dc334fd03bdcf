//! Files that are mapped into this process.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Takes the pages of a file that are mapped here out of this process; they stay in the page cache and come
/// back when they are used. Opening a database touches all of it: libtdb sets up a mutex for each of a
/// hundred thousand chains, four megabytes a file, of which few are ever used.
pub fn leave_to_cache(path: &Path) {
    // Nothing here has to succeed: the process is only bigger then.
    let (Ok(file), Ok(maps)) = (fs::metadata(path), fs::read_to_string("/proc/self/maps")) else {
        return;
    };
    let device = (
        nix::sys::stat::major(file.dev()),
        nix::sys::stat::minor(file.dev()),
    );
    for line in maps.lines() {
        if let Some((start, end)) = shared_mapping(line, device, file.ino()) {
            let length = end - start;
            let start = std::ptr::with_exposed_provenance_mut(start);
            // SAFETY: these are pages of a shared mapping of a file, as the kernel has just told: for them
            // MADV_DONTNEED drops no data, and whoever looks at them next gets the file's again.
            unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
        }
    }
}

/// Start and end of the mapping that a line of `/proc/self/maps` is about, if it is a shared one of the file.
fn shared_mapping(line: &str, device: (u64, u64), inode: u64) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let shared = words.next()?.ends_with('s');
    let (major, minor) = words.nth(1)?.split_once(':')?;
    let device_here = (
        u64::from_str_radix(major, 16).ok()?,
        u64::from_str_radix(minor, 16).ok()?,
    );
    let same = shared && device_here == device && words.next()?.parse() == Ok(inode);
    let address = |text| usize::from_str_radix(text, 16).ok();
    same.then_some(())
        .and_then(|()| Some((address(start)?, address(end)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_mappings_of_the_file_are_meant() {
        let line =
            "7f0a00000000-7f0a00400000 rw-s 00000000 fe:01 77   /var/lib/ctdb/volatile/a.tdb.0";
        let found = Some((0x7f0a_0000_0000, 0x7f0a_0040_0000));
        assert_eq!(shared_mapping(line, (0xfe, 1), 77), found);
        assert_eq!(shared_mapping(line, (0xfe, 1), 78), None);
        assert_eq!(shared_mapping(line, (0xfe, 2), 77), None);
        let private = line.replace("rw-s", "rw-p");
        assert_eq!(shared_mapping(&private, (0xfe, 1), 77), None);
        assert_eq!(shared_mapping("", (0, 0), 0), None);
    }
}
