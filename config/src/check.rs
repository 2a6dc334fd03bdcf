// SPDX-License-Identifier: GPL-3.0-or-later
//! What the values of `ctdb.conf` must satisfy.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::conf::{Change, Mode, Value};
use crate::level::Level;
use crate::release::Release;
use crate::report::Report;

/// The rule of an option; the column of the table in [`crate::options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Anything goes.
    Any,
    /// Anything goes, but a running program does not take a change over.
    Static,
    /// A log location.
    Location,
    /// A log level.
    LogLevel,
    /// A log level, with an explanation when it is none.
    NamedLogLevel,
    /// `tcp`.
    Transport,
    /// An IP address.
    NodeAddress,
    /// Works, but has a new name.
    Deprecated,
    /// A number above 0.
    Positive,
    /// A program in the configuration directory.
    Script,
    /// An existing directory.
    Directory,
    /// `MAJOR.MINOR` of a supported Samba.
    SambaVersion,
}

impl Rule {
    /// Applies the rule. `etcdir` is where scripts are.
    pub(crate) fn holds(self, change: &Change<'_>, etcdir: &Path, report: &mut Report) -> bool {
        let text = match change.new {
            Value::Text(text) => text.as_deref(),
            Value::Number(_) | Value::Flag(_) => None,
        };
        let good = match self {
            Self::Any => return true,
            Self::Static => true,
            Self::Location => text.is_some_and(is_location),
            Self::LogLevel => text.is_some_and(|t| Level::parse(t).is_some()),
            Self::NamedLogLevel => explained(
                text.is_some_and(|t| Level::parse(t).is_some()),
                change,
                report,
            ),
            Self::Transport => explained(text == Some("tcp"), change, report),
            Self::NodeAddress => {
                let good = text.is_none_or(|t| t.parse::<IpAddr>().is_ok());
                explained(good, change, report)
            }
            Self::Deprecated => {
                let Change { section, key, .. } = change;
                let text = format!("Configuration option [{section}] -> {key} is deprecated");
                report.add(Level::Warning, text);
                true
            }
            Self::Positive => {
                let good = !matches!(change.new, Value::Number(n) if *n <= 0);
                explained(good, change, report)
            }
            Self::Script => return text.is_none_or(|t| is_script(change.key, t, etcdir, report)),
            Self::Directory => {
                let good = text.is_some_and(|t| Path::new(t).is_dir());
                if !good {
                    let (key, dir) = (change.key, text.unwrap_or(""));
                    report.error(format!("{key} \"{dir}\" does not exist"));
                }
                good
            }
            Self::SambaVersion => {
                explained(text.and_then(Release::parse).is_some(), change, report)
            }
        };
        let fixed = !matches!(self, Self::LogLevel | Self::NamedLogLevel | Self::Positive);
        if good && fixed && change.mode == Mode::Reload && change.old != change.new {
            let Change { section, key, .. } = change;
            let text = format!("Ignoring update of [{section}] -> {key}");
            report.add(Level::Warning, text);
            // A log that moved under a running program would be worse than a refused reload.
            return self != Self::Location;
        }
        good
    }
}

fn explained(good: bool, change: &Change<'_>, report: &mut Report) -> bool {
    if !good {
        let Change {
            section, key, new, ..
        } = change;
        report.error(format!("Invalid value for [{section}] -> {key} = {new}"));
    }
    good
}

/// `file:` with a path in an existing directory, or `syslog` with one of its variants.
fn is_location(text: &str) -> bool {
    let mut parts = text.split(':').filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (Some("file"), None | Some("-")) => true,
        (Some("file"), Some(path)) => {
            let dir = Path::new(path).parent().filter(|d| *d != Path::new(""));
            dir.unwrap_or_else(|| Path::new(".")).is_dir()
        }
        (Some("syslog"), None | Some("nonblocking" | "udp" | "udp-rfc5424")) => true,
        _ => false,
    }
}

/// Only the last component of the name counts.
fn is_script(key: &str, name: &str, etcdir: &Path, report: &mut Report) -> bool {
    let base = name
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(name);
    let path = etcdir.join(base);
    let problem = match std::fs::metadata(&path) {
        Err(_) => "does not exist",
        Ok(meta) if !meta.is_file() => "is not a file",
        Ok(meta) if meta.permissions().mode() & 0o100 == 0 => "is not executable",
        Ok(_) => return true,
    };
    report.error(format!("{key} {} {problem}", path.display()));
    false
}
