//! Links to the socket from where other releases of Samba put it: their clients find us there.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::log;

/// Links that lead to the socket; removed on drop by the process that made them.
#[derive(Debug)]
pub struct SocketLinks {
    socket: PathBuf,
    places: Vec<PathBuf>,
    pid: u32,
}

impl SocketLinks {
    /// Makes the links that can be made, and logs why another one cannot: nobody who finds the
    /// socket itself misses them.
    #[must_use]
    pub fn make(socket: &Path, places: &[PathBuf]) -> Self {
        let mut made = Vec::new();
        for place in places {
            match link(socket, place) {
                Ok(true) => {
                    log::notice!("Clients find ctdb socket {} too", place.display());
                    made.push(place.clone());
                }
                Ok(false) => {}
                Err(e) => log::warning!(
                    "Clients that look for ctdb socket {} do not find it: {e}",
                    place.display()
                ),
            }
        }
        Self {
            socket: socket.to_owned(),
            places: made,
            pid: std::process::id(),
        }
    }
}

impl Drop for SocketLinks {
    fn drop(&mut self) {
        if self.pid != std::process::id() {
            return;
        }
        for place in &self.places {
            if fs::read_link(place).is_ok_and(|to| to == self.socket) {
                // Nothing to be done: a link that leads nowhere is as good as none.
                let _ = fs::remove_file(place);
            }
        }
    }
}

/// False if the place is the socket's own, by another name of its folder.
fn link(socket: &Path, place: &Path) -> io::Result<bool> {
    let folder = place.parent().unwrap_or_else(|| Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    let own_folder = socket
        .parent()
        .unwrap_or_else(|| Path::new("/"))
        .canonicalize()?;
    if folder.canonicalize()? == own_folder && place.file_name() == socket.file_name() {
        return Ok(false);
    }
    match fs::symlink_metadata(place) {
        Ok(meta) if meta.is_symlink() => fs::remove_file(place)?,
        Ok(meta) if meta.file_type().is_socket() => {
            if UnixStream::connect(place).is_ok() {
                return Err(io::Error::other("another daemon serves it"));
            }
            fs::remove_file(place)?;
        }
        Ok(_) => return Err(io::Error::other("there is a file of another kind")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    symlink(socket, place)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn clients_find_the_socket_at_every_place() {
        let base = std::env::temp_dir().join(format!("ctdb-links-{}", std::process::id()));
        let in_base = |name: &str| base.join(name);
        fs::create_dir_all(in_base("ctdb")).unwrap();
        symlink(in_base("ctdb"), in_base("same")).unwrap();
        let socket = in_base("ctdb/ctdbd.socket");
        let _ours = UnixListener::bind(&socket).unwrap();
        let _other = UnixListener::bind(in_base("other.socket")).unwrap();
        drop(UnixListener::bind(in_base("stale.socket")).unwrap());
        fs::write(in_base("file"), "").unwrap();
        let names = [
            "samba/ctdb/ctdbd.socket",
            "stale.socket",
            "same/ctdbd.socket",
            "other.socket",
            "file",
        ];
        let places = names.map(in_base);

        let links = SocketLinks::make(&socket, &places);
        assert_eq!(links.places, places[..2]);
        for place in &places[..3] {
            assert!(UnixStream::connect(place).is_ok(), "{}", place.display());
        }
        // As after a crash: nobody removed them.
        std::mem::forget(links);
        let links = SocketLinks::make(&socket, &places[..2]);
        assert_eq!(links.places, places[..2]);
        drop(links);
        let left = places.map(|place| fs::symlink_metadata(place).is_ok());
        fs::remove_dir_all(&base).unwrap();
        assert_eq!(left, [false, false, true, true, true]);
    }
}
