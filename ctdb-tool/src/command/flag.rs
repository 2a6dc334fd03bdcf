// SPDX-License-Identifier: GPL-3.0-or-later
//! Taking a node out of service and back: disable, stop, ban. Each waits until the flag is seen everywhere it
//! matters and public addresses have moved.

use super::{none, one};
use crate::failure::{Doing, Failure, Outcome};
use crate::number;
use crate::session::{Session, active, find};
use crate::takeover::reallocate;
use ctdb_protocol::control as ctl;
use ctdb_protocol::types::{BanState, NodeFlags, NodeMap};
use std::time::Duration;

/// How often to look whether the flag has changed. Upstream looks once a second.
const POLL: Duration = Duration::from_millis(100);
/// How long to wait when the daemon does not answer.
const RETRY: Duration = Duration::from_secs(1);

/// A flag, the word for it, and the side it is to be on.
#[derive(Clone, Copy)]
struct Change {
    flag: NodeFlags,
    word: &'static str,
    on: bool,
}

const DISABLED: Change = Change {
    flag: NodeFlags::PERMANENTLY_DISABLED,
    word: "disabled",
    on: true,
};
const STOPPED: Change = Change {
    flag: NodeFlags::STOPPED,
    word: "stopped",
    on: true,
};
const BANNED: Change = Change {
    flag: NodeFlags::BANNED,
    word: "banned",
    on: true,
};

impl Change {
    const fn off(self) -> Self {
        Self { on: false, ..self }
    }

    /// Whether there is anything to do; says so when there is not.
    async fn needed(self, session: &mut Session) -> Result<bool, Failure> {
        let node = session.target;
        let map = session.nodemap().await?;
        let is_on = find(&map, node).is_some_and(|n| n.flags.contains(self.flag));
        if is_on == self.on {
            let so = if self.on { "already" } else { "not" };
            session
                .console
                .out
                .warn(&format!("Node {node} is {so} {}", self.word));
        }
        Ok(is_on != self.on)
    }

    /// Waits until the local daemon shows the flag as wanted, then has addresses moved: unless no node is left
    /// that could lead, which nobody would answer. An inactive node gives its addresses up by itself.
    async fn finish(self, session: &mut Session) -> Outcome {
        let node = session.target;
        loop {
            match self.look(session).await {
                Ok(map) => {
                    if find(&map, node).is_some_and(|n| n.flags.contains(self.flag) == self.on) {
                        if active(&map, None).is_empty() {
                            return Ok(0);
                        }
                        break;
                    }
                    tokio::time::sleep(POLL).await;
                }
                Err(failure) if session.client.is_closed() => return Err(failure),
                Err(failure) => {
                    session
                        .console
                        .complain(&failure.and("Failed to get nodemap, trying again"));
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        reallocate(session).await?;
        Ok(0)
    }

    /// The nodes as they are now. When all are banned no other node knows better than the own one.
    async fn look(self, session: &mut Session) -> Result<NodeMap, Failure> {
        match session.fresh_nodemap().await {
            Err(_) if self.on && self.flag == NodeFlags::BANNED => {
                let own = session.pnn;
                session.control::<ctl::GetNodeMap>(own, &()).await
            }
            found => found,
        }
    }
}

/// `ctdb disable`.
pub async fn disable(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    if !DISABLED.needed(session).await? {
        return Ok(0);
    }
    let node = session.target;
    session
        .control::<ctl::DisableNode>(node, &())
        .await
        .doing(|| format!("Failed to disable node {node}"))?;
    DISABLED.finish(session).await
}

/// `ctdb enable`.
pub async fn enable(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    if !DISABLED.off().needed(session).await? {
        return Ok(0);
    }
    let node = session.target;
    session
        .control::<ctl::EnableNode>(node, &())
        .await
        .doing(|| format!("Failed to enable node {node}"))?;
    DISABLED.off().finish(session).await
}

/// `ctdb stop`.
pub async fn stop(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    if !STOPPED.needed(session).await? {
        return Ok(0);
    }
    let node = session.target;
    session
        .control::<ctl::StopNode>(node, &())
        .await
        .doing(|| format!("Failed to stop node {node}"))?;
    STOPPED.finish(session).await
}

/// `ctdb continue`.
pub async fn continue_node(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    if !STOPPED.off().needed(session).await? {
        return Ok(0);
    }
    let node = session.target;
    session
        .control::<ctl::ContinueNode>(node, &())
        .await
        .doing(|| format!("Failed to continue stopped node {node}"))?;
    STOPPED.off().finish(session).await
}

/// `ctdb ban`.
pub async fn ban(session: &mut Session, args: &[String]) -> Outcome {
    let time = one(args)?;
    if !BANNED.needed(session).await? {
        return Ok(0);
    }
    let time_s = number::unsigned32(time, 0).map_err(|e| Failure::silent(e.errno()))?;
    if time_s == 0 {
        return Err(Failure::say(libc::EINVAL, "Ban time cannot be zero"));
    }
    set_ban(session, time_s, "ban").await?;
    BANNED.finish(session).await
}

/// `ctdb unban`.
pub async fn unban(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    if !BANNED.off().needed(session).await? {
        return Ok(0);
    }
    set_ban(session, 0, "unban").await?;
    BANNED.off().finish(session).await
}

async fn set_ban(session: &Session, time_s: u32, doing: &str) -> Result<(), Failure> {
    let pnn = session.target;
    session
        .control::<ctl::SetBanState>(pnn, &BanState { pnn, time_s })
        .await
        .doing(|| format!("Failed to {doing} node {pnn}"))
}
