// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb.conf` as the programs use it: every option of [`crate::options`] with its type.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::conf::{Conf, Value};
use crate::level::Level;
use crate::options::{self, Key};
use crate::paths::Paths;
use crate::release::Release;
use crate::report::{LoadError, Report};

/// Section `logging`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `file:PATH`, `syslog` or a variant.
    pub location: String,
    /// As written in the file; [`Level::parse`] takes it.
    pub log_level: String,
}

/// Section `cluster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Always `tcp`.
    pub transport: String,
    /// The own address, if it is not to be found out.
    pub node_address: Option<IpAddr>,
    /// The cluster lock: a file, or `!` and a command. `recovery lock` counts where this is
    /// not set.
    pub cluster_lock: Option<String>,
    /// The nodes list if not the default file: a file, or `!` and a command.
    pub nodes_list: Option<String>,
    /// Seconds without a leader broadcast until the leader counts as gone.
    pub leader_timeout_s: u32,
    /// Whether this node may lead.
    pub leader_capability: bool,
}

/// Section `database`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// For volatile databases.
    pub volatile_dir: PathBuf,
    /// For persistent and replicated databases.
    pub persistent_dir: PathBuf,
    /// For the daemon's own state.
    pub state_dir: PathBuf,
    /// Run when a lock does not come; a name in the configuration directory.
    pub lock_debug_script: Option<String>,
    /// Whether volatile databases use robust mutexes.
    pub tdb_mutexes: bool,
}

/// Section `event`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Run when an event script hangs; a name in the configuration directory.
    pub debug_script: Option<String>,
}

/// Section `failover`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    /// No public addresses are moved.
    pub disabled: bool,
    /// Seconds to wait at shutdown after the addresses have moved.
    pub shutdown_extra_timeout_s: u32,
    /// Seconds to wait at shutdown for the addresses to move; 0 does not wait.
    pub shutdown_failover_timeout_s: u32,
}

/// Section `legacy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// Run with real-time priority.
    pub realtime_scheduling: bool,
    /// Whether this node may be location master.
    pub lmaster_capability: bool,
    /// Start STOPPED.
    pub start_as_stopped: bool,
    /// Start DISABLED.
    pub start_as_disabled: bool,
    /// For what event scripts and helpers write; as written in the file.
    pub script_log_level: String,
}

/// Sections that only this implementation knows; C skips them with a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The release of Samba to speak, if that was said; see [`Config::release`].
    pub samba_release: Option<Release>,
    /// How many processes wait for contended locks.
    pub lock_processes: u32,
    /// How many microseconds the daemon stays awake for the next packet; 0: not at all.
    pub busy_poll_us: u32,
}

/// All of `ctdb.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Section `logging`.
    pub logging: Logging,
    /// Section `cluster`.
    pub cluster: Cluster,
    /// Section `database`.
    pub database: Database,
    /// Section `event`.
    pub event: Event,
    /// Section `failover`.
    pub failover: Failover,
    /// Section `legacy`.
    pub legacy: Legacy,
    /// Sections of our own.
    pub ours: Ours,
}

impl Config {
    /// Reads `ctdb.conf`; a missing file is as good as an empty one. Names that nobody knows
    /// are only noted in the report; anything else wrong is an error, after the whole file has
    /// been looked at. Answers to `ctdb_config_load`.
    pub fn load(paths: &Paths, report: &mut Report) -> Result<Self, LoadError> {
        let mut conf = options::define(paths);
        match conf.load(&paths.config_file(), true, report) {
            Ok(()) => {}
            Err(e) if e.is_missing() => {}
            Err(e) => {
                let path = paths.config_file();
                report.error(format!(
                    "Failed to load configuration file {}",
                    path.display()
                ));
                return Err(e);
            }
        }
        Ok(Self::from_conf(&conf))
    }

    /// The values in force.
    pub fn from_conf(conf: &Conf) -> Self {
        let get = Get(conf);
        Self {
            logging: Logging {
                location: get.text(options::LOG_LOCATION).unwrap_or_default(),
                log_level: get.text(options::LOG_LEVEL).unwrap_or_default(),
            },
            cluster: Cluster {
                transport: get.text(options::TRANSPORT).unwrap_or_default(),
                node_address: get.text(options::NODE_ADDRESS).and_then(|t| t.parse().ok()),
                cluster_lock: get
                    .text(options::CLUSTER_LOCK)
                    .or_else(|| get.text(options::RECOVERY_LOCK)),
                nodes_list: get.text(options::NODES_LIST),
                leader_timeout_s: get.number(options::LEADER_TIMEOUT),
                leader_capability: get.flag(options::LEADER_CAPABILITY),
            },
            database: Database {
                volatile_dir: get.path(options::VOLATILE_DATABASE_DIRECTORY),
                persistent_dir: get.path(options::PERSISTENT_DATABASE_DIRECTORY),
                state_dir: get.path(options::STATE_DATABASE_DIRECTORY),
                lock_debug_script: get.text(options::LOCK_DEBUG_SCRIPT),
                tdb_mutexes: get.flag(options::TDB_MUTEXES),
            },
            event: Event {
                debug_script: get.text(options::DEBUG_SCRIPT),
            },
            failover: Failover {
                disabled: get.flag(options::FAILOVER_DISABLED),
                shutdown_extra_timeout_s: get.number(options::SHUTDOWN_EXTRA_TIMEOUT),
                shutdown_failover_timeout_s: get.number(options::SHUTDOWN_FAILOVER_TIMEOUT),
            },
            legacy: Legacy {
                realtime_scheduling: get.flag(options::REALTIME_SCHEDULING),
                lmaster_capability: get.flag(options::LMASTER_CAPABILITY),
                start_as_stopped: get.flag(options::START_AS_STOPPED),
                start_as_disabled: get.flag(options::START_AS_DISABLED),
                script_log_level: get.text(options::SCRIPT_LOG_LEVEL).unwrap_or_default(),
            },
            ours: Ours {
                samba_release: get
                    .text(options::SAMBA_VERSION)
                    .and_then(|t| Release::parse(&t)),
                lock_processes: get.number(options::LOCK_PROCESSES),
                busy_poll_us: get.number(options::BUSY_POLL_US),
            },
        }
    }

    /// The log level in force.
    pub fn log_level(&self) -> Level {
        Level::parse(&self.logging.log_level).unwrap_or(Level::Notice)
    }

    /// The release of Samba that is spoken.
    pub fn release(&self, paths: &Paths) -> Release {
        let configured = self.ours.samba_release;
        configured.unwrap_or_else(|| Release::by_default(paths))
    }

    /// The nodes list as `ctdb` names it in messages: a file, or `!` and a command.
    pub fn nodes_list(&self, paths: &Paths) -> String {
        match &self.cluster.nodes_list {
            Some(list) => list.clone(),
            None => paths.nodes_file().to_string_lossy().into_owned(),
        }
    }
}

/// Reads typed values; names are the table's, and that the kinds are too, reading the defaults proves.
struct Get<'a>(&'a Conf);

impl Get<'_> {
    fn text(&self, Key(section, key): Key) -> Option<String> {
        match self.0.get(section, key) {
            Some(Value::Text(text)) => text.clone(),
            other => unreachable!("[{section}] {key} is no text: {other:?}"),
        }
    }

    fn path(&self, Key(section, key): Key) -> PathBuf {
        self.text(Key(section, key)).unwrap_or_default().into()
    }

    fn number(&self, Key(section, key): Key) -> u32 {
        match self.0.get(section, key) {
            Some(Value::Number(n)) => n.unsigned_abs(),
            other => unreachable!("[{section}] {key} is no number: {other:?}"),
        }
    }

    fn flag(&self, Key(section, key): Key) -> bool {
        match self.0.get(section, key) {
            Some(Value::Flag(flag)) => *flag,
            other => unreachable!("[{section}] {key} is no flag: {other:?}"),
        }
    }
}
