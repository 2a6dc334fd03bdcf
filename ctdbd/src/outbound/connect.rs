//! Opens our connection to a peer, and tries until it stands.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use ctdb_protocol::id::Pnn;
use tokio::net::TcpSocket;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::log;
use crate::news::{News, ToLoop};

/// An attempt takes at most so long, and after a failure so long a pause follows; as upstream.
const STEP: Duration = Duration::from_secs(1);

/// Connects from `own` to `peer` and hands the connection to the loop. `hurry` ends a pause: the peer
/// is known to be there. It does not disturb an attempt: a connection that the peer has seen and we
/// gave up would stand in the way of the next one.
pub async fn keep_trying(
    to_loop: ToLoop,
    pnn: Pnn,
    own: IpAddr,
    peer: IpAddr,
    port: u16,
    hurry: Rc<Notify>,
) {
    loop {
        match timeout(STEP, connect(own, SocketAddr::new(peer, port))).await {
            Ok(Ok(socket)) => {
                to_loop.tell(News::PeerReached {
                    peer: pnn,
                    address: peer,
                    socket,
                });
                return;
            }
            Ok(Err(e)) => {
                log::debug!("Cannot connect to node {pnn} ({peer}): {e}");
                let _ = timeout(STEP, hurry.notified()).await;
            }
            Err(_) => log::debug!("No answer from node {pnn} ({peer})"),
        }
    }
}

async fn connect(own: IpAddr, peer: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = match peer {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    // The near end must carry our address: it is all that the peer knows us by.
    socket.bind(SocketAddr::new(own, 0))?;
    let socket: socket2::Socket = socket.connect(peer).await?.into_std()?.into();
    // An algorithm that paces (BBR) delays each of our small packets by a timer. Where cubic is not
    // to be had, the machine's default serves as well.
    let _ = socket.set_tcp_congestion(b"cubic");
    Ok(socket)
}
