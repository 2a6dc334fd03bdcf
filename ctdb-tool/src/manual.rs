// SPDX-License-Identifier: GPL-3.0-or-later
//! What `ctdb help COMMAND` says beyond the row of the table.

/// Lines about a command; none if its row says it all.
pub fn details(name: &str) -> &'static [&'static str] {
    match name {
        "status" => &[
            "",
            "Nodes, generation, location masters, recovery mode and leader, as the local daemon sees them.",
            "-v adds a line for each node that is not OK, saying why. -X shows the nodes only.",
        ],
        "nodestatus" => &[
            "",
            "The exit status is the sum of the flags of the nodes shown: 1 disconnected, 2 unhealthy,",
            "4 disabled, 8 banned, 32 stopped, 64 unknown. 0 means that all are OK.",
        ],
        "ban" => &[
            "",
            "BANTIME is in seconds. The node takes no part until it is over, or until unban.",
        ],
        "stop" => &[
            "",
            "The node stays connected but holds no addresses and no records, until continue.",
        ],
        "disable" => &[
            "",
            "The node gives up its public addresses but keeps its records, until enable.",
        ],
        "catdb" => &[
            "",
            "All records of the cluster, as their data masters have them; empty ones are left out.",
        ],
        "cattdb" => &["", "All records in this node's file, empty ones too."],
        "ptrans" => &[
            "",
            "One line for each record: \"KEY\" \"VALUE\". An empty value deletes. 0x... is read as hex.",
            "All lines take effect together or not at all.",
        ],
        "restoredb" => &[
            "",
            "The database is emptied on all nodes first. DBNAME overrides the name in the file.",
        ],
        "setdbreadonly" | "setdbsticky" => &[
            "",
            "Only for volatile databases, and not undone before a restart.",
        ],
        "event" => &[
            "",
            "run|status|script list|script enable|script disable COMPONENT ...; see ctdb-event.",
        ],
        "config" => &[
            "",
            "check: all files that an administrator writes, and, if the daemon runs, what differs between",
            "the nodes; exit status 1 if there is an error. validate, dump, get: ctdb.conf only.",
        ],
        "ip" => &[
            "",
            "ctdb ip plan [PNN...]: where addresses would go if these nodes left, and why.",
        ],
        "version" => &[
            "",
            "-v: which program each node runs, and which version of Samba it speaks.",
        ],
        "upgrade-check" => &[
            "",
            "Exit status 0 for go, 1 for no-go; the reasons are shown.",
        ],
        "health" => &["", "Exit status 0 if all is well, 1 if not."],
        "locks" => &[
            "",
            "Database, chain, process, keys and how long; waiting processes stand below the holder.",
            "-n asks another node, `all` asks all. C nodes do not tell.",
        ],
        "top" => &[
            "",
            "Keys: q quits, + and - change the interval. Without a terminal, shows one sample and ends.",
        ],
        "shutdown" => &["", "For the local node, returns when its daemon is gone."],
        _ => &[],
    }
}
