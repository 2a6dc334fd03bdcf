//! Opens our connection to a peer, and tries until it stands.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ctdb_protocol::id::Pnn;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::feed::{Feed, News};
use crate::log;

/// An attempt takes at most so long, and after a failure so long a pause follows; as upstream.
const STEP: Duration = Duration::from_secs(1);

/// Connects from `own` to `peer` and hands the connection to the loop.
pub async fn keep_trying(feed: Feed, pnn: Pnn, own: IpAddr, peer: IpAddr, port: u16) {
    loop {
        match timeout(STEP, connect(own, SocketAddr::new(peer, port))).await {
            Ok(Ok(socket)) => {
                feed.tell(News::PeerReached {
                    peer: pnn,
                    address: peer,
                    socket,
                });
                return;
            }
            Ok(Err(e)) => {
                log::debug!("Cannot connect to node {pnn} ({peer}): {e}");
                sleep(STEP).await;
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
    Ok(socket.connect(peer).await?.into_std()?.into())
}
