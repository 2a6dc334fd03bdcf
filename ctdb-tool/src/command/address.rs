// SPDX-License-Identifier: GPL-3.0-or-later
//! Looking at public addresses and interfaces.

use super::{at_most_one, none, one};
use crate::failure::{Doing, Failure, Outcome};
use crate::output::address::{AddressInfo, AddressLine, AddressList, InterfaceList};
use crate::parse;
use crate::session::{Session, active};
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{PublicIp, SockAddr};
use std::collections::BTreeMap;

/// Longest name of an interface.
const IFACE_NAME: usize = 16;

/// `ctdb ip`.
pub async fn ip(session: &mut Session, args: &[String]) -> Outcome {
    if let [first, nodes @ ..] = args
        && first == "plan"
    {
        return super::plan::plan(session, nodes).await;
    }
    let node = match at_most_one(args)? {
        None => Some(session.target),
        Some("all") => None,
        Some(_) => return Err(Failure::Usage),
    };
    let list = list(session, node).await?;
    session.console.out.show(&list)?;
    Ok(0)
}

/// The addresses that a node knows, or any active node, with their interfaces.
pub async fn list(session: &mut Session, node: Option<Pnn>) -> Result<AddressList, Failure> {
    let mut ips = match node {
        Some(node) => session.control::<ctl::GetPublicIps>(node, &()).await?.ips,
        None => everywhere(session).await?,
    };
    ips.sort_by_key(|ip| ip.addr);
    let mut lines = Vec::with_capacity(ips.len());
    for ip in ips {
        let ask = node.unwrap_or(ip.pnn);
        let info = match ask {
            Pnn::UNKNOWN => None,
            ask => Some(
                session
                    .control::<ctl::GetPublicIpInfo>(ask, &ip.addr)
                    .await?,
            ),
        };
        lines.push(AddressLine {
            addr: ip.addr,
            pnn: ip.pnn,
            info,
        });
    }
    Ok(AddressList { node, lines })
}

/// The addresses that any active node knows, hosted where a node says "here". Answers to `get_all_public_ips`.
pub async fn everywhere(session: &mut Session) -> Result<Vec<PublicIp>, Failure> {
    let nodes = active(&session.nodemap().await?, None);
    if nodes.is_empty() {
        return Err(Failure::silent(1));
    }
    let mut hosts: BTreeMap<SockAddr, Pnn> = BTreeMap::new();
    let answers = session
        .client
        .control_all::<ctl::GetPublicIps>(&nodes, &(), Some(session.limit()))
        .await;
    for (node, answer) in answers {
        let list = answer.map_err(|e| {
            crate::session::control_failed::<ctl::GetPublicIps>(node, &e).with_status(1)
        })?;
        for ip in list.ips {
            let host = hosts.entry(ip.addr).or_insert(Pnn::UNKNOWN);
            if ip.pnn == node {
                *host = node;
            }
        }
    }
    Ok(hosts
        .into_iter()
        .map(|(addr, pnn)| PublicIp { pnn, addr })
        .collect())
}

/// `ctdb ipinfo`.
pub async fn ipinfo(session: &mut Session, args: &[String]) -> Outcome {
    let text = one(args)?;
    let addr = parse::address(text)?;
    let node = session.target;
    match session.control::<ctl::GetPublicIpInfo>(node, &addr).await {
        Ok(info) => {
            session.console.out.show(&AddressInfo { node, info })?;
            Ok(0)
        }
        Err(failure) => {
            session.console.complain(&failure);
            if failure.status() == -1 {
                session
                    .console
                    .out
                    .line(&format!("Node {node} does not know about IP {text}"))?;
            }
            Ok(failure.status())
        }
    }
}

/// `ctdb ifaces`.
pub async fn ifaces(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let node = session.target;
    let ifaces = session.control::<ctl::GetIfaces>(node, &()).await?.ifaces;
    session.console.out.show(&InterfaceList { node, ifaces })?;
    Ok(0)
}

/// `ctdb setifacelink`.
pub async fn setifacelink(session: &mut Session, args: &[String]) -> Outcome {
    let [name, state] = args else {
        return Err(Failure::Usage);
    };
    if name.len() > IFACE_NAME {
        return Err(Failure::say(1, format!("Interface name '{name}' too long")));
    }
    let node = session.target;
    let ifaces = session
        .control::<ctl::GetIfaces>(node, &())
        .await
        .doing(|| format!("Failed to get interface information from node {node}"))?;
    let Some(mut iface) = ifaces
        .ifaces
        .into_iter()
        .find(|iface| iface.name.as_bytes() == name.as_bytes())
    else {
        session
            .console
            .out
            .line(&format!("Interface {name} not configured on node {node}"))?;
        return Ok(1);
    };
    iface.link_state = match state.as_str() {
        "up" => 1,
        "down" => 0,
        _ => return Err(Failure::Usage),
    };
    iface.references = 0;
    session
        .control::<ctl::SetIfaceLinkState>(node, &iface)
        .await?;
    Ok(0)
}
