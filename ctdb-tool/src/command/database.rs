// SPDX-License-Identifier: GPL-3.0-or-later
//! Whole databases: what is attached, attaching, detaching, switching features on.

use super::{none, one};

use crate::failure::{Doing, Failure, Outcome};
use crate::number;
use crate::output::database::{DbLine, DbList, DbStatus};
use crate::output::value::Named;
use crate::session::Session;
use ctdb_client::database::{Attached, Database as OpenDb, DatabaseError};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::DbId;
use ctdb_protocol::types::{DbFlags, NodeFlags, RecoveryMode};

/// Databases that any node keeps whole.
const WHOLE: DbFlags = DbFlags::PERSISTENT.union(DbFlags::REPLICATED);

/// A database that is attached.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its number.
    pub id: DbId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub flags: DbFlags,
}

impl Database {
    /// Volatile databases have records that migrate; the others have transactions.
    pub fn is_volatile(&self) -> bool {
        !self.flags.intersects(WHOLE)
    }
}

/// The database that an argument names, by name or by number (`0x...`). Answers to `db_exists`.
pub async fn existing(session: &Session, wanted: &str) -> Result<Database, Failure> {
    let node = session.pnn;
    let unfinished = |failure: Failure| failure.with_status(1);
    let map = session
        .control::<ctl::GetDbMap>(node, &())
        .await
        .map_err(unfinished)?;
    let id = match wanted.starts_with("0x") {
        true => Some(DbId(
            number::unsigned32(wanted, 0).map_err(|_| Failure::silent(1))?,
        )),
        false => None,
    };
    for db in &map.dbs {
        if id.is_some_and(|id| id != db.db_id) {
            continue;
        }
        let name = session
            .control::<ctl::GetDbName>(node, &db.db_id)
            .await
            .map_err(unfinished)?;
        if id.is_some() || name.as_bytes() == wanted.as_bytes() {
            return Ok(Database {
                id: db.db_id,
                name: name.to_string(),
                flags: db.flags,
            });
        }
    }
    Err(Failure::say(
        1,
        format!("No database matching '{wanted}' found"),
    ))
}

/// Attaches a database without opening its file. No step takes longer than `-t` says.
pub async fn attached(
    session: &Session,
    name: &str,
    flags: DbFlags,
) -> Result<Attached, DatabaseError> {
    Attached::new(&session.client, name, flags, Some(session.limit())).await
}

/// Attaches a database that is there already and opens its file.
pub async fn opened(session: &Session, db: &Database) -> Result<OpenDb, Failure> {
    attached(session, &db.name, db.flags)
        .await
        .and_then(Attached::open)
        .doing(|| format!("Failed to attach to DB {}", db.name))
}

/// A database for records that migrate.
pub async fn volatile(session: &Session, wanted: &str) -> Result<Database, Failure> {
    let db = existing(session, wanted).await?;
    match db.is_volatile() {
        true => Ok(db),
        false => Err(Failure::say(
            1,
            format!("DB {} is not a volatile database", db.name),
        )),
    }
}

/// A database for transactions.
pub async fn transactional(session: &Session, wanted: &str) -> Result<Database, Failure> {
    let db = existing(session, wanted).await?;
    match db.is_volatile() {
        false => Ok(db),
        true => Err(Failure::say(
            1,
            format!("Transactions not supported on DB {}", db.name),
        )),
    }
}

/// A database with its file and its health.
pub async fn described(session: &Session, db: Database) -> Result<DbLine, Failure> {
    let path = session
        .control::<ctl::GetDbPath>(session.target, &db.id)
        .await?;
    let health = session
        .control::<ctl::DbGetHealth>(session.target, &db.id)
        .await?;
    let health = (!health.is_none()).then(|| health.to_string());
    Ok(DbLine {
        id: db.id,
        name: db.name,
        flags: db.flags,
        path: path.to_string(),
        health,
    })
}

/// `ctdb getdbmap`.
pub async fn getdbmap(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let map = session
        .control::<ctl::GetDbMap>(session.target, &())
        .await?;
    let mut lines = Vec::with_capacity(map.dbs.len());
    for db in &map.dbs {
        let name = session
            .control::<ctl::GetDbName>(session.target, &db.db_id)
            .await?;
        let db = Database {
            id: db.db_id,
            name: name.to_string(),
            flags: db.flags,
        };
        lines.push(described(session, db).await?);
    }
    session.console.out.show(&DbList(lines))?;
    Ok(0)
}

/// `ctdb getdbstatus`.
pub async fn getdbstatus(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    let line = described(session, db).await?;
    session.console.out.show(&DbStatus(line))?;
    Ok(0)
}

/// `ctdb getdbseqnum`.
pub async fn getdbseqnum(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    let seqnum = session
        .control::<ctl::GetDbSeqnum>(session.target, &db.id.into())
        .await
        .doing(|| format!("Failed to get sequence number for DB {}", db.name))?;
    session
        .console
        .out
        .show(&Named::shown("seqnum", format!("0x{seqnum:x}"), seqnum))?;
    Ok(0)
}

/// `ctdb attach`.
pub async fn attach(session: &mut Session, args: &[String]) -> Outcome {
    let (name, flags) = match args {
        [name] => (name, DbFlags::empty()),
        [name, kind] => (name, kind_flag(kind).ok_or(Failure::Usage)?),
        _ => return Err(Failure::Usage),
    };
    attached(session, name, flags).await?;
    Ok(0)
}

fn kind_flag(kind: &str) -> Option<DbFlags> {
    match kind {
        "persistent" => Some(DbFlags::PERSISTENT),
        "readonly" => Some(DbFlags::READONLY),
        "sticky" => Some(DbFlags::STICKY),
        "replicated" => Some(DbFlags::REPLICATED),
        _ => None,
    }
}

/// `ctdb detach`.
pub async fn detach(session: &mut Session, args: &[String]) -> Outcome {
    if args.is_empty() {
        return Err(Failure::Usage);
    }
    may_detach(session).await?;
    let mut result = 0;
    for wanted in args {
        let db = match existing(session, wanted).await {
            Ok(db) => db,
            Err(failure) => {
                session.console.complain(&failure);
                continue;
            }
        };
        if !db.is_volatile() {
            return Err(Failure::say(1, "Only volatile databases can be detached"));
        }
        let detached = session
            .client
            .request::<ctl::DbDetach>(session.pnn, &db.id)
            .timeout(session.limit());
        if let Err(error) = detached.send().await {
            result = crate::session::code_of(&error);
            session.console.out.warn(&format!(
                "detach: {} DB_DETACH failed, ret={result}",
                db.name
            ));
            session
                .console
                .out
                .warn(&format!("Database {} detach failed", db.name));
        }
    }
    Ok(result)
}

/// Refuses while a recovery runs, a node is out, or clients may still attach somewhere.
async fn may_detach(session: &mut Session) -> Result<(), Failure> {
    let mode = session
        .status::<ctl::GetRecmode>(session.target, &())
        .await?;
    if u32::try_from(mode) == Ok(RecoveryMode::ACTIVE.0) {
        return Err(Failure::say(
            1,
            "Database cannot be detached when recovery is active",
        ));
    }
    for node in session.nodemap().await?.nodes {
        if node
            .flags
            .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
        {
            continue;
        }
        let pnn = node.pnn;
        if node.flags.is_inactive() {
            return Err(Failure::say(
                1,
                format!("Database cannot be detached on inactive (stopped or banned) node {pnn}"),
            ));
        }
        let allowed = session
            .control::<ctl::GetTunable>(pnn, &"AllowClientDBAttach".into())
            .await
            .doing(|| format!("Unable to get tunable AllowClientDBAttach from node {pnn}"))?;
        if allowed == 1 {
            return Err(Failure::say(
                1,
                format!(
                    "Database access is still active on node {pnn}. Set AllowclientDBAttach=0 on all nodes."
                ),
            ));
        }
    }
    Ok(())
}

/// `ctdb setdbreadonly`.
pub async fn setdbreadonly(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    if !db.is_volatile() {
        return Err(Failure::say(1, "READONLY can be set only on volatile DB"));
    }
    session
        .control::<ctl::SetDbReadonly>(session.target, &db.id)
        .await?;
    Ok(0)
}

/// `ctdb setdbsticky`.
pub async fn setdbsticky(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    if !db.is_volatile() {
        return Err(Failure::say(1, "STICKY can be set only on volatile DB"));
    }
    session
        .control::<ctl::SetDbSticky>(session.target, &db.id)
        .await?;
    Ok(0)
}
