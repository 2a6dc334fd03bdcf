// SPDX-License-Identifier: GPL-3.0-or-later
//! The files of shell variables that event scripts read: `script.options`, and one beside a script.

use std::path::{Path, PathBuf};

use super::{Findings, Weight};

/// What may stand behind the `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything.
    Text,
    /// `yes` or `no`.
    Flag,
    /// `yes`, `no` or `try`.
    FlagOrTry,
    /// A whole number.
    Number,
    /// `WARN:UNHEALTHY`, numbers of which one may be left out.
    Thresholds,
    /// A file or directory that has to be there.
    Existing,
}

use Kind::{Existing, Flag, FlagOrTry, Number, Text, Thresholds};

/// Every option of every script, as `ctdb-script.options(5)` lists them.
const OPTIONS: &[(&str, Kind)] = &[
    ("CTDB_CLAMD_SOCKET", Text),
    ("CTDB_DEBUG_HUNG_SCRIPT_STACKPAT", Text),
    ("CTDB_KILLTCP_USE_SS_KILL", FlagOrTry),
    ("CTDB_LVS_NODES", Existing),
    ("CTDB_LVS_PUBLIC_IFACE", Text),
    ("CTDB_LVS_PUBLIC_IP", Text),
    ("CTDB_MAX_CORRUPT_DB_BACKUPS", Number),
    ("CTDB_MONITOR_FILESYSTEM_USAGE", Text),
    ("CTDB_MONITOR_HOSTS", Text),
    ("CTDB_MONITOR_MEMORY_USAGE", Thresholds),
    ("CTDB_MONITOR_MPDEVICES", Text),
    ("CTDB_NATGW_DEFAULT_GATEWAY", Text),
    ("CTDB_NATGW_NODES", Existing),
    ("CTDB_NATGW_PRIVATE_NETWORK", Text),
    ("CTDB_NATGW_PUBLIC_IFACE", Text),
    ("CTDB_NATGW_PUBLIC_IP", Text),
    ("CTDB_NATGW_STATIC_ROUTES", Text),
    ("CTDB_NFS_CALLOUT", Text),
    ("CTDB_NFS_CHECKS_DIR", Existing),
    ("CTDB_NFS_EXPORTS_FILE", Text),
    ("CTDB_NFS_SHARED_STATE_DIR", Text),
    ("CTDB_NFS_SKIP_SHARE_CHECK", Flag),
    ("CTDB_PARTIALLY_ONLINE_INTERFACES", Flag),
    ("CTDB_PERSISTENT_DB_BACKUP_DIR", Text),
    ("CTDB_PERSISTENT_DB_BACKUP_LIMIT", Number),
    ("CTDB_PERSISTENT_DB_BACKUP_MODE", Text),
    ("CTDB_PER_IP_ROUTING_CONF", Text),
    ("CTDB_PER_IP_ROUTING_RULE_PREF", Number),
    ("CTDB_PER_IP_ROUTING_TABLE_ID_HIGH", Number),
    ("CTDB_PER_IP_ROUTING_TABLE_ID_LOW", Number),
    ("CTDB_RPCINFO_LOCALHOST", Text),
    ("CTDB_RPCINFO_LOCALHOST6", Text),
    ("CTDB_SAMBA_CHECK_PORTS", Text),
    ("CTDB_SAMBA_INTERFACES_EXTRA", Text),
    ("CTDB_SAMBA_INTERFACES_FILE", Text),
    ("CTDB_SAMBA_SKIP_SHARE_CHECK", Flag),
    ("CTDB_SERVICE_NMB", Text),
    ("CTDB_SERVICE_SAMBA_DCERPCD", Text),
    ("CTDB_SERVICE_SMB", Text),
    ("CTDB_SERVICE_WINBIND", Text),
    ("CTDB_START_ISCSI_SCRIPTS", Text),
    ("CTDB_STATD_CALLOUT_SHARED_STORAGE", Text),
    ("CTDB_VSFTPD_MONITOR_THRESHOLDS", Thresholds),
];

/// All files of options below the configuration directory.
pub(super) fn all(etcdir: &Path, found: &mut Findings) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(etcdir.join("events/legacy"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "options"))
        .collect();
    files.sort();
    files.insert(0, etcdir.join("script.options"));
    for path in files {
        match std::fs::read(&path) {
            Ok(text) => file(&path, &String::from_utf8_lossy(&text), found),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => found.add(Weight::Error, &path, None, e.to_string()),
        }
    }
}

/// The files are shell, and may be anything that shell can do. Plain assignments are looked at.
fn file(path: &Path, text: &str, found: &mut Findings) {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if !line.starts_with("CTDB_") {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            let text = format!("\"{line}\" sets nothing");
            found.add(Weight::Error, path, Some(number), text);
            continue;
        };
        if name.ends_with([' ', '\t']) || value.starts_with([' ', '\t']) {
            let text = "shell allows no blank beside the =";
            found.add(Weight::Error, path, Some(number), text);
            continue;
        }
        if let Some((weight, text)) = option(name, value) {
            found.add(weight, path, Some(number), text);
        }
    }
}

fn option(name: &str, value: &str) -> Option<(Weight, String)> {
    let Some((_, kind)) = OPTIONS.iter().find(|(known, _)| *known == name) else {
        return Some((Weight::Warning, format!("no script knows {name}")));
    };
    let Some(value) = literal(value) else {
        let text = format!("the quote of {name} is not closed in this line");
        return Some((Weight::Warning, text));
    };
    // what the shell works out is not known here; empty is unset
    if value.is_empty() || value.contains(['$', '`']) {
        return None;
    }
    let wanted = match kind {
        Text => return None,
        Flag if ["yes", "no"].contains(&value) => return None,
        Flag => "yes or no",
        FlagOrTry if ["yes", "no", "try"].contains(&value) => return None,
        FlagOrTry => "yes, try or no",
        Number if value.parse::<u32>().is_ok() => return None,
        Number => "a number",
        Thresholds if thresholds(value) => return None,
        Thresholds => "WARN:UNHEALTHY in numbers",
        Existing if Path::new(value).exists() => return None,
        Existing => {
            let text = format!("{name}: there is no {value}");
            return Some((Weight::Error, text));
        }
    };
    let text = format!("{name} is {wanted}, not \"{value}\"");
    Some((Weight::Error, text))
}

fn thresholds(value: &str) -> bool {
    let good = |part: &str| part.is_empty() || part.parse::<u32>().is_ok();
    match value.split_once(':') {
        Some((warn, unhealthy)) => good(warn) && good(unhealthy),
        None => good(value),
    }
}

/// A value without its quotes and without a comment behind it; `None` if a quote is left open.
fn literal(value: &str) -> Option<&str> {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).map(|(inside, _)| inside),
        _ => Some(value.split([' ', '\t', ';']).next().unwrap_or(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(option("CTDB_SAMBA_SKIP_SHARE_CHECK", "\"yes\" # why"), None);
        assert_eq!(option("CTDB_MONITOR_MEMORY_USAGE", "80"), None);
        assert_eq!(option("CTDB_MONITOR_MEMORY_USAGE", "80:90"), None);
        assert_eq!(option("CTDB_PER_IP_ROUTING_RULE_PREF", "$PREF"), None);
        let error = |name, value| option(name, value).map(|(weight, _)| weight);
        let bad = Some(Weight::Error);
        assert_eq!(error("CTDB_PER_IP_ROUTING_RULE_PREF", "1x"), bad);
        assert_eq!(error("CTDB_LVS_NODES", "/nonexistent"), bad);
        assert_eq!(error("CTDB_NFS_CALLOUT", "\"open"), Some(Weight::Warning));
    }

    /// The manual page and this table name the same options.
    #[test]
    fn every_option_of_the_manual_page_is_known() {
        let page = include_str!("../../docs/man/ctdb-script.options.5.md");
        let mut documented: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix('`')?.split_once('='))
            .map(|(name, _)| name)
            .filter(|name| name.starts_with("CTDB_"))
            .collect();
        documented.sort_unstable();
        let known: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
        assert_eq!(documented, known);
    }
}
