// SPDX-License-Identifier: GPL-3.0-or-later
//! Places to listen at, and how many connections they may have.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::access::Access;
use super::{HEAD_LIMIT, Server, connection, tls};
use crate::options::{Listen, Options};
use crate::say;

/// Connections at the same time.
const MOST: usize = 64;
/// Connections of one address at the same time, so that one client does not keep the others out.
const MOST_OF_ONE: usize = 16;
/// Who may open the Unix socket: its owner and its group.
const SOCKET_MODE: u32 = 0o660;
/// What a connection too many hears.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\
    Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n";
/// Pause after a connection that could not be taken, as when there are no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How many connections there are.
pub(super) struct Limits {
    all: Arc<Semaphore>,
    by_address: RefCell<HashMap<IpAddr, usize>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MOST)),
            by_address: RefCell::default(),
        }
    }
}

/// The right to a connection.
struct Place {
    limits: Rc<Limits>,
    address: Option<IpAddr>,
    _one: OwnedSemaphorePermit,
}

impl Limits {
    fn place(self: &Rc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        if let Some(address) = address {
            let mut counts = self.by_address.borrow_mut();
            let count = counts.entry(address).or_default();
            if *count >= MOST_OF_ONE {
                return None;
            }
            *count += 1;
        }
        Some(Place {
            limits: Rc::clone(self),
            address,
            _one: one,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.limits.by_address.borrow_mut();
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// A place to listen at.
pub(super) enum Listener {
    Unix {
        path: PathBuf,
        socket: Rc<UnixListener>,
    },
    Tcp {
        address: SocketAddr,
        socket: Rc<TcpListener>,
        tls: Option<TlsAcceptor>,
        access: Rc<Access>,
    },
}

impl Listener {
    /// Begins to listen.
    pub(super) fn open(place: &Listen, options: &Options) -> Result<Self, String> {
        match place {
            Listen::Unix(path) => {
                let socket = bind(path).map_err(|e| format!("unix:{}: {e}", path.display()))?;
                let (path, socket) = (path.clone(), Rc::new(socket));
                Ok(Self::Unix { path, socket })
            }
            Listen::Tcp(address) => Self::open_tcp(*address, options),
        }
    }

    fn open_tcp(address: SocketAddr, options: &Options) -> Result<Self, String> {
        let tls = match (&options.tls_cert, &options.tls_key) {
            (Some(cert), Some(key)) => {
                Some(tls::acceptor(cert, key, options.tls_client_ca.as_deref())?)
            }
            _ => None,
        };
        let access = match &options.token_file {
            Some(file) => Access::from_file(file)?,
            None if tls.is_some() => Access::Open,
            None => {
                return Err(format!(
                    "tcp:{address}: anybody in the network could ask: give --token-file, or --tls-cert and --tls-key"
                ));
            }
        };
        let socket = std::net::TcpListener::bind(address)
            .and_then(|socket| {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)
            })
            .map_err(|e| format!("tcp:{address}: {e}"))?;
        Ok(Self::Tcp {
            address: socket.local_addr().unwrap_or(address),
            socket: Rc::new(socket),
            tls,
            access: Rc::new(access),
        })
    }

    /// For the log.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Unix { path, .. } => format!("unix:{}", path.display()),
            Self::Tcp { address, tls, .. } if tls.is_some() => format!("tcp:{address} with TLS"),
            Self::Tcp { address, .. } => format!("tcp:{address}"),
        }
    }

    /// Takes connections, from now on.
    pub(super) fn accept(&self, server: &Rc<Server>, limits: &Rc<Limits>) {
        let (server, limits) = (Rc::clone(server), Rc::clone(limits));
        match self {
            Self::Unix { socket, .. } => {
                let socket = Rc::clone(socket);
                tokio::task::spawn_local(accept_unix(socket, server, limits));
            }
            Self::Tcp {
                socket,
                tls,
                access,
                ..
            } => {
                let (socket, access) = (Rc::clone(socket), Rc::clone(access));
                tokio::task::spawn_local(accept_tcp(socket, tls.clone(), access, server, limits));
            }
        }
    }

    /// At the end: takes the socket's file away.
    pub(super) fn remove(&self) {
        if let Self::Unix { path, .. } = self {
            // it may be gone with its folder
            let _ = fs::remove_file(path);
        }
    }
}

/// A socket whose file nobody listens at any more is left over from a program that was killed.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(socket)
}

async fn accept_unix(socket: Rc<UnixListener>, server: Rc<Server>, limits: Rc<Limits>) {
    let access = Rc::new(Access::Open);
    loop {
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                not_accepted(&error).await;
                continue;
            }
        };
        let Some(place) = limits.place(None) else {
            refuse_unix(&stream);
            continue;
        };
        let (server, access) = (Rc::clone(&server), Rc::clone(&access));
        tokio::task::spawn_local(async move {
            connection(stream, server, access).await;
            drop(place);
        });
    }
}

async fn accept_tcp(
    socket: Rc<TcpListener>,
    tls: Option<TlsAcceptor>,
    access: Rc<Access>,
    server: Rc<Server>,
    limits: Rc<Limits>,
) {
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                not_accepted(&error).await;
                continue;
            }
        };
        let Some(place) = limits.place(Some(peer.ip())) else {
            refuse_tcp(&stream, tls.is_some());
            continue;
        };
        let (server, access, tls) = (Rc::clone(&server), Rc::clone(&access), tls.clone());
        tokio::task::spawn_local(async move {
            match tls {
                None => connection(stream, server, access).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HEAD_LIMIT, tls.accept(stream)).await {
                        connection(stream, server, access).await;
                    }
                }
            }
            drop(place);
        });
    }
}

async fn not_accepted(error: &io::Error) {
    say(&format!("a connection could not be taken: {error}"));
    tokio::time::sleep(PAUSE).await;
}

// A new connection has room for these bytes; a client that is gone already misses nothing.
fn refuse_unix(stream: &UnixStream) {
    let _ = stream.try_write(BUSY);
}

fn refuse_tcp(stream: &TcpStream, tls: bool) {
    if !tls {
        let _ = stream.try_write(BUSY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_keep_the_others_out() {
        let limits = Rc::new(Limits::default());
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut places: Vec<_> = (0..100).filter_map(|_| limits.place(Some(one))).collect();
        assert_eq!(places.len(), MOST_OF_ONE);
        assert!(limits.place(Some(other)).is_some());
        places.pop();
        assert!(limits.place(Some(one)).is_some());
        drop(places);
        assert!(limits.by_address.borrow().is_empty());
        let places: Vec<_> = (0..100).filter_map(|_| limits.place(None)).collect();
        assert_eq!(places.len(), MOST);
        assert!(limits.place(Some(other)).is_none());
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(BUSY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
}
