//! Clients of the Unix socket: their sessions, what they have registered, and the way of their
//! messages, controls and tunnel packets to other nodes and back.

pub mod message;
pub mod relay;
pub mod session;
pub mod tunnel;

pub use session::Session;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ctdb_protocol::id::ClientId;
use ctdb_protocol::srvid::Srvid;

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
    pub(crate) last_id: u32,
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
    pub fn connected(&mut self, client: ClientId, pid: i32) {
        self.sessions.insert(client, Session::new(pid));
        self.pids.entry(pid).or_default().insert(client);
    }

    /// Forgets a client and all that it had registered; what is left to be done for it is in the session.
    pub fn gone(&mut self, client: ClientId) -> Option<Session> {
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

    /// The session of a connection.
    #[must_use]
    pub fn session(&self, client: ClientId) -> Option<&Session> {
        self.sessions.get(&client)
    }

    /// The session of a connection, to be changed.
    pub fn session_mut(&mut self, client: ClientId) -> Option<&mut Session> {
        self.sessions.get_mut(&client)
    }

    /// All sessions.
    pub fn sessions(&self) -> impl Iterator<Item = (&ClientId, &Session)> {
        self.sessions.iter()
    }

    /// Number of connections.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.sessions.len()).unwrap_or(u32::MAX)
    }

    /// One connection of a process, if it has any.
    #[must_use]
    pub fn connection_of(&self, pid: i32) -> Option<ClientId> {
        self.pids.get(&pid)?.first().copied()
    }

    /// Whether any connection of a process has registered this srvid.
    #[must_use]
    pub fn pid_listens(&self, pid: i32, srvid: Srvid) -> bool {
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
    pub fn register(&mut self, client: ClientId, srvid: Srvid) -> bool {
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
    pub fn deregister(&mut self, client: ClientId, srvid: Srvid) -> bool {
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
    pub fn listeners(&self, srvid: Srvid) -> impl Iterator<Item = ClientId> {
        let list = self.listeners.get(&srvid);
        list.into_iter().flat_map(BTreeMap::values).copied()
    }
}
