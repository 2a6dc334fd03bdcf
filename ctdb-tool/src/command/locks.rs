// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb locks`: who holds and who waits for record locks in this node's databases.

use super::at_most_one;
use super::database::existing;
use crate::failure::Outcome;
use crate::lock_table::{Lock, Scope, of_file};
use crate::output::record::{bytes_json, write_quoted};
use crate::output::{Report, Rows};
use crate::session::Session;
use ctdb_protocol::control as ctl;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use tdb::{OpenMode, Tdb, TdbFlags};

/// How many keys of a locked chain are shown.
const KEYS: usize = 3;

struct DbLocks {
    name: String,
    /// Requests that the daemon itself has waiting.
    pending: u32,
    locks: Vec<(Lock, String, Vec<Vec<u8>>)>,
}

struct Locks(Vec<DbLocks>);

impl Report for Locks {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        let busy: Vec<&DbLocks> = self
            .0
            .iter()
            .filter(|db| !db.locks.is_empty() || db.pending > 0)
            .collect();
        if busy.is_empty() {
            return writeln!(out, "No record locks");
        }
        for db in busy {
            writeln!(
                out,
                "{}: {} lock requests of ctdbd pending",
                db.name, db.pending
            )?;
            for (lock, process, keys) in &db.locks {
                write!(out, "  {}", scope(lock.scope))?;
                write!(
                    out,
                    "{} ",
                    if lock.waiting {
                        "   awaited by"
                    } else {
                        " held by"
                    }
                )?;
                write!(out, "{}", pid(lock))?;
                write!(
                    out,
                    "{}",
                    if process.is_empty() {
                        String::new()
                    } else {
                        format!(" ({process})")
                    }
                )?;
                write!(out, "{}", if lock.shared { ", shared" } else { "" })?;
                for (index, key) in keys.iter().enumerate() {
                    out.write_all(if index == 0 { b", keys " } else { b" " })?;
                    write_quoted(out, key)?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&["Database", "Lock", "State", "Mode", "PID", "Process"]);
        for db in &self.0 {
            for (lock, process, _) in &db.locks {
                rows.push(vec![
                    db.name.clone(),
                    scope(lock.scope),
                    if lock.waiting { "waiting" } else { "held" }.to_owned(),
                    if lock.shared { "read" } else { "write" }.to_owned(),
                    lock.pid.map_or_else(String::new, |pid| pid.to_string()),
                    process.clone(),
                ]);
            }
        }
        Some(rows)
    }

    fn json(&self) -> Value {
        let lock_json = |(lock, process, keys): &(Lock, String, Vec<Vec<u8>>)| {
            json!({
                "lock": scope(lock.scope),
                "waiting": lock.waiting,
                "shared": lock.shared,
                "pid": lock.pid,
                "process": process,
                "keys": keys.iter().map(|key| bytes_json(key)).collect::<Vec<_>>(),
            })
        };
        let databases: Vec<Value> = self
            .0
            .iter()
            .map(|db| {
                json!({
                    "name": db.name,
                    "ctdbd_pending": db.pending,
                    "locks": db.locks.iter().map(lock_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "databases": databases })
    }
}

fn scope(scope: Scope) -> String {
    match scope {
        Scope::Everything => "all records".to_owned(),
        Scope::Transaction => "transaction".to_owned(),
        Scope::Chain(chain) => format!("chain {chain}"),
    }
}

fn pid(lock: &Lock) -> String {
    lock.pid
        .map_or_else(|| "others".to_owned(), |pid| format!("process {pid}"))
}

/// `ctdb locks`.
pub async fn locks(session: &mut Session, args: &[String]) -> Outcome {
    let wanted = match at_most_one(args)? {
        Some(name) => Some(existing(session, name).await?.id),
        None => None,
    };
    let node = session.pnn;
    let map = session.control::<ctl::GetDbMap>(node, &()).await?;
    let kernel = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut found = Vec::new();
    for db in map
        .dbs
        .iter()
        .filter(|db| wanted.is_none_or(|id| id == db.db_id))
    {
        let name = session
            .control::<ctl::GetDbName>(node, &db.db_id)
            .await?
            .to_string();
        let path = session
            .control::<ctl::GetDbPath>(node, &db.db_id)
            .await?
            .to_string();
        let stats = session
            .control::<ctl::GetDbStatistics>(node, &db.db_id)
            .await?;
        let pending = stats.locks.num_pending + stats.locks.num_current;
        let path = Path::new(&path);
        let locks = match of_file(path, &kernel) {
            Ok(locks) => locks,
            Err(error) => {
                session.console.out.warn(&format!(
                    "Failed to read locks of {}: {error}",
                    path.display()
                ));
                Vec::new()
            }
        };
        let locks = locks
            .into_iter()
            .map(|lock| described(path, lock))
            .collect();
        found.push(DbLocks {
            name,
            pending,
            locks,
        });
    }
    session.console.out.show(&Locks(found))?;
    Ok(0)
}

/// Adds the process's name and some keys of the chain.
fn described(path: &Path, lock: Lock) -> (Lock, String, Vec<Vec<u8>>) {
    let process = lock
        .pid
        .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_default();
    let keys = match lock.scope {
        Scope::Chain(chain) if !lock.waiting => keys_of(path, chain).unwrap_or_default(),
        Scope::Chain(_) | Scope::Everything | Scope::Transaction => Vec::new(),
    };
    (lock, process, keys)
}

/// Read without a lock, because it is taken: what libtdb refuses in between is left out.
fn keys_of(path: &Path, chain: u32) -> tdb::Result<Vec<Vec<u8>>> {
    let tdb = Tdb::open(path, 0, TdbFlags::NOLOCK, OpenMode::ReadOnly)?;
    let mut keys = Vec::new();
    tdb.traverse_chain(chain, |key, _| {
        keys.push(key.to_vec());
        if keys.len() == KEYS {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(keys)
}
