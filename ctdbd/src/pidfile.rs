//! The pid file: locked for as long as the daemon lives, so that a second one notices the first.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};

/// A locked pid file; removed on drop by the process that made it.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    pid: u32,
    /// Keeps the lock.
    _file: File,
}

impl PidFile {
    /// Creates (or takes over) the file, locks it and writes our pid into it.
    ///
    /// # Errors
    /// The file cannot be written, or a living process has locked it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)?;
        let whole = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_SETLK(&whole))?;
        file.set_len(0)?;
        let pid = std::process::id();
        file.write_all(format!("{pid}\n").as_bytes())?;
        Ok(Self {
            path: path.to_owned(),
            pid,
            _file: file,
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // Nothing to be done if somebody else removed it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_pid_while_we_live() {
        let path = std::env::temp_dir().join(format!("ctdbd-pid-{}", std::process::id()));
        let file = PidFile::create(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(file);
        assert!(!path.exists());
    }
}
