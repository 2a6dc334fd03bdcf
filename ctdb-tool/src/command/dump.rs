// SPDX-License-Identifier: GPL-3.0-or-later
//! All records of a database: of the cluster (`catdb`) or of this node's file (`cattdb`).

use super::database::{attached, existing, opened};
use super::one;
use crate::failure::{Doing, Failure, Outcome};
use crate::output::record::Dump;
use crate::session::{Session, code_of};
use ctdb_protocol::control::TraverseStartExt;
use ctdb_protocol::id::{DbId, ReqId};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{LtdbHeader, RecordRef, TraverseStartExt as Start};
use ctdb_protocol::wire::Pad;
use std::ops::ControlFlow;

/// `ctdb catdb`.
pub async fn catdb(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    attached(session, &db.name, db.flags)
        .await
        .doing(|| format!("Failed to attach to DB {}", db.name))?;
    let srvid = Srvid(Srvid::CLIENT_RANGE.0 | u64::from(std::process::id()));
    let mut inbox = session.register(srvid).await?;
    let started = start(session, db.id, srvid).await;
    let mut dump = Dump::new(&mut session.console.out, "records")?;
    if let Err(failure) = started {
        dump.end()?;
        return Err(failure);
    }
    while let Some(message) = inbox.recv().await {
        let Ok((_, record)) = RecordRef::take(&message.data) else {
            continue;
        };
        if record.key.is_empty() && record.data.is_empty() {
            dump.end()?;
            return Ok(0);
        }
        match record.header() {
            Ok((header, data)) if !data.is_empty() => dump.record(&header, record.key, data)?,
            _ => {}
        }
    }
    // the connection ended before the records did
    Err(Failure::silent(1))
}

async fn start(session: &Session, db_id: DbId, srvid: Srvid) -> Result<(), Failure> {
    let request = Start {
        db_id,
        reqid: ReqId(0),
        srvid,
        with_empty_records: false,
        pad: Pad::ZERO,
    };
    let asked = session
        .client
        .request::<TraverseStartExt>(session.target, &request)
        .timeout(session.limit());
    asked.send().await.map_err(|error| {
        let code = code_of(&error);
        let reply = if error.status().is_some() {
            " reply"
        } else {
            ""
        };
        Failure::say(code, format!("traverse: control{reply} failed, ret={code}"))
    })
}

/// `ctdb cattdb`.
pub async fn cattdb(session: &mut Session, args: &[String]) -> Outcome {
    let db = opened(session, &existing(session, one(args)?).await?).await?;
    let mut dump = Dump::new(&mut session.console.out, "record(s)")?;
    let mut broken = None;
    let walked = db.tdb().traverse_read(|key, value| {
        let shown = LtdbHeader::split(value)
            .map_err(|_| Failure::silent(libc::EMSGSIZE))
            .and_then(|(header, data)| dump.record(&header, key, data));
        match shown {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                broken = Some(failure);
                ControlFlow::Break(())
            }
        }
    });
    dump.end()?;
    match (broken, walked) {
        (Some(failure), _) => Err(failure),
        (None, Err(_)) => Ok(libc::EIO),
        (None, Ok(_)) => Ok(0),
    }
}
