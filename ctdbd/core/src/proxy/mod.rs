//! Clients of the Unix socket: their sessions, what they have registered, and the way of their
//! messages, controls and tunnel packets to other nodes and back.

mod control;
mod letter;
mod message;
mod relay;
mod session;
mod tunnel;

pub use letter::{Asked, Due, Letter, View};
use session::Session;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::srvid::Srvid;

use crate::cluster;
use crate::context::{About, Context};

/// All clients of this node.
#[derive(Debug, Default)]
pub struct Proxy {
    sessions: BTreeMap<ClientId, Session>,
    /// Connections of each process; one process regularly has two or three.
    pids: BTreeMap<i32, BTreeSet<ClientId>>,
    /// Registrations by srvid and number, newest first; a client may stand there more than once.
    listeners: BTreeMap<Srvid, BTreeMap<Reverse<u64>, ClientId>>,
    last_registration: u64,
    /// Owner of each tunnel id.
    tunnels: BTreeMap<Srvid, ClientId>,
    last_id: u32,
    /// The watch has to hear at the end of the turn that something has changed.
    tell_change: bool,
}

impl Proxy {
    /// A connection number that is not in use. Never 0, which stands for "a daemon".
    pub fn next_client_id(&mut self) -> ClientId {
        loop {
            self.last_id = if self.last_id >= 0x7fff_ffff {
                1
            } else {
                self.last_id + 1
            };
            let id = ClientId(self.last_id);
            if !self.sessions.contains_key(&id) {
                return id;
            }
        }
    }

    /// A process has connected.
    pub(crate) fn connected(&mut self, cx: &mut Context, client: ClientId, pid: i32) {
        cx.clients_mut().add(client);
        self.sessions.insert(client, Session::new(pid));
        self.pids.entry(pid).or_default().insert(client);
    }

    /// A client has gone: all that it had registered is forgotten, and done what it wanted done at its end.
    pub(crate) fn client_gone(&mut self, cx: &mut Context, client: ClientId) {
        let Some(session) = self.forget(client) else {
            return;
        };
        cx.clients_mut().remove(client);
        if session.open_updates > 0 {
            cx.error(format!(
                "client {client} went away with {} open updates",
                session.open_updates
            ));
            let reason = cluster::Reason::ClientGone(client);
            cx.post(cluster::Letter::RecoveryWanted(reason));
        }
        // Late answers to it find nothing.
        cx.recall_about(About::Client(client), |_| true);
        for (srvid, data) in session.notifies {
            cx.message(Pnn::BROADCAST_CONNECTED, srvid, data);
        }
    }

    fn forget(&mut self, client: ClientId) -> Option<Session> {
        let session = self.sessions.remove(&client)?;
        if let Some(connections) = self.pids.get_mut(&session.pid) {
            connections.remove(&client);
            if connections.is_empty() {
                self.pids.remove(&session.pid);
            }
        }
        for (srvid, numbers) in &session.srvids {
            self.strike(*srvid, numbers);
        }
        for tunnel in &session.tunnels {
            self.tunnels.remove(tunnel);
        }
        Some(session)
    }

    /// The process of a connection.
    #[must_use]
    pub fn pid_of(&self, client: ClientId) -> Option<i32> {
        Some(self.sessions.get(&client)?.pid)
    }

    /// Number of srvids that are listened to, counted by client.
    pub(crate) fn registrations(&self) -> usize {
        self.sessions.values().map(|s| s.srvids.len()).sum()
    }

    /// Sets where connection numbers go on.
    #[cfg(test)]
    pub(crate) fn set_last_id(&mut self, last: u32) {
        self.last_id = last;
    }

    /// Number of connections.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.sessions.len()).unwrap_or(u32::MAX)
    }

    /// One connection of a process, if it has any.
    fn connection_of(&self, pid: i32) -> Option<ClientId> {
        self.pids.get(&pid)?.first().copied()
    }

    /// Whether any connection of a process has registered this srvid.
    fn pid_listens(&self, pid: i32, srvid: Srvid) -> bool {
        let Some(connections) = self.pids.get(&pid) else {
            return false;
        };
        connections.iter().any(|c| {
            self.sessions
                .get(c)
                .is_some_and(|s| s.srvids.contains_key(&srvid))
        })
    }

    /// Registers a listener; a second registration of the same one delivers each message twice.
    pub(crate) fn register(&mut self, client: ClientId, srvid: Srvid) -> bool {
        let Some(session) = self.sessions.get_mut(&client) else {
            return false;
        };
        self.last_registration += 1;
        let number = self.last_registration;
        session.srvids.entry(srvid).or_default().push(number);
        let list = self.listeners.entry(srvid).or_default();
        list.insert(Reverse(number), client);
        true
    }

    /// Removes the newest registration of a client. False when there is none.
    fn deregister(&mut self, client: ClientId, srvid: Srvid) -> bool {
        let Some(session) = self.sessions.get_mut(&client) else {
            return false;
        };
        let Some(numbers) = session.srvids.get_mut(&srvid) else {
            return false;
        };
        let newest = numbers.pop();
        if numbers.is_empty() {
            session.srvids.remove(&srvid);
        }
        self.strike(srvid, newest.as_slice());
        true
    }

    /// Removes registrations from the list of those who listen.
    fn strike(&mut self, srvid: Srvid, numbers: &[u64]) {
        let Some(list) = self.listeners.get_mut(&srvid) else {
            return;
        };
        for number in numbers {
            list.remove(&Reverse(*number));
        }
        if list.is_empty() {
            self.listeners.remove(&srvid);
        }
    }

    /// Who listens to a srvid, newest first.
    fn listeners(&self, srvid: Srvid) -> impl Iterator<Item = ClientId> {
        let list = self.listeners.get(&srvid);
        list.into_iter().flat_map(BTreeMap::values).copied()
    }
}
