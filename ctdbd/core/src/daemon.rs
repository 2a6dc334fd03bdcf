//! The controls about the daemon as a whole: counters, log level, tunables, memory.

use std::fmt::Write as _;

use ctdb_protocol::control::DaemonRequest as Request;
use ctdb_protocol::types::{StatisticsList, Tunable, TunableList, VarList};

use crate::control::Answer;
use crate::effect::Effect;
use crate::node::Node;
use crate::statistics::wall;

/// Status of GET_TUNABLE for an unknown name: -EINVAL.
const INVALID: i32 = -22;

impl Node {
    /// A control of any node.
    pub(crate) fn daemon_control(&mut self, request: Request) -> Answer {
        match request {
            Request::Statistics(()) => self.statistics(),
            Request::StatisticsReset(()) => {
                let now = self.cx.now();
                self.cx.statistics().reset(now);
                self.databases.reset_counters();
                Answer::Status(0)
            }
            Request::GetStatHistory(()) => Answer::with(&StatisticsList {
                stats: self.cx.statistics().history(),
                ..StatisticsList::default()
            }),
            Request::GetDebug(()) => Answer::with(&self.log_level),
            Request::SetDebug(level) => {
                self.log_level = level;
                self.cx.effect(Effect::SetLogLevel { level });
                Answer::Status(0)
            }
            Request::DumpMemory(()) => Answer::Data(self.memory_report().into_bytes()),
            Request::GetPid(()) => Answer::Status(self.cx.settings().pid),
            Request::SetTunable(tunable) => self.set_tunable(&tunable),
            Request::GetTunable(name) => {
                let name = String::from_utf8_lossy(name.as_bytes());
                let value = self.cx.tunables().get(&name);
                value.map_or(Answer::Status(INVALID), |value| Answer::with(&value))
            }
            Request::ListTunables(()) => {
                Answer::with(&VarList::new(ctdb_config::tunables::names()))
            }
            Request::GetAllTunables(()) => Answer::with(&TunableList(self.cx.tunables().to_list())),
            Request::EchoData(echo) => Answer::with(&echo),
        }
    }

    fn statistics(&mut self) -> Answer {
        let mut statistics = *self.cx.statistics().total();
        statistics.num_clients = self.proxy.count();
        statistics.frozen = u32::from(self.cx.databases().all_frozen());
        statistics.recovering = u32::from(self.cx.recovering());
        statistics.memory_used = self.databases.memory_used_bytes();
        statistics.statistics_current_time = wall(self.cx.now());
        Answer::with(&statistics)
    }

    fn set_tunable(&mut self, tunable: &Tunable) -> Answer {
        let name = String::from_utf8_lossy(tunable.name.as_bytes()).into_owned();
        match self.cx.set_tunable(&name, tunable) {
            Some(obsolete) => Answer::Status(i32::from(obsolete)),
            None => {
                self.cx.error(format!("unknown tunable {name}"));
                Answer::Status(-1)
            }
        }
    }

    /// What the daemon holds, one line per kind of thing, in the form of a talloc report.
    fn memory_report(&self) -> String {
        let cx = &self.cx;
        let sizes = self.databases.sizes();
        let (timers, packets, requests) = cx.lengths();
        let rows = [
            ("struct ctdb_node", cx.members().count(), 256),
            ("struct ctdb_client", self.proxy.count() as usize, 512),
            ("struct srvid_handler", self.proxy.registrations(), 64),
            ("struct ctdb_db_context", sizes.databases, 2048),
            ("struct ctdb_call_state", sizes.calls, 256),
            ("struct lock_request", sizes.waits, 256),
            ("struct delete_record_data", sizes.queued, 96),
            ("struct ctdb_queue_pkt", packets, 128),
            ("struct ctdb_control_state", requests, 96),
            ("struct ctdb_statistics", crate::statistics::HISTORY, 488),
            ("struct tevent_timer", timers, 64),
            ("struct ctdb_vnn_map", cx.vnn_map().nodes.len(), 4),
        ];
        let total: usize = rows.iter().map(|(_, count, size)| count * size).sum();
        let blocks: usize = rows.iter().map(|(_, count, _)| count).sum();
        let mut report = format!(
            "full talloc report on 'null_context' (total {total:6} bytes in {blocks} blocks)\n"
        );
        for (index, (name, count, size)) in rows.iter().enumerate() {
            // The last column is an address in C; here it numbers the rows.
            let _ = writeln!(
                report,
                "    {name:<30} contains {:6} bytes in {count:3} blocks (ref 0) 0x{:x}",
                count * size,
                index + 1
            );
        }
        report
    }
}
