//! The other nodes: two one-way TCP connections each. We send only on the one that we opened and read
//! only from the one that we accepted; a peer counts as connected while both stand.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use ctdb_core::Input;
use ctdb_core::effect::Lane;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::packet::{ALIGNMENT, Header};
use socket2::Socket;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::log;
use crate::news::ToLoop;
use crate::outbound::connect;
use crate::socket::{Budget, Connection, Heard, Ready, Token};
use crate::sys::memory;

/// Every peer of the nodes list.
#[derive(Debug)]
pub struct Peers {
    table: BTreeMap<Pnn, Peer>,
    own: Option<IpAddr>,
    port: u16,
    ready: Ready,
    to_loop: ToLoop,
    /// The most bytes that may wait for one of them.
    peer_bytes: u64,
}

#[derive(Debug)]
struct Peer {
    address: IpAddr,
    /// What they opened.
    from: Option<Connection>,
    /// What we opened.
    to: Option<Connection>,
    /// The task that connects while `to` is missing.
    connecting: Option<AbortHandle>,
    /// Ends that task's pause.
    hurry: Rc<Notify>,
    /// Whether the core was told that the peer is connected.
    up: bool,
    /// Whether `to` has packets since the last flush.
    dirty: bool,
    /// The most bytes that waited for it since memory was given back last.
    longest_bytes: u64,
}

/// A queue that was so long leaves memory that is worth giving back.
const WORTH_GIVING_BACK: u64 = 16 << 20;

impl Peer {
    fn new(address: IpAddr) -> Self {
        Self {
            address,
            from: None,
            to: None,
            connecting: None,
            hurry: Rc::default(),
            up: false,
            dirty: false,
            longest_bytes: 0,
        }
    }

    /// Nothing waits for it any more.
    fn give_back(&mut self) {
        if std::mem::take(&mut self.longest_bytes) >= WORTH_GIVING_BACK {
            memory::give_back();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(task) = self.connecting.take() {
            task.abort();
        }
    }
}

impl Peers {
    /// No peers yet.
    #[must_use]
    pub fn new(port: u16, ready: Ready, to_loop: ToLoop) -> Self {
        Self {
            table: BTreeMap::new(),
            own: None,
            port,
            ready,
            to_loop,
            peer_bytes: Budget::get().peer_bytes,
        }
    }

    /// The own address, to which the near ends of our connections are bound.
    pub fn set_own(&mut self, own: IpAddr) {
        self.own = Some(own);
    }

    /// Connects to exactly these peers from now on; others are cut off, known ones keep their connections.
    pub fn set(&mut self, peers: Vec<(Pnn, IpAddr)>) {
        self.table
            .retain(|pnn, peer| peers.contains(&(*pnn, peer.address)));
        for (pnn, address) in peers {
            if let Entry::Vacant(place) = self.table.entry(pnn) {
                place.insert(Peer::new(address));
                self.connect(pnn);
            }
        }
    }

    fn connect(&mut self, pnn: Pnn) {
        let Some(peer) = self.table.get_mut(&pnn) else {
            return;
        };
        let Some(own) = self.own else { return };
        if let Some(task) = peer.connecting.take() {
            task.abort();
        }
        let hurry = Rc::clone(&peer.hurry);
        let task = connect::keep_trying(
            self.to_loop.clone(),
            pnn,
            own,
            peer.address,
            self.port,
            hurry,
        );
        peer.connecting = Some(tokio::task::spawn_local(task).abort_handle());
    }

    /// A connection came in: keeps it if it is the first from a known peer.
    pub fn came(&mut self, address: IpAddr, socket: Socket, inputs: &mut Vec<Input>) {
        let known = self
            .table
            .iter_mut()
            .find(|(_, peer)| peer.address == address);
        let Some((&pnn, peer)) = known else {
            log::error!("Refused connection from unknown node {address}");
            return;
        };
        // The end of a connection that is not read yet shows only when somebody looks.
        if peer
            .from
            .as_ref()
            .is_some_and(|from| peer.up || !from.ended())
        {
            log::error!("Incoming queue active, rejecting connection from {address}");
            return;
        }
        match Connection::new(socket, self.ready.waker(Token::FromPeer(pnn)), Header::SIZE) {
            Ok(connection) => peer.from = Some(connection),
            Err(e) => log::error!("Failed to set up connection from {address}: {e}"),
        }
        // The peer is there now: no need to sit out the pause after the last attempt.
        peer.hurry.notify_one();
        self.check_up(pnn, inputs);
    }

    /// A connection of ours stands.
    pub fn reached(&mut self, pnn: Pnn, address: IpAddr, socket: Socket, inputs: &mut Vec<Input>) {
        let Some(peer) = self.table.get_mut(&pnn) else {
            return;
        };
        if peer.address != address || peer.to.is_some() {
            return;
        }
        peer.connecting = None;
        match Connection::new(socket, self.ready.waker(Token::ToPeer(pnn)), Header::SIZE) {
            Ok(connection) => peer.to = Some(connection),
            Err(e) => {
                log::error!("Failed to set up connection to {address}: {e}");
                self.connect(pnn);
            }
        }
        self.check_up(pnn, inputs);
    }

    fn check_up(&mut self, pnn: Pnn, inputs: &mut Vec<Input>) {
        let Some(peer) = self.table.get_mut(&pnn) else {
            return;
        };
        if !peer.up && peer.from.is_some() && peer.to.is_some() {
            peer.up = true;
            inputs.push(Input::PeerConnected { peer: pnn });
            // What came before that was left unread.
            self.ready.waker(Token::FromPeer(pnn)).wake_by_ref();
        }
    }

    /// Queues a packet; without a connection towards the peer it is lost, as upstream loses it.
    /// Returns whether the peer has to be flushed and was not listed for it yet.
    pub fn send(&mut self, pnn: Pnn, lane: Lane, packet: Bytes, inputs: &mut Vec<Input>) -> bool {
        let Some(peer) = self.table.get_mut(&pnn) else {
            return false;
        };
        let Some(connection) = &mut peer.to else {
            return false;
        };
        let waiting = connection.queued_bytes();
        if waiting > 0 && waiting + packet.len() as u64 > self.peer_bytes {
            let reason = format!("it does not read, {} MB wait for it", waiting >> 20);
            log::error!("Disconnecting node {pnn}: {reason}, which is the limit");
            self.dead(pnn, &reason, inputs);
            return false;
        }
        connection.queue(lane, packet);
        peer.longest_bytes = peer.longest_bytes.max(connection.queued_bytes());
        !std::mem::replace(&mut peer.dirty, true)
    }

    /// Writes what is queued for a peer.
    pub fn flush(&mut self, pnn: Pnn, inputs: &mut Vec<Input>) {
        let Some(peer) = self.table.get_mut(&pnn) else {
            return;
        };
        peer.dirty = false;
        let Some(connection) = &mut peer.to else {
            return;
        };
        match connection.flush() {
            Ok(()) if connection.queued() == 0 => peer.give_back(),
            Ok(()) => {}
            Err(e) => self.dead(pnn, &e.to_string(), inputs),
        }
    }

    /// Reads packets of a peer; true if more can be read.
    ///
    /// Nothing is read before our own connection stands too: the peer may see both sooner than we do,
    /// and the answer to what it asks would be lost.
    pub fn read(&mut self, pnn: Pnn, scratch: &mut [u8], inputs: &mut Vec<Input>) -> bool {
        let both = self.table.get_mut(&pnn).filter(|peer| peer.up);
        let Some(connection) = both.and_then(|peer| peer.from.as_mut()) else {
            return false;
        };
        let mut packets = Vec::new();
        let heard = connection.read(scratch, &mut packets);
        for packet in packets {
            if let Err(reason) = check(&packet) {
                log::error!("{reason} from node {pnn}");
                self.dead(pnn, &reason, inputs);
                return false;
            }
            inputs.push(Input::PeerPacket { from: pnn, packet });
        }
        if let Heard::End(reason) = &heard {
            self.dead(pnn, reason, inputs);
        }
        matches!(heard, Heard::More)
    }

    /// Looks at the connection that we opened: nothing but its end can be read from it.
    pub fn read_outgoing(&mut self, pnn: Pnn, scratch: &mut [u8], inputs: &mut Vec<Input>) {
        let Some(connection) = self.table.get_mut(&pnn).and_then(|peer| peer.to.as_mut()) else {
            return;
        };
        let mut packets = Vec::new();
        let heard = connection.read(scratch, &mut packets);
        match heard {
            Heard::End(reason) => self.dead(pnn, &reason, inputs),
            _ if !packets.is_empty() => self.dead(pnn, "unexpected data", inputs),
            _ => self.flush(pnn, inputs),
        }
    }

    /// Closes both connections to a peer, drops what was queued and connects again.
    pub fn restart(&mut self, pnn: Pnn) {
        let Some(peer) = self.table.get_mut(&pnn) else {
            return;
        };
        log::notice!("Tearing down connection to dead node :{pnn}");
        peer.from = None;
        peer.to = None;
        peer.up = false;
        peer.dirty = false;
        peer.give_back();
        self.connect(pnn);
    }

    fn dead(&mut self, pnn: Pnn, reason: &str, inputs: &mut Vec<Input>) {
        let was_up = self.table.get(&pnn).is_some_and(|peer| peer.up);
        self.restart(pnn);
        if was_up {
            inputs.push(Input::PeerDisconnected {
                peer: pnn,
                reason: reason.to_owned(),
            });
        }
    }

    /// Closes everything for good.
    pub fn close(&mut self) {
        self.table.clear();
    }
}

/// What a peer's stream must look like, beyond a possible length.
fn check(packet: &[u8]) -> Result<(), String> {
    if !packet.len().is_multiple_of(ALIGNMENT) {
        return Err(format!(
            "Length 0x{:x} not multiple of alignment",
            packet.len()
        ));
    }
    Header::decode(packet).map(drop).map_err(|e| e.to_string())
}
