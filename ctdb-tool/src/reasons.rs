// SPDX-License-Identifier: GPL-3.0-or-later
//! Why a node is not OK, in one line each, as far as this node and the nodes of ours know.

use crate::event_status::last_run;
use crate::failure::Failure;
use crate::output::status::{self, NodeLine};
use crate::session::Session;
use ctdb_client::inquiry::monitor_line;
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{NodeFlags, NodeMap, RunState, SockAddr};
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a node that should answer may take.
const PROBE: Duration = Duration::from_millis(700);

/// A line for each thing that keeps a node from being OK.
pub async fn of_nodes(session: &mut Session, map: &NodeMap, lines: &[NodeLine]) -> Vec<String> {
    let found = by_node(session, map, lines).await.into_iter();
    found
        .map(|(pnn, reason)| format!("Node {pnn}: {reason}"))
        .collect()
}

/// The same with the node beside its reason.
pub async fn by_node(
    session: &mut Session,
    map: &NodeMap,
    lines: &[NodeLine],
) -> Vec<(u32, String)> {
    let answers = answers(session, lines).await;
    // all at once: each dead node takes a probe of its own
    let asked = lines.iter().map(|line| {
        let addr = crate::session::find(map, Pnn(line.pnn)).map(|node| node.addr);
        of_node(session, line, addr, answers.get(&Pnn(line.pnn)))
    });
    let found = join_all(asked).await;
    let mut reasons = Vec::new();
    for (line, found) in lines.iter().zip(found) {
        reasons.extend(found.into_iter().map(|reason| (line.pnn, reason)));
    }
    reasons.extend(answers.into_iter().flat_map(told));
    reasons
}

/// What nodes of ours know of themselves.
async fn answers(session: &mut Session, lines: &[NodeLine]) -> BTreeMap<Pnn, Value> {
    let silent = NodeFlags::DELETED | NodeFlags::DISCONNECTED | status::UNKNOWN;
    let nodes: Vec<Pnn> = lines
        .iter()
        .filter(|line| !line.flags.intersects(silent))
        .map(|line| Pnn(line.pnn))
        .collect();
    // A question that cannot be asked is no problem of the nodes.
    crate::inquiry::ask(session, &nodes, false)
        .await
        .unwrap_or_default()
}

/// The problems that no flag shows.
fn told((pnn, answer): (Pnn, Value)) -> Vec<(u32, String)> {
    let problems = answer["problems"].as_array().into_iter().flatten();
    problems
        .filter_map(|problem| Some((pnn.0, problem.as_str()?.to_owned())))
        .collect()
}

async fn of_node(
    session: &Session,
    line: &NodeLine,
    addr: Option<SockAddr>,
    answer: Option<&Value>,
) -> Vec<String> {
    let pnn = Pnn(line.pnn);
    let has = |flag| line.flags.intersects(flag);
    if has(NodeFlags::DELETED) {
        return Vec::new();
    }
    if has(NodeFlags::DISCONNECTED) {
        return vec![disconnected(addr).await];
    }
    let mut reasons = Vec::new();
    if has(status::UNKNOWN) {
        reasons.push(starting(session).await);
    }
    if has(NodeFlags::BANNED) {
        let mut text = banned(session, pnn).await;
        // C nodes do not tell.
        if let Some(cause) = answer.and_then(|answer| answer["ban_reason"].as_str()) {
            text.push_str(&format!(": {cause}"));
        }
        reasons.push(text);
    }
    if has(NodeFlags::STOPPED) {
        reasons.push(format!(
            "stopped by an administrator, until ctdb -n {pnn} continue"
        ));
    }
    if has(NodeFlags::PERMANENTLY_DISABLED) {
        reasons.push(format!(
            "disabled by an administrator, until ctdb -n {pnn} enable"
        ));
    }
    if has(NodeFlags::UNHEALTHY) {
        reasons.push(unhealthy(session, pnn, answer).await);
    }
    if line.partially_online {
        reasons.push(lame(session, pnn).await);
    }
    reasons
}

/// Tries the node's port: whether nobody listens or nobody answers makes a difference.
async fn disconnected(addr: Option<SockAddr>) -> String {
    let target = addr.and_then(|addr| addr.to_socket_addr());
    let Some(target) = target else {
        return "not connected, and its address is unknown".to_owned();
    };
    match timeout(PROBE, TcpStream::connect(target)).await {
        Ok(Ok(_)) => format!(
            "not connected, though something listens on {target}: firewall in between, or just starting"
        ),
        Ok(Err(error)) => {
            let text = error.to_string();
            let cause = text.split(" (os error").next().unwrap_or_default();
            format!("not connected, {target}: {cause}")
        }
        Err(_) => format!("not connected, {target} does not answer: node or network down"),
    }
}

async fn starting(session: &Session) -> String {
    let state = session
        .control::<ctl::GetRunstate>(session.target, &())
        .await;
    let name = state.ok().and_then(RunState::name).unwrap_or("UNKNOWN");
    format!(
        "not known yet, node {} is still in state {name}",
        session.target
    )
}

async fn banned(session: &Session, pnn: Pnn) -> String {
    match session.control::<ctl::GetBanState>(pnn, &()).await {
        Ok(ban) if ban.time_s > 0 => format!(
            "banned for {} seconds, or until ctdb -n {pnn} unban",
            ban.time_s
        ),
        _ => format!("banned, until ctdb -n {pnn} unban"),
    }
}

/// The node itself knows which script failed; a C node tells nobody else.
async fn unhealthy(session: &Session, pnn: Pnn, answer: Option<&Value>) -> String {
    if let Some(line) = answer.and_then(|answer| answer["monitor"].as_str()) {
        return line.to_owned();
    }
    if pnn != session.pnn {
        return "its monitor event failed: see ctdb scriptstatus there".to_owned();
    }
    let eventd = session.console.paths.socket("eventd");
    // a frozen event daemon shall hold up this line alone
    let asked = tokio::task::spawn_blocking(move || last_run(&eventd, "legacy", "monitor")).await;
    monitor_line(asked.ok().and_then(Result::ok).as_ref())
}

async fn lame(session: &Session, pnn: Pnn) -> String {
    let list = session
        .control::<ctl::GetIfaces>(pnn, &())
        .await
        .map(|list| list.ifaces)
        .unwrap_or_default();
    let down: Vec<String> = list
        .iter()
        .filter(|iface| iface.link_state == 0)
        .map(|iface| iface.name.to_string())
        .collect();
    format!("no link on {}", down.join(", "))
}

/// What is wrong with the cluster as a whole: recovery, leader, addresses, databases.
pub async fn of_cluster(session: &mut Session) -> Result<Vec<String>, Failure> {
    let mut reasons = Vec::new();
    if session
        .status::<ctl::GetRecmode>(session.target, &())
        .await?
        != 0
    {
        reasons.push("Recovery is active".to_owned());
    }
    if session.leader().await.is_none() {
        reasons.push("No leader is known".to_owned());
    }
    let homeless: Vec<String> = crate::command::address::everywhere(session)
        .await?
        .iter()
        .filter(|ip| ip.pnn == Pnn::UNKNOWN)
        .map(|ip| ip.addr.to_string())
        .collect();
    if !homeless.is_empty() {
        reasons.push(format!("Nobody hosts {}", homeless.join(", ")));
    }
    let databases = session
        .control::<ctl::GetDbMap>(session.target, &())
        .await?;
    for db in &databases.dbs {
        let health = session
            .control::<ctl::DbGetHealth>(session.target, &db.db_id)
            .await?;
        if !health.is_none() {
            let name = session
                .control::<ctl::GetDbName>(session.target, &db.db_id)
                .await?;
            reasons.push(format!("Database {name} is unhealthy: {health}"));
        }
    }
    Ok(reasons)
}
