//! Every control, in one match: an opcode without an arm does not compile.

use ctdb_protocol::control::{self, Life, Request};
use ctdb_protocol::id::ClientId;
use ctdb_protocol::packet::{Header, ReqControl};
use ctdb_protocol::types::{
    ControlFlags, NodeFlags, RecoveryMode as WireMode, TraverseAll, TraverseStart,
};

use crate::cluster::{flags, nodes};
use crate::node::Node;
use crate::shared::{Asker, RecoveryMode};
use crate::store::Kind;

/// What a handler has to say.
pub(crate) enum Answer {
    /// A status without data.
    Status(i32),
    /// Status 0 with data.
    Data(Vec<u8>),
    /// It was answered already, or will be.
    Taken,
}

impl Answer {
    /// 0, or upstream's "no": -1.
    pub(crate) fn yes_or_no(yes: bool) -> Self {
        Self::Status(if yes { 0 } else { -1 })
    }

    /// A typed value.
    pub(crate) fn with<T: ctdb_protocol::Wire>(value: &T) -> Self {
        Self::Data(ctdb_protocol::encode(value))
    }

    /// A typed value, or "no".
    pub(crate) fn maybe<T: ctdb_protocol::Wire>(value: Option<&T>) -> Self {
        value.map_or(Self::Status(-1), Self::with)
    }

    /// Nothing when it was taken on, "no" when it was not.
    pub(crate) fn taken(taken: bool) -> Self {
        if taken { Self::Taken } else { Self::Status(-1) }
    }
}

impl Node {
    /// A control for this node, from any node.
    pub(crate) fn control_arrived(&mut self, header: &Header, packet: ReqControl) {
        let asker = Asker {
            node: header.srcnode,
            reqid: header.reqid,
            client: packet.client_id,
            no_reply: packet.flags.contains(ControlFlags::NOREPLY),
        };
        let request = match Request::take(packet.opcode, &packet.data) {
            Ok(request) => request,
            Err(error) => {
                self.refuse_control(packet.opcode, &error.to_string());
                return self.shared.reply_status(asker, -1);
            }
        };
        match self.control(asker, packet, request) {
            Answer::Status(status) => self.shared.reply_status(asker, status),
            Answer::Data(data) => self.shared.reply(asker, 0, data.into()),
            Answer::Taken => {}
        }
    }

    /// The log line of a control that cannot be served, as upstream has it.
    fn refuse_control(&mut self, opcode: u32, why: &str) {
        let text = match control::find(opcode) {
            None => format!("Unknown CTDB control opcode {opcode}"),
            Some(control::Row {
                name,
                life: Life::Obsolete { instead: None },
                ..
            }) => {
                format!("Control {name} is not implemented any more")
            }
            Some(control::Row {
                name,
                life: Life::Obsolete {
                    instead: Some(other),
                },
                ..
            }) => {
                format!("Control {name} is not implemented any more, use {other} instead")
            }
            Some(control::Row {
                name,
                life: Life::Live,
                ..
            }) => format!("Invalid data in control {name}: {why}"),
        };
        self.shared.error(text);
    }

    /// The live client of this node that has sent a control, if it was one.
    pub(crate) fn local_client(&self, asker: Asker) -> Option<ClientId> {
        let mine = asker.node == self.shared.pnn && self.proxy.session(asker.client).is_some();
        mine.then_some(asker.client)
    }

    fn control(&mut self, asker: Asker, packet: ReqControl, request: Request) -> Answer {
        let Self {
            shared: cx,
            proxy,
            databases,
            cluster,
            ..
        } = self;
        match request {
            // Identity, statistics, tunables.
            Request::ProcessExists(pid) => self.process_exists(pid),
            Request::Statistics(()) => self.statistics(),
            Request::Ping(()) => Answer::Status(i32::try_from(proxy.count()).unwrap_or(i32::MAX)),
            Request::GetDebug(()) => Answer::with(&cx.log_level),
            Request::SetDebug(level) => {
                cx.log_level = level;
                cx.out.push(crate::Effect::SetLogLevel { level });
                Answer::Status(0)
            }
            Request::StatisticsReset(()) => self.statistics_reset(),
            Request::DumpMemory(()) => Answer::Data(self.memory_report().into_bytes()),
            Request::GetPid(()) => Answer::Status(cx.settings.pid),
            Request::GetPnn(()) => Answer::Status(i32::from_ne_bytes(cx.pnn.0.to_ne_bytes())),
            Request::SetTunable(tunable) => self.set_tunable(&tunable),
            Request::GetTunable(name) => self.get_tunable(&name),
            Request::ListTunables(()) => self.list_tunables(),
            Request::GetAllTunables(()) => {
                Answer::with(&ctdb_protocol::types::TunableList(cx.tunables.to_list()))
            }
            Request::Uptime(()) => self.uptime(),
            Request::GetCapabilities(()) => Answer::with(&cluster.capabilities),
            Request::RecdPing(()) => Answer::Status(0),
            Request::RecdReclockLatency(latency) => self.lock_latency(latency.0),
            Request::GetReclockFile(()) => match &cx.settings.cluster_lock {
                Some(lock) => Answer::Data([lock.as_bytes(), b"\0"].concat()),
                None => Answer::Status(0),
            },
            Request::SetLmasterRole(on) => {
                cluster
                    .capabilities
                    .set(ctdb_protocol::types::Capabilities::LMASTER, on != 0);
                cx.membership_changed = true;
                Answer::Status(0)
            }
            Request::SetRecmasterRole(on) => {
                cluster
                    .capabilities
                    .set(ctdb_protocol::types::Capabilities::RECMASTER, on != 0);
                cx.membership_changed = true;
                Answer::Status(0)
            }
            Request::GetStatHistory(()) => self.statistics_history(),
            Request::GetDbStatistics(id) => self.database_statistics(id),
            Request::GetRunstate(()) => Answer::with(&(cx.run_state as u32)),
            Request::EchoData(echo) => Answer::with(&echo),

            // Nodes, flags, bans.
            Request::Shutdown(()) => {
                if cluster.shut_down(cx, 0) {
                    Answer::Taken
                } else {
                    Answer::Status(0)
                }
            }
            Request::ModifyFlags(change) => Answer::yes_or_no(flags::modify(cx, databases, change)),
            Request::ReloadNodesFile(()) => {
                nodes::read(cx, nodes::Wanted::Reload(asker));
                Answer::Taken
            }
            Request::GetNodesFile(()) => {
                nodes::read(cx, nodes::Wanted::Tell(asker));
                Answer::Taken
            }
            Request::GetNodeMap(()) => Answer::with(&nodes::node_map(cx)),
            Request::StopNode(()) => {
                self.stop();
                Answer::Status(0)
            }
            Request::ContinueNode(()) => {
                flags::set_own(cx, NodeFlags::STOPPED, false);
                cx.membership_changed = true;
                Answer::Status(0)
            }
            Request::DisableNode(()) => {
                flags::set_own(cx, NodeFlags::PERMANENTLY_DISABLED, true);
                cx.membership_changed = true;
                Answer::Status(0)
            }
            Request::EnableNode(()) => {
                flags::set_own(cx, NodeFlags::PERMANENTLY_DISABLED, false);
                cx.membership_changed = true;
                Answer::Status(0)
            }
            Request::SetBanState(ban) => {
                if ban.pnn != cx.pnn {
                    cx.error(format!(
                        "This node is {}, a ban of node {} was asked for",
                        cx.pnn, ban.pnn
                    ));
                    return Answer::Status(-1);
                }
                let reason = who_bans(asker);
                cluster.set_ban(cx, databases, &mut self.failover, ban.time_s, &reason);
                Answer::Status(0)
            }
            Request::GetBanState(()) => Answer::with(&cluster.ban_state(cx)),

            // Recovery.
            Request::GetVnnMap(()) => Answer::with(&cx.vnn_map),
            Request::SetVnnMap(map) => {
                if cx.recovery_mode != RecoveryMode::Active {
                    cx.error("Attempt to set vnnmap when not in recovery");
                    return Answer::Status(-1);
                }
                cx.vnn_map = map;
                Answer::Status(0)
            }
            Request::GetRecmode(()) => {
                Answer::Status(i32::from(cx.recovery_mode == RecoveryMode::Active))
            }
            Request::SetRecmode(mode) => {
                cluster.set_recovery_mode(cx, databases, asker, mode == WireMode::ACTIVE);
                Answer::Taken
            }
            Request::StartRecovery(()) => {
                cluster.start_recovery(cx, asker);
                Answer::Taken
            }
            Request::EndRecovery(()) => {
                cluster.end_recovery(cx, databases, proxy, asker);
                Answer::Taken
            }
            Request::Freeze(()) => {
                databases.freeze_all(cx, Some(asker));
                Answer::Taken
            }
            Request::DbFreeze(id) => Answer::taken(databases.freeze_one(cx, id, asker)),
            Request::DbThaw(id) => {
                Answer::yes_or_no(databases.find(id).map(|db| db.thaw(cx)).is_some())
            }
            Request::DbTransactionStart(request) => {
                Answer::yes_or_no(databases.transaction_start(cx, request))
            }
            Request::DbTransactionCommit(request) => {
                Answer::yes_or_no(databases.transaction_commit(cx, request))
            }
            Request::DbTransactionCancel(id) => Answer::yes_or_no(databases.transaction_cancel(id)),
            Request::WipeDatabase(request) => Answer::yes_or_no(databases.wipe(cx, request)),
            Request::DbPull(request) => {
                Answer::taken(databases.pull(cx, asker, request.db_id, request.srvid))
            }
            Request::DbPushStart(request) => {
                Answer::yes_or_no(databases.push_start(cx, request.db_id, request.srvid))
            }
            Request::DbPushConfirm(id) => Answer::maybe(databases.push_confirm(cx, id).as_ref()),

            // Databases.
            Request::GetDbPath(id) => Answer::maybe(databases.path(id).as_ref()),
            Request::GetDbName(id) => Answer::maybe(databases.name(id).as_ref()),
            Request::GetDbMap(()) => Answer::with(&databases.db_map()),
            Request::DbOpenFlags(id) => {
                Answer::maybe(databases.find(id).map(|db| db.table.open_flags()).as_ref())
            }
            Request::DbAttach(name) => self.attach(asker, packet.flags, &name, Kind::Volatile),
            Request::DbAttachPersistent(name) => {
                self.attach(asker, packet.flags, &name, Kind::Persistent)
            }
            Request::DbAttachReplicated(name) => {
                self.attach(asker, packet.flags, &name, Kind::Replicated)
            }
            Request::DbDetach(id) => Answer::yes_or_no(databases.detach(cx, asker, id)),
            Request::EnableSeqnum(id) => Answer::yes_or_no(databases.enable_sequence(cx, id)),
            Request::UpdateSeqnum(id) => {
                Answer::yes_or_no(databases.sequence_changed(cx, asker.node, id))
            }
            Request::UpdateRecord(buffer) => {
                Answer::taken(databases.update(cx, asker, buffer.db_id, packet.data))
            }
            Request::TryDeleteRecords(buffer) => {
                Answer::maybe(databases.try_delete(cx, &buffer).as_ref())
            }
            Request::StartPersistentUpdate(()) => self.count_update(asker, true),
            Request::CancelPersistentUpdate(()) => self.count_update(asker, false),
            Request::Trans3Commit(buffer) => self.commit(asker, buffer),
            Request::GetDbSeqnum(request) => Answer::maybe(
                databases
                    .find(request.db_id)
                    .and_then(|db| db.sequence_record())
                    .as_ref(),
            ),
            Request::DbSetHealthy(id) => self.set_healthy(id),
            Request::DbGetHealth(id) => self.health(id),
            Request::ScheduleForDeletion(request) => Answer::yes_or_no(databases.schedule(
                request.db_id,
                request.key.as_ref(),
                request.header,
            )),
            Request::SetDbReadonly(id) => self.set_readonly(id),
            Request::SetDbSticky(id) => self.set_sticky(id),
            Request::VacuumFetch(buffer) => Answer::yes_or_no(databases.vacuum_fetch(&buffer)),
            Request::DbVacuum(request) => {
                Answer::taken(databases.vacuum_now(cx, asker, request.db_id, request.full))
            }
            Request::PushRecord(push) => {
                let local = self.local_client(asker).is_some();
                self.databases
                    .push_record(&mut self.shared, asker, local, push);
                Answer::Taken
            }
            Request::PushRecordStore(push) => {
                databases.store_pushed(cx, asker, push);
                Answer::Taken
            }

            // Traverse, messages, tunnels.
            Request::TraverseStart(request) => self.traverse_start(asker, request, false),
            Request::TraverseStartExt(request) => {
                let plain = TraverseStart {
                    db_id: request.db_id,
                    reqid: request.reqid,
                    srvid: request.srvid,
                };
                self.traverse_start(asker, plain, request.with_empty_records)
            }
            Request::TraverseAll(request) => {
                Answer::yes_or_no(databases.traverse_walk(cx, request, false))
            }
            Request::TraverseAllExt(request) => {
                let plain = TraverseAll {
                    db_id: request.db_id,
                    reqid: request.reqid,
                    pnn: request.pnn,
                    client_reqid: request.client_reqid,
                    srvid: request.srvid,
                };
                Answer::yes_or_no(databases.traverse_walk(cx, plain, request.with_empty_records))
            }
            Request::TraverseData(record) => {
                Answer::yes_or_no(databases.traverse_data(cx, proxy, record))
            }
            Request::TraverseKill(request) => {
                Answer::yes_or_no(databases.traverse_kill(cx, request))
            }
            Request::RegisterSrvid(()) => self.register(asker, packet.srvid),
            Request::DeregisterSrvid(()) => self.deregister(asker, packet.srvid),
            Request::RegisterNotify(notify) => {
                self.register_notify(asker, notify.srvid, notify.data.as_ref())
            }
            Request::DeregisterNotify(srvid) => self.deregister_notify(asker, srvid),
            Request::CheckPidSrvid(request) => {
                Answer::yes_or_no(proxy.pid_listens(request.pid, request.srvid))
            }
            Request::TunnelRegister(()) => self.tunnel_register(asker, packet.srvid),
            Request::TunnelDeregister(()) => self.tunnel_deregister(asker, packet.srvid),

            // Public addresses.
            request => self.address_control(asker, packet.flags, request),
        }
    }
}

/// The control tells from where a ban comes; why is in the log there.
fn who_bans(asker: Asker) -> String {
    let who = if asker.client == ClientId(0) {
        "the daemon"
    } else {
        "the recovery or an administrator"
    };
    format!("{who} of node {} asked for it, see its log", asker.node)
}
