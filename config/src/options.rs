// SPDX-License-Identifier: GPL-3.0-or-later
//! The table of all options of `ctdb.conf`, in the order in which they are shown.

use std::path::Path;
use std::rc::Rc;

use crate::check::Rule;
use crate::conf::{Change, Check, Conf, Definition, Value};
use crate::paths::Paths;
use crate::report::Report;

/// A row: names, default, rule.
struct Row {
    section: &'static str,
    key: &'static str,
    default: Initial,
    rule: Rule,
    whose: Whose,
}

/// A default as it can stand in a table.
#[derive(Clone, Copy)]
enum Initial {
    Unset,
    Text(&'static str),
    Number(i32),
    Flag(bool),
    /// `file:` and this name in the log directory.
    LogFile(&'static str),
    /// This directory below the state directory.
    StateDir(&'static str),
}

/// Who reads the option. Sections of ours are unknown to C, which skips them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Upstream,
    Ours,
}

/// Section and key of an option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key(pub(crate) &'static str, pub(crate) &'static str);

/// Declares the table, and a [`Key`] for each row, by which [`crate::config`] reads it.
macro_rules! rows {
    ($($whose:ident [$section:literal] { $($name:ident $key:literal: $default:expr, $rule:ident;)* })*) => {
        $($(pub(crate) const $name: Key = Key($section, $key);)*)*

        const TABLE: &[Row] = &[$($(Row {
            section: $section,
            key: $key,
            default: $default,
            rule: Rule::$rule,
            whose: Whose::$whose,
        },)*)*];
    };
}

use Initial::{Flag, LogFile, Number, StateDir, Text, Unset};

rows! {
    Upstream ["logging"] {
        LOG_LOCATION "location": LogFile("log.ctdb"), Location;
        LOG_LEVEL "log level": Text("NOTICE"), LogLevel;
    }
    Upstream ["cluster"] {
        TRANSPORT "transport": Text("tcp"), Transport;
        NODE_ADDRESS "node address": Unset, NodeAddress;
        CLUSTER_LOCK "cluster lock": Unset, Static;
        RECOVERY_LOCK "recovery lock": Unset, Deprecated;
        NODES_LIST "nodes list": Unset, Static;
        LEADER_TIMEOUT "leader timeout": Number(5), Positive;
        LEADER_CAPABILITY "leader capability": Flag(true), Any;
    }
    Upstream ["database"] {
        VOLATILE_DATABASE_DIRECTORY "volatile database directory": StateDir("volatile"), Directory;
        PERSISTENT_DATABASE_DIRECTORY "persistent database directory": StateDir("persistent"), Directory;
        STATE_DATABASE_DIRECTORY "state database directory": StateDir("state"), Directory;
        LOCK_DEBUG_SCRIPT "lock debug script": Unset, Script;
        TDB_MUTEXES "tdb mutexes": Flag(true), Static;
    }
    Upstream ["event"] {
        DEBUG_SCRIPT "debug script": Unset, Script;
    }
    Upstream ["failover"] {
        FAILOVER_DISABLED "disabled": Flag(false), Static;
        SHUTDOWN_EXTRA_TIMEOUT "shutdown extra timeout": Number(0), Any;
        SHUTDOWN_FAILOVER_TIMEOUT "shutdown failover timeout": Number(10), Any;
    }
    Upstream ["legacy"] {
        REALTIME_SCHEDULING "realtime scheduling": Flag(true), Any;
        LMASTER_CAPABILITY "lmaster capability": Flag(true), Any;
        START_AS_STOPPED "start as stopped": Flag(false), Any;
        START_AS_DISABLED "start as disabled": Flag(false), Any;
        SCRIPT_LOG_LEVEL "script log level": Text("ERROR"), NamedLogLevel;
    }
    // The release of Samba that is spoken: where releases contradict each other, and to a peer that
    // has not said its own yet.
    Ours ["interoperation"] {
        SAMBA_VERSION "samba version": Unset, SambaVersion;
    }
    // Processes that wait for contended records and databases, all databases together.
    Ours ["lock waiting"] {
        LOCK_PROCESSES "processes": Number(16), Positive;
    }
    // How long the daemon stays awake for the next packet while packets follow each other closely.
    Ours ["busy polling"] {
        BUSY_POLL_US "microseconds": Number(100), Any;
    }
}

/// All options at their defaults.
pub fn define(paths: &Paths) -> Conf {
    let mut conf = Conf::new();
    let mut report = Report::new();
    for row in TABLE {
        if conf.get(row.section, row.key).is_none() && is_first(row) {
            conf.define_section(Some(row.section), None);
            if row.whose == Whose::Ours {
                conf.hide_section(row.section);
            }
        }
        let definition = Definition {
            key: row.key.to_owned(),
            default: row.default.value(paths),
            check: check(row.rule, paths.etcdir()),
        };
        conf.define(row.section, definition, &mut report);
    }
    debug_assert!(conf.valid(), "{report:?}");
    conf
}

/// Whether a row opens its section.
fn is_first(row: &Row) -> bool {
    TABLE
        .iter()
        .find(|r| r.section == row.section)
        .is_some_and(|r| r.key == row.key)
}

impl Initial {
    fn value(self, paths: &Paths) -> Value {
        match self {
            Unset => Value::Text(None),
            Text(text) => Value::text(text),
            Number(n) => Value::Number(n),
            Flag(flag) => Value::Flag(flag),
            LogFile(name) => Value::text(format!("file:{}", paths.logdir().join(name).display())),
            StateDir(name) => Value::text(paths.compiled_vardir().join(name).to_string_lossy()),
        }
    }
}

fn check(rule: Rule, etcdir: &Path) -> Option<Check> {
    if rule == Rule::Any {
        return None;
    }
    let etcdir = etcdir.to_owned();
    Some(Rc::new(move |change: &Change<'_>, report: &mut Report| {
        rule.holds(change, &etcdir, report)
    }))
}
