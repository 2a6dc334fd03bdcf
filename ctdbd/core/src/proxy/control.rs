//! The controls that this service answers. Most concern the client that sends them. A client number of
//! another node means nothing here: it might by chance be that of a local client.

use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::control::ProxyRequest as Request;
use ctdb_protocol::srvid::Srvid;

use super::{Due, Proxy, Session};
use crate::context::Context;
use crate::control::{Answer, Asker};
use crate::effect::Effect;

/// As upstream answers a deregistration that finds nothing: ENOENT.
const NO_ENTRY: i32 = 2;

impl Proxy {
    /// A control of any node; `srvid` is that of its header.
    pub(crate) fn control(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        srvid: Srvid,
        request: Request,
    ) -> Answer {
        match request {
            Request::ProcessExists(pid) => self.process_exists(cx, pid),
            Request::Ping(()) => Answer::Status(i32::try_from(self.count()).unwrap_or(i32::MAX)),
            Request::CheckPidSrvid(request) => {
                Answer::yes_or_no(self.pid_listens(request.pid, request.srvid))
            }
            Request::RegisterSrvid(()) => self.register_srvid(cx, asker, srvid),
            Request::DeregisterSrvid(()) => match asker.local_client() {
                None => Answer::Status(-1),
                Some(client) if self.deregister(client, srvid) => Answer::Status(0),
                Some(_) => Answer::Status(NO_ENTRY),
            },
            Request::RegisterNotify(notify) => {
                let data = Bytes::copy_from_slice(notify.data.as_ref());
                self.register_notify(asker, notify.srvid, data)
            }
            Request::DeregisterNotify(srvid) => {
                let session = self.session_of(asker);
                Answer::yes_or_no(
                    session.is_some_and(|session| session.notifies.remove(&srvid).is_some()),
                )
            }
            Request::TunnelRegister(()) => {
                let client = asker.local_client();
                Answer::yes_or_no(client.is_some_and(|client| self.tunnel_register(client, srvid)))
            }
            Request::TunnelDeregister(()) => {
                let client = asker.local_client();
                Answer::yes_or_no(
                    client.is_some_and(|client| self.tunnel_deregister(client, srvid)),
                )
            }
            Request::StartPersistentUpdate(()) => self.count_update(asker, true),
            Request::CancelPersistentUpdate(()) => self.count_update(asker, false),
        }
    }

    fn session_of(&mut self, asker: Asker) -> Option<&mut Session> {
        self.sessions.get_mut(&asker.local_client()?)
    }

    /// Whether a process is a client of this node. An inactive node drops its clients instead.
    fn process_exists(&self, cx: &mut Context, pid: i32) -> Answer {
        // The daemon's own procedures are clients too, but the daemon is nobody's client.
        if pid == cx.settings().pid {
            return Answer::Status(-1);
        }
        let Some(client) = self.connection_of(pid) else {
            return Answer::Status(-1);
        };
        if cx.inactive() {
            cx.notice(format!(
                "client {client} (pid {pid}) is dropped: this node is inactive"
            ));
            cx.effect(Effect::DropClient { client });
            return Answer::Status(-1);
        }
        Answer::Status(0)
    }

    fn register_srvid(&mut self, cx: &mut Context, asker: Asker, srvid: Srvid) -> Answer {
        let Some(client) = asker.local_client() else {
            return Answer::Status(-1);
        };
        if srvid == Srvid::LEADER {
            // behind the answer, because a client may not listen before it has that
            cx.arm(Duration::ZERO, Due::TellLeader(client));
        }
        Answer::yes_or_no(self.register(client, srvid))
    }

    fn register_notify(&mut self, asker: Asker, srvid: Srvid, data: Bytes) -> Answer {
        let Some(session) = self.session_of(asker) else {
            return Answer::Status(-1);
        };
        if session.notifies.contains_key(&srvid) {
            return Answer::Status(-1);
        }
        session.notifies.insert(srvid, data);
        Answer::Status(0)
    }

    /// START_PERSISTENT_UPDATE and CANCEL_PERSISTENT_UPDATE of old clients.
    fn count_update(&mut self, asker: Asker, start: bool) -> Answer {
        let Some(session) = self.session_of(asker) else {
            return Answer::Status(-1);
        };
        session.open_updates = if start {
            session.open_updates.saturating_add(1)
        } else {
            session.open_updates.saturating_sub(1)
        };
        Answer::Status(0)
    }
}
