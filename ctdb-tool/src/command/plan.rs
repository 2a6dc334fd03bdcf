// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb ip plan [PNN...]`: where public addresses would go if these nodes left (none: at the next takeover run), and
//! why, decided by the allocation code that the daemons run.

use crate::failure::{Failure, Outcome};
use crate::number;
use crate::output::{Report, Rows};
use crate::session::Session;
use crate::session::{active, connected};
use ctdb_client::procedure::takeover::allocation::{Algorithm, Placement, Silent, Situation};
use ctdb_client::procedure::tunables::Tunables;
use ctdb_config::home_nodes;
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{ControlFlags, NodeMap, PublicIp, PublicIpList};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

struct Move {
    addr: IpAddr,
    from: Option<u32>,
    to: Option<u32>,
    why: String,
}

struct Plan {
    gone: Vec<u32>,
    algorithm: Algorithm,
    moves: Vec<Move>,
}

impl Report for Plan {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        let gone: Vec<String> = self.gone.iter().map(u32::to_string).collect();
        match gone.is_empty() {
            true => writeln!(
                out,
                "Public IPs after the next takeover run ({:?})",
                self.algorithm
            )?,
            false => writeln!(
                out,
                "Public IPs without node {} ({:?})",
                gone.join(","),
                self.algorithm
            )?,
        }
        for m in &self.moves {
            let word = if m.to.is_none() {
                "goes to"
            } else if m.from == m.to {
                "stays on"
            } else {
                "moves to"
            };
            let from = if m.from == m.to {
                String::new()
            } else {
                format!(" from {}", host(m.from))
            };
            writeln!(out, "{} {word} {}{from}: {}", m.addr, host(m.to), m.why)?;
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&["Public IP", "Node", "PlannedNode"]);
        let signed = |pnn: Option<u32>| pnn.map_or_else(|| "-1".to_owned(), |pnn| pnn.to_string());
        rows.lines = self
            .moves
            .iter()
            .map(|m| vec![m.addr.to_string(), signed(m.from), signed(m.to)])
            .collect();
        Some(rows)
    }

    fn json(&self) -> Value {
        let moves: Vec<Value> = self
            .moves
            .iter()
            .map(|m| json!({ "address": m.addr.to_string(), "node": m.from, "planned_node": m.to, "reason": m.why }))
            .collect();
        json!({ "without": self.gone, "algorithm": format!("{:?}", self.algorithm), "public_ips": moves })
    }
}

fn host(pnn: Option<u32>) -> String {
    pnn.map_or_else(|| "nobody".to_owned(), |pnn| pnn.to_string())
}

/// The rest of `ctdb ip plan`.
pub async fn plan(session: &mut Session, args: &[String]) -> Outcome {
    let gone = args
        .iter()
        .flat_map(|arg| arg.split(','))
        .map(|word| {
            number::unsigned32(word, 0).map_err(|_| Failure::say(1, format!("Invalid node {word}")))
        })
        .collect::<Result<Vec<u32>, Failure>>()?;
    let map = session.nodemap().await?;
    if let Some(stranger) = gone
        .iter()
        .find(|pnn| crate::session::find(&map, Pnn(**pnn)).is_none())
    {
        return Err(Failure::say(1, format!("Node {stranger} does not exist")));
    }
    let hosts = hosts(session).await?;
    let situation = situation(session, &map, &gone).await?;
    let placed = situation.allocate(&mut Silent).unwrap_or_default();
    let mut moves: Vec<Move> = placed
        .iter()
        .map(|placement| explain(placement, &hosts, &gone))
        .collect();
    // nobody is left to know these
    let forgotten = hosts
        .iter()
        .filter(|(addr, _)| !placed.iter().any(|p| p.addr == **addr));
    moves.extend(forgotten.map(|(addr, from)| Move {
        addr: *addr,
        from: *from,
        to: None,
        why: "no node could host it".to_owned(),
    }));
    moves.sort_by_key(|m| m.addr);
    let algorithm = situation.algorithm;
    session.console.out.show(&Plan {
        gone,
        algorithm,
        moves,
    })?;
    Ok(0)
}

/// What the takeover run would see if the nodes in `gone` were not there. An address on one of them
/// counts as hosted by nobody. The homes of addresses are those of this machine.
async fn situation(session: &Session, map: &NodeMap, gone: &[u32]) -> Result<Situation, Failure> {
    let tunables = session
        .control::<ctl::GetAllTunables>(session.target, &())
        .await?;
    let stays = |pnn: &Pnn| !gone.contains(&pnn.0);
    let mut known = vec![Vec::new(); map.nodes.len()];
    let mut available = known.clone();
    for pnn in connected(map).into_iter().filter(stays) {
        known[pnn.0 as usize] = addresses(session, pnn, ControlFlags::empty(), gone).await?;
    }
    for pnn in active(map, None).into_iter().filter(stays) {
        if !known[pnn.0 as usize].is_empty() {
            let asked = addresses(session, pnn, ControlFlags::ONLY_AVAILABLE, gone);
            available[pnn.0 as usize] = asked.await?;
        }
    }
    let homes = home_nodes::read(session.console.paths.etcdir())
        .map_err(|problem| Failure::say(1, format!("home_nodes: {problem}")))?;
    Ok(Situation::gathered(
        &Tunables::from(tunables),
        homes,
        &known,
        &available,
    ))
}

async fn addresses(
    session: &Session,
    pnn: Pnn,
    flags: ControlFlags,
    gone: &[u32],
) -> Result<Vec<PublicIp>, Failure> {
    let asked = session
        .client
        .request::<ctl::GetPublicIps>(pnn, &())
        .flags(flags)
        .timeout(session.limit());
    let list: PublicIpList = asked
        .send()
        .await
        .map_err(|error| crate::session::control_failed::<ctl::GetPublicIps>(pnn, &error))?;
    let host = |pnn: Pnn| {
        if gone.contains(&pnn.0) {
            Pnn::UNKNOWN
        } else {
            pnn
        }
    };
    let known = |ip: PublicIp| PublicIp {
        pnn: host(ip.pnn),
        ..ip
    };
    Ok(list.ips.into_iter().map(known).collect())
}

/// Who hosts each address now.
async fn hosts(session: &mut Session) -> Result<BTreeMap<IpAddr, Option<u32>>, Failure> {
    let all = super::address::everywhere(session).await?;
    let host = |pnn: Pnn| (pnn != Pnn::UNKNOWN).then_some(pnn.0);
    Ok(all
        .iter()
        .filter_map(|ip| Some((ip.addr.ip()?, host(ip.pnn))))
        .collect())
}

fn explain(placement: &Placement, hosts: &BTreeMap<IpAddr, Option<u32>>, gone: &[u32]) -> Move {
    let from = hosts.get(&placement.addr).copied().flatten();
    let to = placement.node().map(|pnn| pnn.0);
    let able: Vec<String> = placement
        .available_on
        .iter()
        .enumerate()
        .filter(|(_, able)| **able)
        .map(|(pnn, _)| pnn.to_string())
        .collect();
    let could = match able.as_slice() {
        [] => "no node could host it".to_owned(),
        [only] => format!("only node {only} could host it"),
        _ => format!("nodes {} could host it", able.join(",")),
    };
    let left = from
        .filter(|pnn| gone.contains(pnn))
        .map(|pnn| format!("node {pnn} is gone, "));
    let unable = from
        .filter(|pnn| !gone.contains(pnn) && Some(*pnn) != to)
        .filter(|pnn| {
            !placement
                .available_on
                .get(*pnn as usize)
                .copied()
                .unwrap_or(false)
        })
        .map(|pnn| format!("node {pnn} cannot host it now, "));
    Move {
        addr: placement.addr,
        from,
        to,
        why: format!(
            "{}{}{could}",
            left.unwrap_or_default(),
            unable.unwrap_or_default()
        ),
    }
}
