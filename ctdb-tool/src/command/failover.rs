// SPDX-License-Identifier: GPL-3.0-or-later
//! Changing which public addresses there are and where they are.

use super::status::chosen_nodes;
use super::{at_most_one, none, one};
use crate::failure::{Doing, Failure, Outcome};
use crate::progress::Progress;
use crate::session::{Session, active, connected};
use crate::takeover::{disable_takeover_runs, reallocate};
use crate::{number, parse};
use ctdb_client::{ControlError, Failure as Cause};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::message::RebalanceNode;
use ctdb_protocol::text::CountedText;
use ctdb_protocol::types::{AddrInfo, NodeMap, PublicIp, SockAddr};
use std::time::Duration;

/// How often to try what may be refused for a moment, and how long to wait between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(3);
/// Steps of moving an address, as shown.
const MOVE_STAGES: u64 = 4;

/// `ctdb ipreallocate` and `ctdb sync`.
pub async fn ipreallocate(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    reallocate(session).await?;
    Ok(0)
}

/// `ctdb reloadips`.
pub async fn reloadips(session: &mut Session, args: &[String]) -> Outcome {
    let wanted = at_most_one(args)?;
    let all = session.nodemap().await?;
    let chosen = NodeMap {
        nodes: chosen_nodes(session, wanted).await?,
    };
    let connected = connected(&all);
    let chosen = active(&chosen, None);
    if connected.is_empty() || chosen.is_empty() {
        return Err(Failure::say(1, "Memory allocation error"));
    }
    disable_takeover_runs(session, &connected, quiet_s(session))
        .await
        .doing(|| "Failed to disable takeover runs".to_owned())?;
    let answers = session
        .client
        .control_all::<ctl::ReloadPublicIps>(&chosen, &(), Some(session.limit()))
        .await;
    let failed: Vec<String> = answers
        .iter()
        .filter_map(|(node, answer)| Some(not_reloaded(*node, answer.as_ref().err()?)))
        .collect();
    if !failed.is_empty() {
        // As in C, the exit status is that of the takeover run below.
        session
            .console
            .out
            .warn("Failed to reload IPs on some nodes.");
    }
    for line in &failed {
        session.console.out.warn(line);
    }
    disable_takeover_runs(session, &connected, 0)
        .await
        .doing(|| "Failed to enable takeover runs".to_owned())?;
    reallocate(session).await?;
    Ok(0)
}

/// Which node did not reload, and why as far as it told.
fn not_reloaded(node: Pnn, error: &ControlError) -> String {
    match &error.failure {
        Cause::Status { status, message } if message.is_empty() => {
            format!("Node {node} did not reload its IPs (status {status}), see its log")
        }
        Cause::Status { message, .. } => format!("Node {node} did not reload its IPs: {message}"),
        failure => format!("Node {node} did not reload its IPs: {failure}"),
    }
}

/// How long the others are asked to keep still.
fn quiet_s(session: &Session) -> u32 {
    u32::try_from(session.console.options.timelimit_s)
        .unwrap_or(0)
        .saturating_mul(2)
}

/// `ctdb moveip`.
pub async fn moveip(session: &mut Session, args: &[String]) -> Outcome {
    let [addr_text, pnn_text] = args else {
        return Err(Failure::Usage);
    };
    let addr = parse::address(addr_text)?;
    let pnn = number::unsigned32(pnn_text, 10)
        .ok()
        .map(Pnn)
        .filter(|pnn| *pnn != Pnn::UNKNOWN)
        .ok_or_else(|| Failure::say(1, format!("Invalid PNN {pnn_text}")))?;
    for attempt in 1.. {
        let mut progress = Progress::new("moving", MOVE_STAGES);
        let failure = match move_once(session, addr, pnn, &mut progress).await {
            Ok(()) => return Ok(0),
            Err(failure) => failure,
        };
        progress.clear();
        if attempt == TRIES {
            return Err(failure.and(format!("Failed to move IP {addr_text} to node {pnn}")));
        }
        session.console.complain(&failure);
        progress.stage("waiting to try again");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(0)
}

async fn move_once(
    session: &mut Session,
    addr: SockAddr,
    pnn: Pnn,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let known = session
        .control::<ctl::GetPublicIps>(pnn, &())
        .await
        .doing(|| format!("Failed to get Public IPs from node {pnn}"))?;
    if !known.ips.iter().any(|ip| ip.addr.same_ip(&addr)) {
        return Err(Failure::say(
            1,
            format!("Node {pnn} CANNOT host IP address {addr}"),
        ));
    }
    let map = session.nodemap().await?;
    let others = active(&map, Some(pnn));
    let connected = connected(&map);
    if others.is_empty() || connected.is_empty() {
        return Err(Failure::say(1, "Memory allocation error"));
    }
    progress.stage("asking for no takeover runs meanwhile");
    disable_takeover_runs(session, &connected, quiet_s(session))
        .await
        .doing(|| "Failed to disable takeover runs".to_owned())?;
    let ip = PublicIp { pnn, addr };
    progress.stage("releasing the address elsewhere");
    session
        .control_all::<ctl::ReleaseIp>(&others, &ip)
        .await
        .doing(|| "Failed to release IP on nodes".to_owned())?;
    progress.stage(&format!("taking it over on node {pnn}"));
    session
        .control::<ctl::TakeoverIp>(pnn, &ip)
        .await
        .doing(|| format!("Failed to takeover IP on node {pnn}"))?;
    progress.stage("running event scripts on all nodes");
    disable_takeover_runs(session, &connected, 0)
        .await
        .doing(|| "Failed to enable takeover runs".to_owned())?;
    session
        .control_all::<ctl::Ipreallocated>(&connected, &())
        .await
        .doing(|| "Failed to send ipreallocated".to_owned())?;
    Ok(())
}

/// `ctdb addip`. The takeover run that follows is the leader's.
pub async fn addip(session: &mut Session, args: &[String]) -> Outcome {
    let [addr_text, iface] = args else {
        return Err(Failure::Usage);
    };
    let (addr, mask) = parse::address_with_mask(addr_text)?;
    let node = session.target;
    if knows(session, &addr).await? {
        session
            .console
            .out
            .warn(&format!("Node already knows about IP {addr}"));
        return Ok(0);
    }
    let info = AddrInfo {
        addr,
        mask,
        iface: iface.as_str().into(),
    };
    for attempt in 1.. {
        let failure = match session.control::<ctl::AddPublicIp>(node, &info).await {
            Ok(()) => break,
            Err(failure) => failure,
        };
        if attempt == TRIES {
            return Err(failure.and(format!("Failed to add public IP to node {node}. Giving up")));
        }
        session.console.complain(&failure);
        tokio::time::sleep(PAUSE).await;
    }
    session
        .client
        .send_to::<RebalanceNode>(Pnn::BROADCAST_CONNECTED, &node);
    session.settle().await;
    Ok(0)
}

/// `ctdb delip`. An address in use goes with the next takeover run.
pub async fn delip(session: &mut Session, args: &[String]) -> Outcome {
    let addr = parse::address(one(args)?)?;
    let node = session.target;
    if !knows(session, &addr).await? {
        session
            .console
            .out
            .warn(&format!("Node does not know about IP address {addr}"));
        return Ok(0);
    }
    let info = AddrInfo {
        addr,
        mask: 0,
        iface: CountedText::none(),
    };
    session
        .control::<ctl::DelPublicIp>(node, &info)
        .await
        .doing(|| format!("Failed to delete public IP from node {node}"))?;
    Ok(0)
}

async fn knows(session: &Session, addr: &SockAddr) -> Result<bool, Failure> {
    let node = session.target;
    let known = session
        .control::<ctl::GetPublicIps>(node, &())
        .await
        .map_err(|f| {
            f.and(format!("Failed to get Public IPs from node {node}"))
                .with_status(1)
        })?;
    Ok(known.ips.iter().any(|ip| ip.addr.same_ip(addr)))
}
