//! Procedures inside the daemon are clients like any other, only without a socket.

use ctdb_client::Client;
use tokio::sync::mpsc;

use crate::news::{News, ToLoop};

/// Connects a procedure to the daemon that it runs in.
#[must_use]
pub fn connect(to_loop: &ToLoop) -> Client {
    let (to_daemon, from_client) = mpsc::unbounded_channel();
    let (to_client, from_daemon) = mpsc::unbounded_channel();
    to_loop.tell(News::InsideCame {
        to: to_client,
        from: from_client,
    });
    Client::over(to_daemon, from_daemon)
}
