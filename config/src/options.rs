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

macro_rules! rows {
    ($($whose:ident [$section:literal] { $($key:literal: $default:expr, $rule:ident;)* })*) => {
        &[$($(Row {
            section: $section,
            key: $key,
            default: $default,
            rule: Rule::$rule,
            whose: Whose::$whose,
        },)*)*]
    };
}

use Initial::{Flag, LogFile, Number, StateDir, Text, Unset};

const TABLE: &[Row] = rows! {
    Upstream ["logging"] {
        "location": LogFile("log.ctdb"), Location;
        "log level": Text("NOTICE"), LogLevel;
    }
    Upstream ["cluster"] {
        "transport": Text("tcp"), Transport;
        "node address": Unset, NodeAddress;
        "cluster lock": Unset, Static;
        "recovery lock": Unset, Deprecated;
        "nodes list": Unset, Static;
        "leader timeout": Number(5), Positive;
        "leader capability": Flag(true), Any;
    }
    Upstream ["database"] {
        "volatile database directory": StateDir("volatile"), Directory;
        "persistent database directory": StateDir("persistent"), Directory;
        "state database directory": StateDir("state"), Directory;
        "lock debug script": Unset, Script;
        "tdb mutexes": Flag(true), Static;
    }
    Upstream ["event"] {
        "debug script": Unset, Script;
    }
    Upstream ["failover"] {
        "disabled": Flag(false), Static;
        "shutdown extra timeout": Number(0), Any;
        "shutdown failover timeout": Number(10), Any;
    }
    Upstream ["legacy"] {
        "realtime scheduling": Flag(true), Any;
        "lmaster capability": Flag(true), Any;
        "start as stopped": Flag(false), Any;
        "start as disabled": Flag(false), Any;
        "script log level": Text("ERROR"), NamedLogLevel;
    }
    // The release of Samba that is spoken: where releases contradict each other, and to a peer that
    // has not said its own yet.
    Ours ["interoperation"] {
        "samba version": Unset, SambaVersion;
    }
    // Processes that wait for contended records and databases, all databases together.
    Ours ["lock waiting"] {
        "processes": Number(16), Positive;
    }
    // How long the daemon stays awake for the next packet while packets follow each other closely.
    Ours ["busy polling"] {
        "microseconds": Number(100), Any;
    }
};

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
