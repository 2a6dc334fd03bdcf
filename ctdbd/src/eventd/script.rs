//! Event scripts in their directory. A script's file is its name and `.script`; it is enabled
//! if its owner may execute it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".script";
const EXECUTE: u32 = 0o111;
const OWNER_EXECUTES: u32 = 0o100;

/// A script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name, without the suffix.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Whether it is run.
    pub enabled: bool,
}

/// All scripts of a directory, sorted by name. What has no script's name is no script.
///
/// # Errors
/// The directory cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<Script>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().filter(|name| is_script(name)) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    let scripts = names.into_iter().map(|file| {
        let path = directory.join(&file);
        // A dangling link or a file that has just gone is as good as disabled.
        let mode = fs::metadata(&path).map_or(0, |m| m.permissions().mode());
        Script {
            name: file.trim_end_matches(SUFFIX).to_owned(),
            enabled: mode & OWNER_EXECUTES != 0,
            path,
        }
    });
    Ok(scripts.collect())
}

/// Two digits, a dot, anything, and the suffix.
fn is_script(file: &str) -> bool {
    let Some(stem) = file.strip_suffix(SUFFIX) else {
        return false;
    };
    matches!(stem.as_bytes(), [a, b, b'.', ..] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// Enables or disables a script by its file's mode; the suffix may be missing.
///
/// # Errors
/// ENOENT: there is no such file; EINVAL: it is no script by name, or is a link.
pub fn change(directory: &Path, name: &str, enable: bool) -> io::Result<()> {
    let file = match name.strip_suffix(SUFFIX) {
        Some(stem) if !stem.is_empty() => name.to_owned(),
        _ => format!("{name}{SUFFIX}"),
    };
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let mut inode = None;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str() == Some(&file) {
            inode = Some(entry.ino());
        }
    }
    let inode = inode.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
    if !is_script(&file) {
        return Err(invalid());
    }
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .open(directory.join(&file))?;
    let meta = opened.metadata()?;
    // Through a link it is another file: links are made and removed, not changed.
    if meta.ino() != inode {
        return Err(invalid());
    }
    let mode = meta.permissions().mode();
    let mode = if enable {
        mode | EXECUTE
    } else {
        mode & !EXECUTE
    };
    opened.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_scripts() {
        for good in ["00.a.script", "99..script", "11.a.b.script"] {
            assert!(is_script(good), "{good}");
        }
        for bad in ["a.script", "1.a.script", "00.a", ".script", "001.script"] {
            assert!(!is_script(bad), "{bad}");
        }
    }
}
