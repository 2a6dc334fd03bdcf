//! The listener for peers, and which address is ours.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use ctdb_protocol::id::Pnn;
use nix::fcntl::{Flock, FlockArg};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::log;
use crate::news::{News, ToLoop};
use crate::outbound::addresses;

/// Connections that wait to be accepted; upstream's number.
const BACKLOG: i32 = 10;
/// How often the lock between daemons with one run directory is tried.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// What decides the address to listen on.
#[derive(Debug, Clone)]
pub struct Choice {
    /// `[cluster] node address`.
    pub configured: Option<IpAddr>,
    /// Nodes that are not deleted.
    pub nodes: Vec<(Pnn, IpAddr)>,
    /// The port of all nodes.
    pub port: u16,
    /// Serialises daemons that choose an address on one machine.
    pub lock_file: PathBuf,
}

/// A bound listener with the node number and address that it stands for.
#[derive(Debug)]
pub struct Bound {
    /// The listener.
    pub listener: TcpListener,
    /// Own node.
    pub own: Pnn,
    /// Own address.
    pub address: IpAddr,
}

/// Binds the configured address, or else the first address of the nodes list that is free and on an
/// interface of this machine.
///
/// # Errors
/// In words for the log: no address can be bound.
pub async fn bind(choice: Choice) -> Result<Bound, String> {
    if let Some(address) = choice.configured {
        let listener = listen(address, choice.port)
            .map_err(|e| format!("Failed to listen on node address {address}: {e}"))?;
        let own = choice
            .nodes
            .iter()
            .find(|(_, a)| *a == address)
            .map(|(pnn, _)| *pnn);
        let own = own.ok_or_else(|| format!("Node address {address} is not in the nodes list"))?;
        return Ok(Bound {
            listener,
            own,
            address,
        });
    }
    let lock = lock(&choice.lock_file).await?;
    let local = addresses::local();
    for (own, address) in choice.nodes {
        if !local.iter().any(|(a, _)| *a == address) {
            continue;
        }
        match listen(address, choice.port) {
            Ok(listener) => {
                log::info!("ctdb chose network address {address}");
                drop(lock);
                return Ok(Bound {
                    listener,
                    own,
                    address,
                });
            }
            Err(e) => log::debug!("Failed to bind() to socket - {address}: {e}"),
        }
    }
    Err("Unable to bind to any node address - giving up".to_owned())
}

fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let address = SocketAddr::new(address, port);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

async fn lock(path: &PathBuf) -> Result<Flock<std::fs::File>, String> {
    let failed = |e: &dyn std::fmt::Display| format!("Unable to lock {}: {e}", path.display());
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| failed(&e))?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, nix::errno::Errno::EWOULDBLOCK)) => file = back,
            Err((_, e)) => return Err(failed(&e)),
        }
        tokio::time::sleep(LOCK_RETRY).await;
    }
}

/// Accepts connections for as long as the daemon runs; the loop decides whom to keep.
pub async fn accept(to_loop: ToLoop, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let Ok(stream) = stream.into_std() else {
                    continue;
                };
                let socket = Socket::from(stream);
                if let Err(e) = socket.set_keepalive(true) {
                    log::warning!("Failed to set KEEPALIVE on fd - {e}");
                }
                // We never send on this connection: without this every packet that is read costs one
                // acknowledgement of its own.
                let _ = socket.set_tcp_quickack(false);
                to_loop.tell(News::PeerCame {
                    address: from.ip(),
                    socket,
                });
            }
            Err(e) => {
                log::error!("Cannot accept connections of peers: {e}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}
