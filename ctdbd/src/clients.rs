//! Everyone who speaks the client protocol with us: processes on the Unix socket, and procedures inside
//! the daemon.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use ctdb_core::Input;
use ctdb_core::effect::Lane;
use ctdb_protocol::id::ClientId;
use ctdb_protocol::packet::Header;
use socket2::Socket;
use tokio::sync::mpsc;

use crate::log;
use crate::socket::{Connection, Heard, Ready, Token};

/// A stream is cut at its length fields; shorter packets than a header are dropped, not fatal.
const LENGTH_BYTES: usize = 4;
/// Packets taken from a procedure in one turn.
const INSIDE_PER_TURN: usize = 64;

/// The table of clients.
#[derive(Debug)]
pub struct Clients {
    table: HashMap<ClientId, Client>,
    ready: Ready,
}

#[derive(Debug)]
struct Client {
    link: Link,
    dirty: bool,
}

#[derive(Debug)]
enum Link {
    Process(Connection),
    Inside {
        to: mpsc::UnboundedSender<Bytes>,
        from: mpsc::UnboundedReceiver<Bytes>,
        waker: Waker,
    },
}

/// What to do after queueing a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    /// The client is to be flushed.
    Flush,
    /// It is listed for a flush already, or needs none.
    Nothing,
    /// Its queue is over the limit: it is to be dropped.
    Overflow,
}

impl Clients {
    /// No clients.
    #[must_use]
    pub fn new(ready: Ready) -> Self {
        Self {
            table: HashMap::new(),
            ready,
        }
    }

    /// Adds a process.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub fn add_process(&mut self, id: ClientId, socket: Socket) -> std::io::Result<()> {
        let connection =
            Connection::new(socket, self.ready.waker(Token::Client(id)), LENGTH_BYTES)?;
        self.table.insert(
            id,
            Client {
                link: Link::Process(connection),
                dirty: false,
            },
        );
        Ok(())
    }

    /// Adds a procedure.
    pub fn add_inside(
        &mut self,
        id: ClientId,
        to: mpsc::UnboundedSender<Bytes>,
        from: mpsc::UnboundedReceiver<Bytes>,
    ) {
        let waker = self.ready.waker(Token::Client(id));
        waker.wake_by_ref();
        self.table.insert(
            id,
            Client {
                link: Link::Inside { to, from, waker },
                dirty: false,
            },
        );
    }

    /// Queues a packet for a client; unknown clients have gone meanwhile.
    pub fn send(&mut self, id: ClientId, packet: Bytes, limit: Option<u32>) -> Queued {
        let Some(client) = self.table.get_mut(&id) else {
            return Queued::Nothing;
        };
        match &mut client.link {
            Link::Process(connection) => {
                if limit.is_some_and(|limit| connection.queued() > limit as usize) {
                    return Queued::Overflow;
                }
                connection.queue(Lane::Ordered, packet);
                if std::mem::replace(&mut client.dirty, true) {
                    Queued::Nothing
                } else {
                    Queued::Flush
                }
            }
            Link::Inside { to, .. } => {
                // A procedure that has ended is noticed at its receiving end.
                let _ = to.send(packet);
                Queued::Nothing
            }
        }
    }

    /// Writes what is queued for a client.
    pub fn flush(&mut self, id: ClientId, inputs: &mut Vec<Input>) {
        let Some(client) = self.table.get_mut(&id) else {
            return;
        };
        client.dirty = false;
        if let Link::Process(connection) = &mut client.link
            && connection.flush().is_err()
        {
            self.remove(id, inputs);
        }
    }

    /// Reads packets of a client; true if more can be read.
    pub fn read(&mut self, id: ClientId, scratch: &mut [u8], inputs: &mut Vec<Input>) -> bool {
        let Some(client) = self.table.get_mut(&id) else {
            return false;
        };
        let mut packets = Vec::new();
        let heard = match &mut client.link {
            Link::Process(connection) => connection.read(scratch, &mut packets),
            Link::Inside { from, waker, .. } => receive(from, waker, &mut packets),
        };
        for packet in packets {
            match Header::decode(&packet) {
                Ok(_) => inputs.push(Input::ClientPacket { client: id, packet }),
                Err(e) => log::error!("Bad packet from client {id}: {e}"),
            }
        }
        match heard {
            Heard::All => false,
            Heard::More => true,
            Heard::End(_) => {
                self.remove(id, inputs);
                false
            }
        }
    }

    /// Closes a client's connection.
    pub fn remove(&mut self, id: ClientId, inputs: &mut Vec<Input>) {
        if self.table.remove(&id).is_some() {
            inputs.push(Input::ClientGone { client: id });
        }
    }
}

fn receive(
    from: &mut mpsc::UnboundedReceiver<Bytes>,
    waker: &Waker,
    packets: &mut Vec<Bytes>,
) -> Heard {
    let mut context = Context::from_waker(waker);
    for _ in 0..INSIDE_PER_TURN {
        match from.poll_recv(&mut context) {
            Poll::Pending => return Heard::All,
            Poll::Ready(None) => return Heard::End("procedure ended".to_owned()),
            Poll::Ready(Some(packet)) => packets.push(packet),
        }
    }
    Heard::More
}
