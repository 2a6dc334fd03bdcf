// SPDX-License-Identifier: GPL-3.0-or-later
//! Log levels and memory.

use super::{none, one};
use crate::failure::{Failure, Outcome};
use crate::output::value::{Named, Raw};
use crate::session::Session;
use ctdb_config::Level;
use ctdb_protocol::control as ctl;
use ctdb_protocol::message::MemDump;
use ctdb_protocol::types::SrvidMessage;

/// `ctdb setdebug`.
pub async fn setdebug(session: &mut Session, args: &[String]) -> Outcome {
    let word = one(args)?;
    let level = Level::parse(word).ok_or_else(|| {
        Failure::say(
            1,
            format!("Invalid debug level '{word}'. Valid levels are:"),
        )
        .and("\tERROR | WARNING | NOTICE | INFO | DEBUG")
    })?;
    session
        .control::<ctl::SetDebug>(session.target, &level.number())
        .await?;
    Ok(0)
}

/// `ctdb getdebug`.
pub async fn getdebug(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let number = session
        .control::<ctl::GetDebug>(session.target, &())
        .await?;
    let name = Level::from_number(number).map_or("UNKNOWN", Level::name);
    session.console.out.show(&Named::new("debug_level", name))?;
    Ok(0)
}

/// `ctdb dumpmemory`.
pub async fn dumpmemory(session: &mut Session, _args: &[String]) -> Outcome {
    let report = session
        .control::<ctl::DumpMemory>(session.target, &())
        .await?;
    session.console.out.show(&Raw {
        key: "memory",
        bytes: report.as_bytes().to_vec(),
    })?;
    Ok(0)
}

/// `ctdb rddumpmemory`. Waits for the answer as long as it takes.
pub async fn rddumpmemory(session: &mut Session, _args: &[String]) -> Outcome {
    let (srvid, mut inbox) = session.listen().await?;
    session
        .client
        .send_to::<MemDump>(session.target, &SrvidMessage::new(session.pnn, srvid));
    let message = inbox.recv().await.ok_or_else(|| Failure::silent(1))?;
    let bytes = message
        .data
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default()
        .to_vec();
    session.console.out.show(&Raw {
        key: "memory",
        bytes,
    })?;
    Ok(0)
}
