//! The Unix socket.

use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::time::Duration;

use nix::unistd::{getegid, geteuid};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::log;
use crate::news::{News, ToLoop};

/// Connections that wait to be accepted; upstream's number.
const BACKLOG: i32 = 100;

/// Binds the socket in place of a stale one, for the daemon's user only. It listens at once, but nobody
/// is served before [`accept`].
///
/// # Errors
/// With a log line: the socket cannot be made.
pub fn bind(path: &Path, test_mode: bool) -> io::Result<Socket> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let shown = path.display();
    let failed = |what: &str, e: io::Error| {
        log::error!("Unable to {what} ctdb socket '{shown}'");
        e
    };
    socket
        .bind(&SockAddr::unix(path)?)
        .map_err(|e| failed("bind on", e))?;
    if !test_mode {
        chown(path, Some(geteuid().as_raw()), Some(getegid().as_raw()))
            .map_err(|e| failed("secure (chown)", e))?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
        .map_err(|e| failed("secure (chmod)", e))?;
    socket.listen(BACKLOG).map_err(|e| failed("listen on", e))?;
    log::notice!("Listening to ctdb socket {shown}");
    Ok(socket)
}

/// Accepts clients for as long as the daemon runs.
pub async fn accept(to_loop: ToLoop, socket: Socket) {
    let listener = match UnixListener::from_std(socket.into()) {
        Ok(listener) => listener,
        Err(e) => {
            log::error!("Cannot accept clients: {e}");
            return to_loop.tell(News::Die(1));
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let pid = stream
                    .peer_cred()
                    .ok()
                    .and_then(|cred| cred.pid())
                    .unwrap_or(-1);
                if let Ok(stream) = stream.into_std() {
                    to_loop.tell(News::ClientCame {
                        pid,
                        socket: stream.into(),
                    });
                }
            }
            Err(e) => {
                log::error!("Cannot accept clients: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
