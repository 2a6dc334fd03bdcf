//! The controls that this service answers.

use ctdb_protocol::control::ClusterRequest as Request;
use ctdb_protocol::id::ClientId;
use ctdb_protocol::types::{
    BanState, Capabilities, NodeFlags, RecoveryMode, Timeval, Uptime, VnnMap,
};

use super::{Cluster, nodes};
use crate::context::Context;
use crate::control::{Answer, Asker};
use crate::proxy;
use crate::statistics::{add_latency, wall};
use crate::time::Now;

impl Cluster {
    /// A control of any node.
    pub(crate) fn control(&mut self, cx: &mut Context, asker: Asker, request: Request) -> Answer {
        match request {
            Request::GetPnn(()) => Answer::Status(i32::from_ne_bytes(cx.pnn().0.to_ne_bytes())),
            Request::GetRunstate(()) => Answer::with(&cx.run_state()),
            Request::Uptime(()) => self.uptime(cx),
            Request::RecdPing(()) => Answer::Status(0),
            Request::RecdReclockLatency(latency) => lock_latency(cx, latency.0),
            Request::GetReclockFile(()) => match &cx.settings().cluster_lock {
                Some(lock) => Answer::Data([lock.as_bytes(), b"\0"].concat()),
                None => Answer::Status(0),
            },
            Request::GetCapabilities(()) => Answer::with(&self.capabilities),
            Request::SetLmasterRole(on) => self.set_capability(cx, Capabilities::LMASTER, on),
            Request::SetRecmasterRole(on) => self.set_capability(cx, Capabilities::RECMASTER, on),
            Request::Shutdown(()) => {
                if self.shut_down(cx, 0) {
                    Answer::Taken
                } else {
                    Answer::Status(0)
                }
            }
            Request::ModifyFlags(change) => Answer::yes_or_no(self.modify(cx, change)),
            Request::StopNode(()) => {
                self.stop(cx, asker);
                Answer::Taken
            }
            Request::ContinueNode(()) => set_flag(cx, NodeFlags::STOPPED, false),
            Request::DisableNode(()) => set_flag(cx, NodeFlags::PERMANENTLY_DISABLED, true),
            Request::EnableNode(()) => set_flag(cx, NodeFlags::PERMANENTLY_DISABLED, false),
            Request::SetBanState(ban) => self.ban_control(cx, asker, ban),
            Request::GetBanState(()) => Answer::with(&self.ban_state(cx)),
            Request::ReloadNodesFile(()) => {
                nodes::read(cx, nodes::Wanted::Reload(asker));
                Answer::Taken
            }
            Request::GetNodesFile(()) => {
                nodes::read(cx, nodes::Wanted::Tell(asker));
                Answer::Taken
            }
            Request::GetNodeMap(()) => Answer::with(&nodes::node_map(cx)),
            Request::GetVnnMap(()) => Answer::with(cx.vnn_map()),
            Request::SetVnnMap(map) => set_vnn_map(cx, map),
            Request::GetRecmode(()) => Answer::Status(i32::from(cx.recovering())),
            Request::SetRecmode(mode) => {
                self.set_recovery_mode(cx, asker, mode == RecoveryMode::ACTIVE);
                Answer::Taken
            }
            Request::StartRecovery(()) => {
                self.start_recovery(cx, asker);
                Answer::Taken
            }
            Request::EndRecovery(()) => {
                Self::end_recovery(cx, asker);
                Answer::Taken
            }
        }
    }

    fn ban_control(&mut self, cx: &mut Context, asker: Asker, ban: BanState) -> Answer {
        if ban.pnn != cx.pnn() {
            cx.error(format!(
                "This node is {}, a ban of node {} was asked for",
                cx.pnn(),
                ban.pnn
            ));
            return Answer::Status(-1);
        }
        if ban.time_s > 0 && self.has_storage_fault() {
            cx.notice("This node is banned already, until it can store databases");
            return Answer::Status(0);
        }
        let reason = self.announced_reason(cx, asker);
        self.set_ban(cx, Some(asker), ban.time_s, &reason);
        Answer::Taken
    }

    fn set_capability(&mut self, cx: &mut Context, capability: Capabilities, on: u32) -> Answer {
        self.capabilities.set(capability, on != 0);
        cx.post(proxy::Letter::MembershipChanged);
        Answer::Status(0)
    }

    fn uptime(&self, cx: &Context) -> Answer {
        let at = |wall_us: u64| {
            if wall_us == 0 {
                Timeval::default()
            } else {
                wall(Now {
                    wall_us,
                    monotonic_us: 0,
                })
            }
        };
        Answer::with(&Uptime {
            current_time: wall(cx.now()),
            ctdbd_start_time: at(self.started_wall_us),
            last_recovery_started: at(self.recovery_started_us),
            last_recovery_finished: at(self.recovery_finished_us),
        })
    }
}

/// The control tells from where a ban comes; why is in the log there, or was announced.
pub(super) fn who_bans(asker: Asker) -> String {
    let who = if asker.client == ClientId(0) {
        "the daemon"
    } else {
        "the recovery or an administrator"
    };
    format!("{who} of node {} asked for it, see its log", asker.node)
}

fn set_flag(cx: &mut Context, flag: NodeFlags, on: bool) -> Answer {
    Cluster::set_administrative(cx, flag, on);
    Answer::Status(0)
}

fn set_vnn_map(cx: &mut Context, map: VnnMap) -> Answer {
    if !cx.recovering() {
        cx.error("Attempt to set vnnmap when not in recovery");
        return Answer::Status(-1);
    }
    cx.view_mut().vnn_map = map;
    Answer::Status(0)
}

/// How long the cluster watch took to get the cluster lock.
fn lock_latency(cx: &mut Context, seconds: f64) -> Answer {
    cx.count(|s| add_latency(&mut s.reclock_recd, seconds));
    cx.note_lock_latency(seconds, "recd reclock");
    Answer::Status(0)
}
