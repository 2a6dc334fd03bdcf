//! Test mode: a test that holds the other end of our standard input ends us by closing it.

use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;

use crate::log;

/// Whether standard input is something to watch: a FIFO.
#[must_use]
pub fn is_fifo() -> bool {
    std::fs::metadata("/proc/self/fd/0").is_ok_and(|data| data.file_type().is_fifo())
}

/// Calls `ended` once when standard input ends or cannot be read. Bytes are ignored.
///
/// A thread of its own, since the FIFO may be shared with processes that want it to block.
///
/// # Errors
/// No thread can be started.
pub fn watch(ended: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let mut byte = [0];
            while matches!(std::io::stdin().read(&mut byte), Ok(1)) {}
            log::notice!("stdin closed, exiting");
            ended();
        })?;
    Ok(())
}
