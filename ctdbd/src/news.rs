//! What tasks beside the loop tell the loop.

use std::net::IpAddr;

use bytes::Bytes;
use ctdb_core::Input;
use ctdb_protocol::id::Pnn;
use socket2::Socket;
use tokio::sync::mpsc;

use crate::inquiry::snapshot;
use crate::lock_helper::frame::Reply;
use crate::outbound::helper::{HelperId, Said};
use crate::record_helper::frame::Answer;

/// One thing that a task found out.
#[derive(Debug)]
pub enum News {
    /// Something for the core as it is.
    Input(Input),
    /// A peer connected to our listener.
    PeerCame {
        /// Its address.
        address: IpAddr,
        /// The connection.
        socket: Socket,
    },
    /// We connected to a peer.
    PeerReached {
        /// The peer.
        peer: Pnn,
        /// The address that was connected to.
        address: IpAddr,
        /// The connection.
        socket: Socket,
    },
    /// The listener is bound; ours is this address, at this place of the nodes list.
    Bound {
        /// Own node.
        own: Pnn,
        /// Own address.
        address: IpAddr,
    },
    /// A process connected to the Unix socket.
    ClientCame {
        /// Its pid.
        pid: i32,
        /// The connection.
        socket: Socket,
    },
    /// A procedure in this process wants to be a client.
    InsideCame {
        /// Packets to it.
        to: mpsc::UnboundedSender<Bytes>,
        /// Packets from it.
        from: mpsc::UnboundedReceiver<Bytes>,
    },
    /// A lock helper answered or ended.
    Lock(HelperId, Said<Reply>),
    /// It is time to look at waits for locks.
    LookAtLocks,
    /// A record helper answered or ended.
    Records(HelperId, Said<Answer>),
    /// Someone wants to know what the loop knows.
    Inquiry(snapshot::Answer),
    /// The daemon is to end at once with this exit code.
    Die(i32),
    /// Test mode: standard input ended; shut down in order, with this exit code.
    StdinEnded(i32),
}

/// The sending side; cheap to clone.
#[derive(Debug, Clone)]
pub struct ToLoop(mpsc::UnboundedSender<News>);

impl ToLoop {
    /// A sender and where its news arrive.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<News>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells the loop. When the loop has ended there is nobody to tell.
    pub fn tell(&self, news: News) {
        let _ = self.0.send(news);
    }

    /// Tells the core.
    pub fn input(&self, input: Input) {
        self.tell(News::Input(input));
    }
}
