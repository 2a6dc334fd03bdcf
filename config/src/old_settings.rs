// SPDX-License-Identifier: GPL-3.0-or-later
//! Settings of the time before `ctdb.conf`: shell variables in a file of the same or a similar name. Whoever upgrades from
//! there finds them ignored; this says where each belongs now.

/// Variables that became options, with section and option.
const OPTIONS: &[(&str, &str, &str)] = &[
    ("CTDB_CAPABILITY_LMASTER", "legacy", "lmaster capability"),
    ("CTDB_CAPABILITY_RECMASTER", "cluster", "leader capability"),
    ("CTDB_DBDIR", "database", "volatile database directory"),
    (
        "CTDB_DBDIR_PERSISTENT",
        "database",
        "persistent database directory",
    ),
    ("CTDB_DBDIR_STATE", "database", "state database directory"),
    ("CTDB_DEBUGLEVEL", "logging", "log level"),
    ("CTDB_DEBUG_HUNG_SCRIPT", "event", "debug script"),
    ("CTDB_DEBUG_LOCKS", "database", "lock debug script"),
    ("CTDB_LOGGING", "logging", "location"),
    ("CTDB_NODES", "cluster", "nodes list"),
    ("CTDB_NODE_ADDRESS", "cluster", "node address"),
    ("CTDB_NOSETSCHED", "legacy", "realtime scheduling"),
    ("CTDB_RECOVERY_LOCK", "cluster", "cluster lock"),
    ("CTDB_SCRIPT_LOG_LEVEL", "legacy", "script log level"),
    ("CTDB_START_AS_DISABLED", "legacy", "start as disabled"),
    ("CTDB_START_AS_STOPPED", "legacy", "start as stopped"),
    ("CTDB_TRANSPORT", "cluster", "transport"),
];

/// Variables that event scripts read, by how they begin.
const OF_SCRIPTS: &[&str] = &[
    "CTDB_CLAMD_",
    "CTDB_KILLTCP_",
    "CTDB_LVS_",
    "CTDB_MAX_CORRUPT_",
    "CTDB_MONITOR_",
    "CTDB_NATGW_",
    "CTDB_NFS_",
    "CTDB_PARTIALLY_ONLINE_",
    "CTDB_PER_IP_ROUTING_",
    "CTDB_PERSISTENT_DB_BACKUP_",
    "CTDB_RPCINFO_",
    "CTDB_SAMBA_",
    "CTDB_SERVICE_",
];

/// What to do about a name that looks like one of those; `None` if it does not.
pub(crate) fn hint(name: &str) -> Option<String> {
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if let Some((_, section, key)) = OPTIONS.iter().find(|(old, ..)| *old == name) {
        return Some(format!("an old setting, now \"{key}\" in [{section}]"));
    }
    if let Some(tunable) = name.strip_prefix("CTDB_SET_") {
        return Some(format!(
            "an old setting, now {tunable} in the file ctdb.tunables"
        ));
    }
    if name == "CTDB_PUBLIC_ADDRESSES" {
        return Some("an old setting, the file is public_addresses beside this one".to_owned());
    }
    if OF_SCRIPTS.iter().any(|begin| name.starts_with(begin)) {
        return Some("event scripts read it from script.options".to_owned());
    }
    name.starts_with("CTDB_")
        .then(|| "an old setting that does nothing now".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::Paths;

    #[test]
    fn every_option_that_is_named_exists() {
        let conf = crate::options::define(&Paths::installed());
        for (old, section, key) in OPTIONS {
            assert!(conf.get(section, key).is_some(), "{old}");
        }
    }

    #[test]
    fn old_settings_are_told_where_they_belong() {
        let lock = "an old setting, now \"cluster lock\" in [cluster]";
        assert_eq!(hint("CTDB_RECOVERY_LOCK").as_deref(), Some(lock));
        assert_eq!(hint("export CTDB_RECOVERY_LOCK").as_deref(), Some(lock));
        let tunable = hint("CTDB_SET_EnableBans").unwrap();
        assert!(tunable.contains("EnableBans in the file ctdb.tunables"));
        let script = hint("CTDB_NFS_CALLOUT").unwrap();
        assert!(script.contains("script.options"));
        assert!(hint("CTDB_PIDFILE").unwrap().contains("does nothing"));
        assert_eq!(hint("cluster lok"), None);
    }
}
