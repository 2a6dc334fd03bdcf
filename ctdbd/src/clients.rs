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
use crate::socket::{Budget, Connection, Heard, Ready, Token};
use crate::sys::memory;

/// A stream is cut at its length fields; shorter packets than a header are dropped, not fatal.
const LENGTH_BYTES: usize = 4;
/// Queues that were so long leave memory that is worth giving back.
const WORTH_GIVING_BACK: u64 = 16 << 20;
/// Packets taken from a procedure in one turn.
const INSIDE_PER_TURN: usize = 64;

/// The table of clients.
#[derive(Debug)]
pub struct Clients {
    table: HashMap<ClientId, Client>,
    ready: Ready,
    budget: Budget,
    /// Bytes that wait for processes.
    queued_bytes: u64,
    /// The most of them since memory was given back last.
    peak_bytes: u64,
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
#[derive(Debug, PartialEq, Eq)]
pub enum Queued {
    /// The client is to be flushed.
    Flush,
    /// It is listed for a flush already, or needs none.
    Nothing,
    /// A queue is over a limit: this client is to be dropped, for this reason. It need not be the one that
    /// the packet was for.
    Overflow(ClientId, String),
}

impl Clients {
    /// No clients.
    #[must_use]
    pub fn new(ready: Ready) -> Self {
        Self {
            table: HashMap::new(),
            ready,
            budget: Budget::get(),
            queued_bytes: 0,
            peak_bytes: 0,
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
                let (waiting, more) = (connection.queued_bytes(), packet.len() as u64);
                if limit.is_some_and(|limit| connection.queued() > limit as usize) {
                    return Queued::Overflow(id, "too many messages queued".to_owned());
                }
                if waiting > 0 && waiting + more > self.budget.client_bytes {
                    return Queued::Overflow(id, does_not_read(waiting, "one client"));
                }
                if waiting > 0 && self.queued_bytes + more > self.budget.clients_bytes {
                    return self.over_all();
                }
                self.queued_bytes += more;
                self.peak_bytes = self.peak_bytes.max(self.queued_bytes);
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

    /// All queues together are over the limit: the longest goes. The packet at hand is lost with it, or its
    /// receiver is the next.
    fn over_all(&self) -> Queued {
        let length = |client: &Client| match &client.link {
            Link::Process(connection) => connection.queued_bytes(),
            Link::Inside { .. } => 0,
        };
        let longest = self.table.iter().max_by_key(|(_, client)| length(client));
        longest.map_or(Queued::Nothing, |(id, client)| {
            Queued::Overflow(*id, does_not_read(length(client), "all clients"))
        })
    }

    /// Writes what is queued for a client.
    pub fn flush(&mut self, id: ClientId, inputs: &mut Vec<Input>) {
        let Some(client) = self.table.get_mut(&id) else {
            return;
        };
        client.dirty = false;
        let Link::Process(connection) = &mut client.link else {
            return;
        };
        let before = connection.queued_bytes();
        let broken = connection.flush().is_err();
        self.queued_bytes -= before - connection.queued_bytes();
        if broken {
            self.remove(id, inputs);
        }
        self.give_back();
    }

    /// Gives memory back once most of what had to wait is gone.
    fn give_back(&mut self) {
        if self.peak_bytes >= WORTH_GIVING_BACK && self.queued_bytes < self.peak_bytes / 4 {
            self.peak_bytes = self.queued_bytes;
            memory::give_back();
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
        let Some(client) = self.table.remove(&id) else {
            return;
        };
        if let Link::Process(connection) = &client.link {
            self.queued_bytes -= connection.queued_bytes();
        }
        drop(client);
        inputs.push(Input::ClientGone { client: id });
        self.give_back();
    }
}

fn does_not_read(waiting: u64, of: &str) -> String {
    format!(
        "it does not read, {} MB wait for it, over the limit of {of}",
        waiting >> 20
    )
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
