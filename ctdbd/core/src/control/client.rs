//! Controls that concern the client that sends them. A client number of another node means nothing
//! here: it might by chance be that of a local client.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{MarshallBuffer, TraverseStart};

use super::dispatch::Answer;
use crate::node::Node;
use crate::shared::{Asker, Timer};

/// As upstream answers a deregistration that finds nothing: ENOENT.
const NO_ENTRY: i32 = 2;

impl Node {
    pub(crate) fn register(&mut self, asker: Asker, srvid: Srvid) -> Answer {
        let Some(client) = self.local_client(asker) else {
            return Answer::Status(-1);
        };
        if srvid == Srvid::LEADER {
            // behind the answer, because a client may not listen before it has that
            self.shared.arm(Duration::ZERO, Timer::TellLeader(client));
        }
        Answer::yes_or_no(self.proxy.register(client, srvid))
    }

    pub(crate) fn deregister(&mut self, asker: Asker, srvid: Srvid) -> Answer {
        let Some(client) = self.local_client(asker) else {
            return Answer::Status(-1);
        };
        Answer::Status(if self.proxy.deregister(client, srvid) {
            0
        } else {
            NO_ENTRY
        })
    }

    pub(crate) fn register_notify(&mut self, asker: Asker, srvid: Srvid, data: &[u8]) -> Answer {
        let Some(session) = self
            .local_client(asker)
            .and_then(|client| self.proxy.session_mut(client))
        else {
            return Answer::Status(-1);
        };
        if session.notifies.contains_key(&srvid) {
            return Answer::Status(-1);
        }
        session.notifies.insert(srvid, Bytes::copy_from_slice(data));
        Answer::Status(0)
    }

    pub(crate) fn deregister_notify(&mut self, asker: Asker, srvid: Srvid) -> Answer {
        let session = self
            .local_client(asker)
            .and_then(|client| self.proxy.session_mut(client));
        Answer::yes_or_no(session.is_some_and(|session| session.notifies.remove(&srvid).is_some()))
    }

    pub(crate) fn tunnel_register(&mut self, asker: Asker, tunnel: Srvid) -> Answer {
        let client = self.local_client(asker);
        Answer::yes_or_no(client.is_some_and(|client| self.proxy.tunnel_register(client, tunnel)))
    }

    pub(crate) fn tunnel_deregister(&mut self, asker: Asker, tunnel: Srvid) -> Answer {
        let client = self.local_client(asker);
        Answer::yes_or_no(client.is_some_and(|client| self.proxy.tunnel_deregister(client, tunnel)))
    }

    pub(crate) fn traverse_start(
        &mut self,
        asker: Asker,
        request: TraverseStart,
        with_empty: bool,
    ) -> Answer {
        if self.local_client(asker).is_none() {
            self.shared
                .error("a traverse was started by someone who is no client of this node");
            return Answer::Status(-1);
        }
        self.databases
            .traverse_start(&mut self.shared, asker, request, with_empty);
        Answer::Taken
    }

    /// START_PERSISTENT_UPDATE and CANCEL_PERSISTENT_UPDATE of old clients.
    pub(crate) fn count_update(&mut self, asker: Asker, start: bool) -> Answer {
        let Some(session) = self
            .local_client(asker)
            .and_then(|client| self.proxy.session_mut(client))
        else {
            return Answer::Status(-1);
        };
        session.open_updates = if start {
            session.open_updates.saturating_add(1)
        } else {
            session.open_updates.saturating_sub(1)
        };
        Answer::Status(0)
    }

    pub(crate) fn commit(&mut self, asker: Asker, buffer: MarshallBuffer) -> Answer {
        let Some(session) = self
            .local_client(asker)
            .and_then(|client| self.proxy.session(client))
        else {
            self.shared
                .error("a transaction was committed by someone who is no client of this node");
            return Answer::Status(-1);
        };
        if session.committing.is_some() {
            self.shared.error(format!(
                "client {} commits two transactions at once",
                asker.client
            ));
            return Answer::Status(-1);
        }
        let db_id = buffer.db_id;
        let taken = self.databases.commit(&mut self.shared, asker, buffer);
        let running = self
            .databases
            .find(db_id)
            .is_some_and(|db| db.commit.is_some());
        if taken
            && running
            && let Some(session) = self.proxy.session_mut(asker.client)
        {
            session.committing = Some(db_id);
        }
        Answer::taken(taken)
    }
}
