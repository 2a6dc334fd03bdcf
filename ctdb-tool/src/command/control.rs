// SPDX-License-Identifier: GPL-3.0-or-later
//! Ordering a node about: shut down, recover, roles. And one check that needs no daemon.

use super::{none, one};
use crate::failure::{Doing, Failure, Outcome, errno_of};
use crate::session::{Console, Session};
use crate::{number, parse};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::types::RecoveryMode;
use std::time::Duration;

/// How often to look whether a recovery is over.
const POLL: Duration = Duration::from_millis(100);

/// `ctdb shutdown`. No answer is asked for: a daemon on its way down moves its addresses first, and then
/// has nobody to answer with. The local daemon's end is waited for.
pub async fn shutdown(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let node = session.target;
    let local = node == session.pnn;
    session
        .client
        .request::<ctl::Shutdown>(node, &())
        .no_reply()
        .send();
    if local {
        session.client.closed().await;
    } else {
        session.settle().await;
    }
    Ok(0)
}

/// `ctdb recover`. Returns when a later generation is in force.
pub async fn recover(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let before = generation(session).await?;
    session
        .control::<ctl::SetRecmode>(session.target, &RecoveryMode::ACTIVE)
        .await
        .doing(|| "Failed to set recovery mode active".to_owned())?;
    loop {
        let now = generation(session)
            .await
            .doing(|| "Failed to confirm end of recovery".to_owned())?;
        if now != before {
            return Ok(0);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The generation in force, as the leader sees it; waits for the end of a recovery. Answers to `get_generation`.
pub async fn generation(session: &mut Session) -> Result<Generation, Failure> {
    loop {
        let leader = session.leader().await.unwrap_or(Pnn::UNKNOWN);
        let mode = session
            .status::<ctl::GetRecmode>(leader, &())
            .await
            .and_then(|mode| {
                if mode < 0 {
                    Err(refused(mode))
                } else {
                    Ok(mode)
                }
            })
            .doing(|| format!("Failed to get recovery mode from node {leader}"))?;
        if u32::try_from(mode) != Ok(RecoveryMode::ACTIVE.0) {
            let map = session
                .control::<ctl::GetVnnMap>(leader, &())
                .await
                .doing(|| format!("Failed to get generation from node {leader}"))?;
            if map.generation != Generation::INVALID {
                return Ok(map.generation);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn refused(status: i32) -> Failure {
    Failure::say(status, format!("Control GET_RECMODE failed, ret={status}"))
}

/// `ctdb setlmasterrole`.
pub async fn setlmasterrole(session: &mut Session, args: &[String]) -> Outcome {
    let on = on_or_off(one(args)?)?;
    session
        .control::<ctl::SetLmasterRole>(session.target, &on)
        .await?;
    Ok(0)
}

/// `ctdb setleaderrole`.
pub async fn setleaderrole(session: &mut Session, args: &[String]) -> Outcome {
    let on = on_or_off(one(args)?)?;
    session
        .control::<ctl::SetRecmasterRole>(session.target, &on)
        .await?;
    Ok(0)
}

fn on_or_off(word: &str) -> Result<u32, Failure> {
    match word {
        "on" => Ok(1),
        "off" => Ok(0),
        _ => Err(Failure::Usage),
    }
}

/// `ctdb checktcpport`: fails when somebody is bound to a port of this machine.
pub fn checktcpport(_console: &mut Console, args: &[String]) -> Outcome {
    let text = one(args)?;
    let port = parse::port(text, number::lenient(text).into())?;
    match crate::sys::bind_tcp4(port) {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure::say(
            errno_of(&error),
            format!("Failed to bind to TCP port {port}"),
        )),
    }
}
