// SPDX-License-Identifier: GPL-3.0-or-later
//! Attaching a database: asking the daemon for it, and opening its file as the daemon says.

use crate::failure::Failure;
use crate::session::{Session, code_of, connected};
use ctdb_client::ControlError;
use ctdb_protocol::control::{self as ctl, Control};
use ctdb_protocol::id::DbId;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::DbFlags;
use std::path::PathBuf;
use tdb::{OpenMode, Tdb, TdbFlags};

/// What the daemon says of an attached database.
pub struct Attached {
    /// Its number.
    pub id: DbId,
    /// Its file.
    pub path: PathBuf,
    /// How to open it.
    pub open_flags: TdbFlags,
}

/// Attaches a database on all nodes, with the features asked for. Answers to `ctdb_attach` up to the opening.
pub async fn attach_control(
    session: &Session,
    name: &str,
    flags: DbFlags,
) -> Result<Attached, Failure> {
    let text = Text::from(name);
    let id = if flags.contains(DbFlags::PERSISTENT) {
        ask::<ctl::DbAttachPersistent>(session, name, &text).await
    } else if flags.contains(DbFlags::REPLICATED) {
        ask::<ctl::DbAttachReplicated>(session, name, &text).await
    } else {
        ask::<ctl::DbAttach>(session, name, &text).await
    }?;
    let path = ask::<ctl::GetDbPath>(session, name, &id).await?;
    let health = ask::<ctl::DbGetHealth>(session, name, &id).await?;
    if !health.is_none() {
        return Err(Failure::say(
            libc::EIO,
            format!("attach: {name} database unhealthy ({health})"),
        ));
    }
    set_features(session, id, flags).await.map_err(|f| {
        f.and(format!(
            "attach: {name} set db flags 0x{:08x} failed",
            flags.bits()
        ))
    })?;
    let open_flags = ask::<ctl::DbOpenFlags>(session, name, &id).await?;
    Ok(Attached {
        id,
        path: PathBuf::from(path.to_str_lossy().into_owned()),
        open_flags: TdbFlags::from_bits_retain(open_flags as u32),
    })
}

/// A database whose file is open here.
pub struct OpenDb {
    /// Its number.
    pub id: DbId,
    /// Its name.
    pub name: String,
    /// Its file.
    pub tdb: Tdb,
}

/// Attaches a database and opens its file. Answers to `ctdb_attach`.
pub async fn attach(session: &Session, name: &str, flags: DbFlags) -> Result<OpenDb, Failure> {
    let attached = attach_control(session, name, flags).await?;
    let tdb = Tdb::open(&attached.path, 0, attached.open_flags, OpenMode::ReadWrite).map_err(
        |error| {
            Failure::say(
                libc::ENOMEM,
                format!("attach: {name} tdb_wrap_open failed ({error})"),
            )
        },
    )?;
    Ok(OpenDb {
        id: attached.id,
        name: name.to_owned(),
        tdb,
    })
}

async fn ask<C: Control>(
    session: &Session,
    name: &str,
    request: &C::Request,
) -> Result<C::Reply, Failure> {
    let asked = session
        .client
        .request::<C>(session.pnn, request)
        .timeout(session.limit());
    asked
        .send()
        .await
        .map_err(|error| failed::<C>(name, &error))
}

fn failed<C: Control>(name: &str, error: &ControlError) -> Failure {
    let code = code_of(error);
    let refused = error.status().is_some();
    let line = match C::NAME {
        attach if attach.starts_with("DB_ATTACH") && refused => {
            format!("attach: {name} failed to get db_id, ret={code}")
        }
        control if refused => format!("attach: {name} {control} parse failed, ret={code}"),
        control => format!("attach: {name} {control} failed, ret={code}"),
    };
    Failure::say(code, line)
}

/// Read-only delegations and sticky records are switched on node by node.
async fn set_features(session: &Session, id: DbId, flags: DbFlags) -> Result<(), Failure> {
    if !flags.intersects(DbFlags::READONLY | DbFlags::STICKY) {
        return Ok(());
    }
    let asked = session
        .client
        .request::<ctl::GetNodeMap>(session.pnn, &())
        .timeout(session.limit());
    let map = asked.send().await.map_err(|error| {
        let code = code_of(&error);
        Failure::say(
            code,
            format!("set_db_flags: {id} GET_NODEMAP failed, ret={code}"),
        )
    })?;
    let nodes = connected(&map);
    if flags.contains(DbFlags::READONLY) {
        session
            .control_all::<ctl::SetDbReadonly>(&nodes, &id)
            .await
            .map_err(|f| refused(id, "READONLY", f))?;
    }
    if flags.contains(DbFlags::STICKY) {
        session
            .control_all::<ctl::SetDbSticky>(&nodes, &id)
            .await
            .map_err(|f| refused(id, "STICKY", f))?;
    }
    Ok(())
}

fn refused(id: DbId, feature: &str, failure: Failure) -> Failure {
    let code = failure.status();
    failure.and(format!(
        "set_db_flags: {id} SET_DB_{feature} failed, ret={code}"
    ))
}
