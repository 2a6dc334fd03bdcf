//! Controls about the daemon itself: counters, tunables, times, memory.

use std::fmt::Write as _;

use ctdb_protocol::id::DbId;
use ctdb_protocol::text::CountedText;
use ctdb_protocol::types::{
    DbStatistics, HotKey, StatisticsList, Timeval, Tunable, Uptime, VarList,
};
use ctdb_protocol::wire::Blob;

use super::dispatch::Answer;
use crate::effect::Effect;
use crate::node::Node;
use crate::shared::RecoveryMode;
use crate::statistics::{add_latency, wall};
use crate::time::Now;

/// Status of GET_TUNABLE for an unknown name: -EINVAL.
const INVALID: i32 = -22;

impl Node {
    /// Whether a process is a client of this node. An inactive node drops its clients instead.
    pub(crate) fn process_exists(&mut self, pid: i32) -> Answer {
        // The daemon's own procedures are clients too, but the daemon is nobody's client.
        if pid == self.shared.settings.pid {
            return Answer::Status(-1);
        }
        let Some(client) = self.proxy.connection_of(pid) else {
            return Answer::Status(-1);
        };
        if self.shared.inactive() {
            self.shared.notice(format!(
                "client {client} (pid {pid}) is dropped: this node is inactive"
            ));
            self.shared.out.push(Effect::DropClient { client });
            return Answer::Status(-1);
        }
        Answer::Status(0)
    }

    pub(crate) fn statistics(&mut self) -> Answer {
        let cx = &self.shared;
        let mut statistics = *cx.statistics.total();
        statistics.num_clients = self.proxy.count();
        statistics.frozen = u32::from(self.databases.freeze_all.complete);
        statistics.recovering = u32::from(cx.recovery_mode == RecoveryMode::Active);
        statistics.memory_used = cx.storage.memory_used_bytes();
        statistics.statistics_current_time = wall(cx.now);
        Answer::with(&statistics)
    }

    pub(crate) fn statistics_reset(&mut self) -> Answer {
        self.shared.statistics.reset(self.shared.now);
        for db in self.databases.map.values_mut() {
            db.counters = Default::default();
            db.hot_keys.clear();
        }
        Answer::Status(0)
    }

    pub(crate) fn statistics_history(&self) -> Answer {
        Answer::with(&StatisticsList {
            stats: self.shared.statistics.history(),
            ..StatisticsList::default()
        })
    }

    pub(crate) fn database_statistics(&mut self, id: DbId) -> Answer {
        let Some(db) = self.databases.find(id) else {
            return Answer::Status(-1);
        };
        let mut statistics = DbStatistics {
            locks: db.counters.locks,
            vacuum_latency: db.counters.vacuum_latency,
            ro_delegations: db.counters.ro_delegations,
            ro_revokes: db.counters.ro_revokes,
            hop_count_bucket: db.counters.hop_buckets,
            num_hot_keys: u32::try_from(DbStatistics::HOT_KEYS).unwrap_or(0),
            ..DbStatistics::default()
        };
        for (slot, (count, key)) in statistics
            .hot_keys
            .iter_mut()
            .rev()
            .zip(db.hot_keys.slots().iter().rev())
        {
            *slot = HotKey {
                count: *count,
                key: Blob::from(key.as_ref()),
                ..HotKey::default()
            };
        }
        Answer::with(&statistics)
    }

    pub(crate) fn set_tunable(&mut self, tunable: &Tunable) -> Answer {
        let name = String::from_utf8_lossy(tunable.name.as_bytes()).into_owned();
        match self.shared.tunables.set(&name, tunable.value) {
            Some(row) => Answer::Status(i32::from(row.obsolete)),
            None => {
                self.shared.error(format!("unknown tunable {name}"));
                Answer::Status(-1)
            }
        }
    }

    pub(crate) fn get_tunable(&self, name: &CountedText) -> Answer {
        let name = String::from_utf8_lossy(name.as_bytes());
        self.shared
            .tunables
            .get(&name)
            .map_or(Answer::Status(INVALID), |value| Answer::with(&value))
    }

    pub(crate) fn list_tunables(&self) -> Answer {
        Answer::with(&VarList::new(ctdb_config::tunables::names()))
    }

    pub(crate) fn uptime(&self) -> Answer {
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
            current_time: wall(self.shared.now),
            ctdbd_start_time: at(self.cluster.started_us),
            last_recovery_started: at(self.cluster.recovery_started_us),
            last_recovery_finished: at(self.cluster.recovery_finished_us),
        })
    }

    /// How long the cluster watch took to get the cluster lock.
    pub(crate) fn lock_latency(&mut self, seconds: f64) -> Answer {
        self.shared
            .statistics
            .count(|s| add_latency(&mut s.reclock_recd, seconds));
        self.shared.note_lock_latency(seconds, "recd reclock");
        Answer::Status(0)
    }

    /// What the daemon holds, one line per kind of thing, in the form of a talloc report.
    pub(crate) fn memory_report(&self) -> String {
        let databases = &self.databases.map;
        let calls: usize = databases.values().map(|db| db.calls.len()).sum();
        let waits: usize = databases.values().map(|db| db.waits.len()).sum();
        let queued: usize = databases
            .values()
            .map(|db| db.delete_queue.len() + db.fetch_queue.len())
            .sum();
        let srvids: usize = self
            .proxy
            .sessions()
            .map(|(_, session)| session.srvids.len())
            .sum();
        let rows = [
            ("struct ctdb_node", self.shared.members.len(), 256),
            ("struct ctdb_client", self.proxy.count() as usize, 512),
            ("struct srvid_handler", srvids, 64),
            ("struct ctdb_db_context", databases.len(), 2048),
            ("struct ctdb_call_state", calls, 256),
            ("struct lock_request", waits, 256),
            ("struct delete_record_data", queued, 96),
            ("struct ctdb_queue_pkt", self.shared.loopback.len(), 128),
            (
                "struct ctdb_control_state",
                self.shared.requests_pending(),
                96,
            ),
            ("struct ctdb_statistics", crate::statistics::HISTORY, 488),
            ("struct tevent_timer", self.shared.timers.len(), 64),
            ("struct ctdb_vnn_map", self.shared.vnn_map.nodes.len(), 4),
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
