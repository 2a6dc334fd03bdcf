//! Lines that children write to our standard output and error go to the log.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::unix::pipe;

use crate::log;

/// Longer lines are cut here.
const LINE_BYTES: u64 = 1024;

/// Puts a pipe in place of standard output and error; returns the end to read.
///
/// # Errors
/// The descriptors cannot be replaced.
pub fn redirect() -> io::Result<OwnedFd> {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    nix::unistd::dup2_stdout(&write)?;
    nix::unistd::dup2_stderr(&write)?;
    Ok(read)
}

/// Logs each line at `level` for as long as the daemon runs.
pub async fn log_lines(read: OwnedFd, level: i32) {
    let receiver = match pipe::Receiver::from_owned_fd(read) {
        Ok(receiver) => receiver,
        Err(e) => return log::error!("Failed to setup for child logging pipe: {e}"),
    };
    let mut reader = BufReader::new(receiver);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = tokio::io::AsyncReadExt::take(&mut reader, LINE_BYTES);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                log::write(level, text.trim_end_matches(['\n', '\r']));
            }
        }
    }
}
