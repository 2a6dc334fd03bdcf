// SPDX-License-Identifier: GPL-3.0-or-later
//! The metrics in a file, for node_exporter's textfile collector.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::metrics::{Form, text_of};
use crate::watch::Watcher;

/// Writes the file once, or every so often and never ends.
///
/// # Errors
/// When the file cannot be written. That the daemon cannot be asked is in the file.
pub async fn serve(watcher: &Watcher, file: &Path, every: Option<Duration>) -> Result<(), String> {
    loop {
        let text = text_of(&watcher.now().await, Form::Classic);
        replace(file, text.as_bytes()).map_err(|e| format!("{}: {e}", file.display()))?;
        let Some(every) = every else {
            return Ok(());
        };
        tokio::time::sleep(every).await;
    }
}

/// Whoever reads the file sees the old text or the new one, never a part. The collector runs as another user.
fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    // the collector reads all *.prom of the folder
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside, text).and_then(|()| fs::rename(&beside, file));
    if written.is_err() {
        // the first error tells more than one about the left-over
        let _ = fs::remove_file(&beside);
    }
    written
}

fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    options.open(file)?.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = std::env::temp_dir().join(format!("ctdb-textfile-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("ctdb.prom");
        replace(&file, b"one\n").unwrap();
        let open = fs::File::open(&file).unwrap();
        replace(&file, b"two\n").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two\n");
        // who had it open still has the old one
        assert_eq!(io::read_to_string(open).unwrap(), "one\n");
        let names: Vec<_> = fs::read_dir(&folder).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        fs::remove_dir_all(&folder).unwrap();
        assert!(replace(&file, b"x").is_err());
    }
}
