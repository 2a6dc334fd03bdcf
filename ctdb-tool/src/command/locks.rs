// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb locks`: who holds and who waits for record locks, on one node or all.

use super::database::existing;
use crate::failure::{Failure, Outcome};
use crate::inquiry;
use crate::output::record::{bytes_json, write_quoted};
use crate::output::{Report, Rows};
use crate::session::{Session, connected};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::DbMap;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;
use tdb::holders::{Scope, keys_of, of_file, process_name};

/// How many keys of a locked chain are shown.
const KEYS: usize = 3;

/// One process that holds or awaits a lock.
struct LockLine {
    scope: String,
    waiting: bool,
    shared: bool,
    /// `None` for the waiters of a mutex, which nobody counts.
    pid: Option<u64>,
    process: String,
    keys: Vec<Vec<u8>>,
    /// How long it has waited; for a holder, how long others have waited for it at least.
    age_s: Option<f64>,
    /// Requests that wait for this lock in the daemon.
    requests: Option<u64>,
}

struct DbLocks {
    name: String,
    /// Requests that wait in the daemon.
    requests: u64,
    locks: Vec<LockLine>,
}

struct NodeLocks {
    node: Pnn,
    /// `None` when it did not tell.
    databases: Option<Vec<DbLocks>>,
}

struct Locks {
    nodes: Vec<NodeLocks>,
    /// Whether lines are to name their node.
    several: bool,
}

impl LockLine {
    fn from_json(value: &Value) -> Self {
        let bytes = |key: &Value| -> Vec<u8> {
            let list = key.as_array().into_iter().flatten();
            list.filter_map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect()
        };
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let keys = value["keys"].as_array().into_iter().flatten();
        Self {
            scope: text("scope"),
            waiting: value["waiting"].as_bool().unwrap_or(false),
            shared: value["shared"].as_bool().unwrap_or(false),
            pid: value["pid"].as_u64(),
            process: text("process"),
            keys: keys.map(bytes).collect(),
            age_s: value["age_s"].as_f64(),
            requests: value["requests"].as_u64(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let relation = if self.waiting {
            "   awaited by"
        } else {
            " held by"
        };
        write!(out, "  {}{relation} ", self.scope)?;
        match self.pid {
            Some(pid) => write!(out, "process {pid}")?,
            None => write!(out, "others")?,
        }
        if !self.process.is_empty() {
            write!(out, " ({})", self.process)?;
        }
        if self.shared {
            write!(out, ", shared")?;
        }
        if let Some(age_s) = self.age_s {
            let least = if self.waiting { "" } else { "at least " };
            write!(out, ", for {least}{age_s:.1} s")?;
        }
        if let Some(requests) = self.requests {
            write!(out, ", {requests} requests")?;
        }
        for (index, key) in self.keys.iter().enumerate() {
            out.write_all(if index == 0 { b", keys " } else { b" " })?;
            write_quoted(out, key)?;
        }
        writeln!(out)
    }

    fn json(&self) -> Value {
        json!({
            "lock": self.scope,
            "waiting": self.waiting,
            "shared": self.shared,
            "pid": self.pid,
            "process": self.process,
            "keys": self.keys.iter().map(|key| bytes_json(key)).collect::<Vec<_>>(),
            "age_s": self.age_s,
            "requests": self.requests,
        })
    }
}

impl DbLocks {
    fn from_json(value: &Value) -> Self {
        let locks = value["locks"].as_array().into_iter().flatten();
        Self {
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            requests: value["requests"].as_u64().unwrap_or(0),
            locks: locks.map(LockLine::from_json).collect(),
        }
    }

    fn busy(&self) -> bool {
        !self.locks.is_empty() || self.requests > 0
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "ctdbd_pending": self.requests,
            "locks": self.locks.iter().map(LockLine::json).collect::<Vec<_>>(),
        })
    }
}

impl Report for Locks {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        for node in &self.nodes {
            let prefix = if self.several {
                format!("Node {}: ", node.node)
            } else {
                String::new()
            };
            let Some(databases) = &node.databases else {
                writeln!(out, "{prefix}does not tell its locks")?;
                continue;
            };
            if !databases.iter().any(DbLocks::busy) {
                writeln!(out, "{prefix}No record locks")?;
            }
            for db in databases.iter().filter(|db| db.busy()) {
                writeln!(
                    out,
                    "{prefix}{}: {} lock requests of ctdbd pending",
                    db.name, db.requests
                )?;
                db.locks.iter().try_for_each(|lock| lock.write(out))?;
            }
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let columns = [
            "Node", "Database", "Lock", "State", "Mode", "PID", "Process", "Age", "Key",
        ];
        let mut rows = Rows::new(&columns);
        for node in &self.nodes {
            for db in node.databases.iter().flatten() {
                for lock in &db.locks {
                    let hex = |key: &Vec<u8>| key.iter().map(|b| format!("{b:02x}")).collect();
                    rows.push(vec![
                        node.node.to_string(),
                        db.name.clone(),
                        lock.scope.clone(),
                        if lock.waiting { "waiting" } else { "held" }.to_owned(),
                        if lock.shared { "read" } else { "write" }.to_owned(),
                        lock.pid.map_or_else(String::new, |pid| pid.to_string()),
                        lock.process.clone(),
                        lock.age_s
                            .map_or_else(String::new, |age| format!("{age:.3}")),
                        lock.keys.first().map_or_else(String::new, hex),
                    ]);
                }
            }
        }
        Some(rows)
    }

    fn json(&self) -> Value {
        let nodes = self.nodes.iter().map(|node| {
            let databases = node.databases.as_ref();
            json!({
                "node": node.node.0,
                "databases": databases.map(|list| list.iter().map(DbLocks::json).collect::<Vec<_>>()),
            })
        });
        json!({ "nodes": nodes.collect::<Vec<_>>() })
    }
}

/// `ctdb locks [all] [DB]`.
pub async fn locks(session: &mut Session, args: &[String]) -> Outcome {
    let (several, wanted) = match args {
        [all, rest @ ..] if all == "all" => (true, rest),
        rest => (false, rest),
    };
    let wanted = match super::at_most_one(wanted)? {
        Some(name) => Some(existing(session, name).await?.id),
        None => None,
    };
    let wanted = match wanted {
        Some(id) => Some(name_of(session, id).await?),
        None => None,
    };
    let nodes = if several {
        connected(&session.nodemap().await?)
    } else {
        vec![session.target]
    };
    let mut answers = inquiry::ask(session, &nodes, true).await?;
    let mut found = Vec::new();
    for node in nodes {
        let told = answers.remove(&node).and_then(|document| {
            let list = document["databases"].as_array()?.iter();
            Some(list.map(DbLocks::from_json).collect::<Vec<_>>())
        });
        // a C daemon does not tell, but the files of this node can be looked at from here
        let mut databases = match told {
            None if node == session.pnn => Some(own_files(session).await?),
            told => told,
        };
        if let (Some(list), Some(name)) = (&mut databases, &wanted) {
            list.retain(|db| db.name == *name);
        }
        found.push(NodeLocks { node, databases });
    }
    let nodes = found;
    session.console.out.show(&Locks { nodes, several })?;
    Ok(0)
}

async fn name_of(session: &Session, id: ctdb_protocol::id::DbId) -> Result<String, Failure> {
    let name = session.control::<ctl::GetDbName>(session.pnn, &id).await?;
    Ok(name.to_string())
}

/// This node's files, looked at by this program; how long somebody waits is not known here.
async fn own_files(session: &Session) -> Result<Vec<DbLocks>, Failure> {
    let node = session.pnn;
    let map: DbMap = session.control::<ctl::GetDbMap>(node, &()).await?;
    let kernel = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut found = Vec::new();
    for db in &map.dbs {
        let name = name_of(session, db.db_id).await?;
        let path = session.control::<ctl::GetDbPath>(node, &db.db_id).await?;
        let stats = session
            .control::<ctl::GetDbStatistics>(node, &db.db_id)
            .await?;
        let path = path.to_string();
        let locks = of_file(Path::new(&path), &kernel).unwrap_or_default();
        found.push(DbLocks {
            name,
            requests: u64::from(stats.locks.num_pending) + u64::from(stats.locks.num_current),
            locks: locks
                .into_iter()
                .map(|lock| LockLine {
                    keys: match lock.scope {
                        Scope::Chain(chain) => {
                            keys_of(Path::new(&path), chain, KEYS).unwrap_or_default()
                        }
                        Scope::Everything | Scope::Transaction => Vec::new(),
                    },
                    scope: lock.scope.to_string(),
                    waiting: lock.waiting,
                    shared: lock.shared,
                    pid: lock.pid.map(u64::from),
                    process: lock.pid.map(process_name).unwrap_or_default(),
                    age_s: None,
                    requests: None,
                })
                .collect(),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        json!({
            "name": "a.tdb",
            "requests": 5,
            "locks": [
                { "scope": "chain 3", "waiting": false, "shared": false, "pid": 12, "process": "smbd",
                  "keys": [[107, 101, 121]], "age_s": 2.25, "requests": null },
                { "scope": "chain 3", "waiting": true, "shared": false, "pid": 13,
                  "process": "ctdb_lock_helper", "keys": [[107, 0]], "age_s": 2.25, "requests": 5 },
            ],
        })
    }

    fn shown(locks: &Locks) -> String {
        let mut text = Vec::new();
        locks.text(&mut text, false).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn holders_and_waiters_have_database_key_process_and_age() {
        let db = DbLocks::from_json(&answer());
        let nodes = vec![
            NodeLocks {
                node: Pnn(0),
                databases: Some(vec![db]),
            },
            NodeLocks {
                node: Pnn(1),
                databases: None,
            },
        ];
        let locks = Locks {
            nodes,
            several: true,
        };
        assert_eq!(
            shown(&locks),
            "Node 0: a.tdb: 5 lock requests of ctdbd pending\n  \
             chain 3 held by process 12 (smbd), for at least 2.2 s, keys \"key\"\n  \
             chain 3   awaited by process 13 (ctdb_lock_helper), for 2.2 s, 5 requests, keys \"k\\00\"\n\
             Node 1: does not tell its locks\n"
        );
        let value = locks.json();
        assert_eq!(value["nodes"][0]["databases"][0]["locks"][1]["age_s"], 2.25);
        assert_eq!(value["nodes"][1]["databases"], Value::Null);
        let rows = locks.rows(false).unwrap();
        assert_eq!(rows.lines[0].last().unwrap(), "6b6579");
    }
}
