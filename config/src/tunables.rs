// SPDX-License-Identifier: GPL-3.0-or-later
//! The tunables: 62 numbers, 49 of them live. The table is in the order in which they are
//! listed; the number after `@` is the place on the wire, which is another order.

use std::io;
use std::path::{Path, PathBuf};

use crate::level::Level;
use crate::lines::{self, Item};
use crate::number;
use crate::paths::Paths;
use crate::release::Release;
use crate::report::Report;

/// How many values there are on the wire.
pub const COUNT: usize = 62;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its name; looked up in any case.
    pub name: &'static str,
    /// Its index on the wire.
    pub place: usize,
    /// Its value unless set.
    pub default: u32,
    /// It exists for old clients only and does nothing.
    pub obsolete: bool,
}

macro_rules! tunables {
    (@row $name:ident $place:literal $default:literal $obsolete:literal) => {
        Row { name: stringify!($name), place: $place, default: $default, obsolete: $obsolete }
    };
    (@rows [$($done:expr,)*]) => { [$($done),*] };
    (@rows [$($done:expr,)*] $(#[$doc:meta])* live $name:ident $method:ident @ $place:literal = $default:literal; $($rest:tt)*) => {
        tunables!(@rows [$($done,)* tunables!(@row $name $place $default false),] $($rest)*)
    };
    (@rows [$($done:expr,)*] obsolete $name:ident @ $place:literal = $default:literal; $($rest:tt)*) => {
        tunables!(@rows [$($done,)* tunables!(@row $name $place $default true),] $($rest)*)
    };
    (@methods) => {};
    (@methods $(#[$doc:meta])* live $name:ident $method:ident @ $place:literal = $default:literal; $($rest:tt)*) => {
        impl Tunables {
            $(#[$doc])*
            pub fn $method(&self) -> u32 {
                self.values[$place]
            }
        }
        tunables!(@methods $($rest)*);
    };
    (@methods obsolete $name:ident @ $place:literal = $default:literal; $($rest:tt)*) => {
        tunables!(@methods $($rest)*);
    };
    ($($table:tt)*) => {
        /// All tunables, in the order in which they are listed.
        pub const TABLE: [Row; COUNT] = tunables!(@rows [] $($table)*);
        tunables!(@methods $($table)*);
    };
}

tunables! {
    obsolete MaxRedirectCount @ 0 = 3;
    /// Milliseconds between two looks at a database's sequence number.
    live SeqnumInterval seqnum_interval @ 1 = 1000;
    /// Seconds until the daemon gives a control up.
    live ControlTimeout control_timeout @ 2 = 60;
    /// Seconds for a whole traverse.
    live TraverseTimeout traverse_timeout @ 3 = 20;
    /// Seconds between two keepalives.
    live KeepaliveInterval keepalive_interval @ 4 = 5;
    /// Silent intervals until a node counts as dead.
    live KeepaliveLimit keepalive_limit @ 5 = 5;
    /// Seconds for a control during recovery.
    live RecoverTimeout recover_timeout @ 6 = 30;
    /// Seconds between two looks of the leader at the cluster.
    live RecoverInterval recover_interval @ 7 = 1;
    /// Seconds without an election message until an election is over.
    live ElectionTimeout election_timeout @ 8 = 3;
    /// Seconds for a step of a takeover run, times three.
    live TakeoverTimeout takeover_timeout @ 9 = 9;
    /// Seconds between two monitor events.
    live MonitorInterval monitor_interval @ 10 = 15;
    /// Seconds between two exchanges of tickle lists.
    live TickleUpdateInterval tickle_update_interval @ 11 = 20;
    /// Seconds for the scripts of an event.
    live EventScriptTimeout event_script_timeout @ 12 = 30;
    /// Time-outs of monitor in a row until the node is unhealthy.
    live MonitorTimeoutCount monitor_timeout_count @ 13 = 20;
    obsolete EventScriptUnhealthyOnTimeout @ 14 = 0;
    /// Seconds without trouble until a node's banning credits are forgotten.
    live RecoveryGracePeriod recovery_grace_period @ 15 = 120;
    /// Seconds that a ban lasts.
    live RecoveryBanPeriod recovery_ban_period @ 16 = 300;
    /// Hash chains of a new database.
    live DatabaseHashSize database_hash_size @ 17 = 100001;
    /// Dead records kept for reuse in a chain.
    live DatabaseMaxDead database_max_dead @ 18 = 5;
    /// Seconds between the end of a recovery and the next one.
    live RerecoveryTimeout rerecovery_timeout @ 19 = 10;
    /// Whether nodes get banned.
    live EnableBans enable_bans @ 20 = 1;
    obsolete DeterministicIPs @ 21 = 0;
    obsolete LCP2PublicIPs @ 41 = 1;
    obsolete ReclockPingPeriod @ 22 = 60;
    /// 1: addresses stay where they are when a node comes back.
    live NoIPFailback no_ip_failback @ 23 = 0;
    obsolete DisableIPFailover @ 24 = 0;
    /// Without meaning here: names of memory blocks in C.
    live VerboseMemoryNames verbose_memory_names @ 25 = 0;
    /// Seconds without a sign of the recovery service until it is looked at.
    live RecdPingTimeout recd_ping_timeout @ 26 = 60;
    /// Missed signs until the recovery service is restarted.
    live RecdFailCount recd_fail_count @ 27 = 10;
    /// Milliseconds above which a latency is logged; 0: none.
    live LogLatencyMs log_latency_ms @ 28 = 0;
    /// Milliseconds above which the latency of the cluster lock is logged.
    live RecLockLatencyMs rec_lock_latency_ms @ 29 = 1000;
    /// Seconds in recovery until all addresses are dropped.
    live RecoveryDropAllIPs recovery_drop_all_ips @ 30 = 120;
    obsolete VerifyRecoveryLock @ 31 = 1;
    /// Seconds between two vacuum runs of a database.
    live VacuumInterval vacuum_interval @ 32 = 10;
    /// Seconds for a vacuum run.
    live VacuumMaxRunTime vacuum_max_run_time @ 33 = 120;
    /// Free areas above which a database is repacked; 0: never.
    live RepackLimit repack_limit @ 34 = 10000;
    obsolete VacuumLimit @ 35 = 5000;
    /// Fast vacuum runs between two full ones; 0: no full ones.
    live VacuumFastPathCount vacuum_fast_path_count @ 40 = 60;
    /// Queued messages above which a client is disconnected.
    live MaxQueueDropMsg max_queue_drop_msg @ 36 = 1000000;
    /// 1: unhealthy databases can be traversed.
    live AllowUnhealthyDBRead allow_unhealthy_db_read @ 37 = 0;
    /// Seconds per entry of the statistics history.
    live StatHistoryInterval stat_history_interval @ 38 = 1;
    /// Seconds that an attach waits for the end of a recovery.
    live DeferredAttachTO deferred_attach_to @ 39 = 120;
    /// 0: clients cannot attach to databases.
    live AllowClientDBAttach allow_client_db_attach @ 42 = 1;
    obsolete RecoverPDBBySeqNum @ 43 = 1;
    obsolete DeferredRebalanceOnNodeAdd @ 44 = 300;
    /// 1: a second request for a record waits for the first.
    live FetchCollapse fetch_collapse @ 45 = 1;
    /// Hops above which a record of a sticky database becomes sticky.
    live HopcountMakeSticky hopcount_make_sticky @ 46 = 50;
    /// Seconds that a record stays sticky.
    live StickyDuration sticky_duration @ 47 = 600;
    /// Milliseconds that a sticky record stays on a node.
    live StickyPindown sticky_pindown @ 48 = 200;
    /// 1: no address is taken over.
    live NoIPTakeover no_ip_takeover @ 49 = 0;
    /// Records in a database above which recovery warns; 0: never.
    live DBRecordCountWarn db_record_count_warn @ 50 = 100000;
    /// Bytes of a record above which recovery warns; 0: never.
    live DBRecordSizeWarn db_record_size_warn @ 51 = 10000000;
    /// Bytes of a database above which recovery warns; 0: never.
    live DBSizeWarn db_size_warn @ 52 = 100000000;
    /// Bytes that a pull buffer grows by in C.
    live PullDBPreallocation pull_db_preallocation @ 53 = 10485760;
    obsolete NoIPHostOnAllDisabled @ 54 = 1;
    obsolete Samba3AvoidDeadlocks @ 55 = 0;
    obsolete TDBMutexEnabled @ 56 = 1;
    /// Lock requests of a database that are waited for at a time.
    live LockProcessesPerDB lock_processes_per_db @ 57 = 200;
    /// Bytes of records per message in recovery.
    live RecBufferSizeLimit rec_buffer_size_limit @ 58 = 1000000;
    /// Bytes of a connection's first receive buffer.
    live QueueBufferSize queue_buffer_size @ 59 = 1024;
    /// 0 deterministic, 1 non-deterministic, 2 LCP2.
    live IPAllocAlgorithm ip_alloc_algorithm @ 60 = 2;
    /// 1: nodes of other Samba versions are tolerated.
    live AllowMixedVersions allow_mixed_versions @ 61 = 0;
}

/// The values in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunables {
    values: [u32; COUNT],
}

impl Default for Tunables {
    fn default() -> Self {
        let mut values = [0; COUNT];
        for row in &TABLE {
            values[row.place] = row.default;
        }
        Self { values }
    }
}

/// The row of a name in any case.
pub fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

/// Upstream's function, as its messages name it.
const LOAD_FILE: &str = "ctdb_tunable_load_file";

/// The files of tunables in a directory, in the order in which they count.
///
/// # Errors
/// The directory cannot be read.
pub fn files_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().ends_with(b".tunables") {
            files.push(directory.join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// The names that are listed: all that are not obsolete.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|row| !row.obsolete).map(|row| row.name)
}

impl Tunables {
    /// A value by name.
    pub fn get(&self, name: &str) -> Option<u32> {
        find(name).map(|row| self.values[row.place])
    }

    /// Sets a value by name; `None` if there is no such tunable, else its row, which tells
    /// whether it was any use.
    pub fn set(&mut self, name: &str, value: u32) -> Option<&'static Row> {
        let row = find(name)?;
        self.values[row.place] = value;
        Some(row)
    }

    /// All values in the order of the wire.
    pub fn to_list(&self) -> [u32; COUNT] {
        self.values
    }

    /// All values from the order of the wire.
    pub fn from_list(values: [u32; COUNT]) -> Self {
        Self { values }
    }

    /// What the files of tunables say: `ctdb.tunables`, then those of `tunables.d`. What is good
    /// in them counts whatever else is wrong; the bool is false if anything was. Answers to
    /// `ctdb_tunables_load`.
    pub fn load(paths: &Paths, release: Release, report: &mut Report) -> (Self, bool) {
        let mut tunables = Self::default();
        let file = tunables.load_file(&paths.tunables_file(), release, report);
        let more = tunables.load_directory(&paths.tunables_directory(), release, report);
        (tunables, file && more)
    }

    /// Reads a file over the present values; a missing one is as good as an empty one. False if
    /// anything was wrong; lines that are good count all the same, up to a syntax error. Answers
    /// to `ctdb_tunable_load_file`.
    pub fn load_file(&mut self, path: &Path, release: Release, report: &mut Report) -> bool {
        let shown = path.display();
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let text = format!("Optional tunables file {shown} not found");
                report.add(Level::Info, text);
                return true;
            }
            Err(_) => {
                report.error(format!("{LOAD_FILE}: Failed to open {shown}"));
                return false;
            }
        };
        report.add(Level::Notice, format!("Loading tunables from {shown}"));
        let speaker = match release.names_file_of_tunables() {
            true => shown.to_string(),
            false => LOAD_FILE.to_owned(),
        };
        let mut good = true;
        for (line, item) in lines::items(&text) {
            report.at(Some(line));
            if let Err(problem) = self.take(item, release) {
                report.error(format!("{speaker}: {problem}"));
                good = false;
            }
        }
        report.at(None);
        good
    }

    /// Reads the files of a directory one after the other over the present values; a missing
    /// directory is as good as an empty one. Answers to `ctdb_tunable_load_directory`.
    pub fn load_directory(&mut self, path: &Path, release: Release, report: &mut Report) -> bool {
        match files_in(path) {
            Ok(files) => {
                let mut good = true;
                for file in files {
                    good &= self.load_file(&file, release, report);
                }
                good
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let text = format!("Optional tunables directory {} not found", path.display());
                report.add(Level::Info, text);
                true
            }
            Err(e) => {
                report.error(format!(
                    "ctdb_tunable_load_directory: Failed to open directory {} (err={})",
                    path.display(),
                    e.raw_os_error().unwrap_or_default()
                ));
                false
            }
        }
    }

    fn take(&mut self, item: Item, release: Release) -> Result<(), String> {
        // 4.23 says more, because the function's name no longer says what kind of file it is.
        let kind = match release.names_file_of_tunables() {
            true => "tunables ",
            false => "",
        };
        let (name, value) = match item {
            Item::Option { name, value } => (name, value.unwrap_or_default()),
            Item::Section(name) => {
                return Err(format!(
                    "Invalid line for section [{name}] - {kind}sections not supported "
                ));
            }
            Item::Broken => return Err("Syntax error".to_owned()),
        };
        if value.is_empty() {
            return Err(format!("Invalid {kind}line containing \"{name}\""));
        }
        let Some(number) = number::unsigned(&value) else {
            return Err(format!("Invalid value \"{value}\" for tunable \"{name}\""));
        };
        // As in C, what does not fit into 32 bits is cut.
        let number = (number & u64::from(u32::MAX)) as u32;
        match self.set(&name, number) {
            None => Err(format!("Unknown tunable \"{name}\"")),
            Some(row) if row.obsolete => Err(format!("Obsolete tunable \"{name}\"")),
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_taken_once() {
        let mut places: Vec<usize> = TABLE.iter().map(|row| row.place).collect();
        places.sort_unstable();
        assert!(places.into_iter().eq(0..COUNT));
        assert_eq!(names().count(), 49);
    }

    #[test]
    fn an_error_in_a_file_does_not_stop_the_others() {
        let base = std::env::temp_dir().join(format!("ctdb-tunables-{}", std::process::id()));
        let paths = Paths::below(&base);
        std::fs::create_dir_all(paths.tunables_directory()).unwrap();
        let write = |name: &str, text: &str| std::fs::write(base.join(name), text).unwrap();
        write("ctdb.tunables", "MonitorInterval=1\nRecoverTimeout=1\n");
        write("tunables.d/20-b.tunables", "MonitorInterval=3\n");
        write(
            "tunables.d/10-a.tunables",
            "RecoverTimeout=2\nNothing=1\nMonitorInterval=2\n",
        );
        write("tunables.d/99.tunables.bak", "MonitorInterval=9\n");
        let load = |release: &str| {
            let mut report = Report::new();
            let release = Release::parse(release).unwrap();
            let (tunables, good) = Tunables::load(&paths, release, &mut report);
            assert!(!good);
            let values = (tunables.monitor_interval(), tunables.recover_timeout());
            assert_eq!(values, (3, 2));
            let errors = report
                .messages
                .into_iter()
                .filter(|m| m.level == Level::Error);
            errors.map(|m| m.text).collect::<Vec<_>>()
        };
        let (old, new) = (load("4.22"), load("4.23"));
        let file = base.join("tunables.d/10-a.tunables");
        std::fs::remove_dir_all(&base).unwrap();
        let problem = "Unknown tunable \"Nothing\"";
        assert_eq!(old, [format!("ctdb_tunable_load_file: {problem}")]);
        assert_eq!(new, [format!("{}: {problem}", file.display())]);

        let mut report = Report::new();
        let (none, good) = Tunables::load(&paths, Release::parse("4.25").unwrap(), &mut report);
        assert_eq!((none, good), (Tunables::default(), true));
        assert!(!report.has_errors());
    }

    #[test]
    fn names_in_any_case_reach_the_right_place() {
        let mut t = Tunables::default();
        assert_eq!(t.get("vacuumfastpathcount"), Some(60));
        assert!(!t.set("VACUUMFASTPATHCOUNT", 7).unwrap().obsolete);
        assert_eq!(t.vacuum_fast_path_count(), 7);
        assert_eq!(t.to_list()[40], 7);
        assert!(t.set("LCP2PublicIPs", 0).unwrap().obsolete);
        assert_eq!(t.set("Nothing", 0), None);
        assert_eq!(Tunables::from_list(t.to_list()), t);
    }
}
