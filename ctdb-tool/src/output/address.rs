// SPDX-License-Identifier: GPL-3.0-or-later
//! Public addresses, interfaces and connections.

use super::{Report, Rows};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{Iface, PublicIpInfo, SockAddr, TickleList};
use serde_json::{Value, json};
use std::io::{self, Write};

/// One public address.
pub struct AddressLine {
    /// The address.
    pub addr: SockAddr,
    /// Who hosts it; unknown means nobody.
    pub pnn: Pnn,
    /// Its interfaces there, if a node could be asked.
    pub info: Option<PublicIpInfo>,
}

impl AddressLine {
    /// Signed, as upstream prints it: -1 for nobody.
    fn host(&self) -> i32 {
        self.pnn.0 as i32
    }

    fn active(&self) -> String {
        let active = self.info.as_ref().and_then(|info| {
            let index = usize::try_from(info.active_idx).ok()?;
            info.ifaces.ifaces.get(index)
        });
        active.map_or_else(String::new, |iface| iface.name.to_string())
    }

    fn available(&self) -> String {
        self.names(|iface| iface.link_state != 0)
    }

    fn configured(&self) -> String {
        self.names(|_| true)
    }

    fn names(&self, wanted: impl Fn(&&Iface) -> bool) -> String {
        let ifaces = self.info.iter().flat_map(|info| &info.ifaces.ifaces);
        let names: Vec<String> = ifaces
            .filter(wanted)
            .map(|iface| iface.name.to_string())
            .collect();
        names.join(",")
    }
}

/// What `ip` shows.
pub struct AddressList {
    /// The node asked; `None` for all.
    pub node: Option<Pnn>,
    /// In ascending order.
    pub lines: Vec<AddressLine>,
}

impl Report for AddressList {
    fn text(&self, out: &mut dyn Write, verbose: bool) -> io::Result<()> {
        match self.node {
            Some(pnn) => writeln!(out, "Public IPs on node {pnn}")?,
            None => writeln!(out, "Public IPs on ALL nodes")?,
        }
        for line in &self.lines {
            match verbose {
                false => writeln!(out, "{} {}", line.addr, line.host())?,
                true => writeln!(
                    out,
                    "{} node[{}] active[{}] available[{}] configured[{}]",
                    line.addr,
                    line.host(),
                    line.active(),
                    line.available(),
                    line.configured()
                )?,
            }
        }
        Ok(())
    }

    fn rows(&self, verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&["Public IP", "Node"]);
        if verbose {
            let more = [
                "ActiveInterfaces",
                "AvailableInterfaces",
                "ConfiguredInterfaces",
            ];
            rows.header.extend(more.iter().map(|m| (*m).to_owned()));
        }
        for line in &self.lines {
            let mut row = vec![line.addr.to_string(), line.host().to_string()];
            if verbose {
                row.extend([line.active(), line.available(), line.configured()]);
            }
            rows.push(row);
        }
        Some(rows)
    }

    fn json(&self) -> Value {
        let ips: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                let node = (line.pnn != Pnn::UNKNOWN).then_some(line.pnn.0);
                let ifaces = line.info.as_ref().map(|info| {
                    info.ifaces
                        .ifaces
                        .iter()
                        .enumerate()
                        .map(|(i, iface)| iface_json(i, iface, info))
                        .collect::<Vec<_>>()
                });
                json!({ "address": line.addr.to_string(), "node": node, "interfaces": ifaces })
            })
            .collect();
        json!({ "node": self.node.map(|pnn| pnn.0), "public_ips": ips })
    }
}

fn iface_json(index: usize, iface: &Iface, info: &PublicIpInfo) -> Value {
    json!({
        "name": iface.name.to_string(),
        "link_up": iface.link_state != 0,
        "references": iface.references,
        "active": is_active(index, info),
    })
}

fn is_active(index: usize, info: &PublicIpInfo) -> bool {
    u32::try_from(index) == Ok(info.active_idx)
}

/// What `ipinfo` shows.
pub struct AddressInfo {
    /// The node asked.
    pub node: Pnn,
    /// Its answer.
    pub info: PublicIpInfo,
}

impl Report for AddressInfo {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        let addr = &self.info.ip.addr;
        let ifaces = &self.info.ifaces.ifaces;
        writeln!(out, "Public IP[{addr}] info on node {}", self.node)?;
        writeln!(
            out,
            "IP:{addr}\nCurrentNode:{}\nNumInterfaces:{}",
            self.info.ip.pnn,
            ifaces.len()
        )?;
        for (index, iface) in ifaces.iter().enumerate() {
            writeln!(
                out,
                "Interface[{}]: Name:{} Link:{} References:{}{}",
                index + 1,
                iface.name,
                link(iface),
                iface.references,
                if is_active(index, &self.info) {
                    " (active)"
                } else {
                    ""
                }
            )?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let pnn = self.info.ip.pnn;
        let ifaces = self.info.ifaces.ifaces.iter().enumerate();
        json!({
            "asked_node": self.node.0,
            "address": self.info.ip.addr.to_string(),
            "node": (pnn != Pnn::UNKNOWN).then_some(pnn.0),
            "interfaces": ifaces.map(|(i, iface)| iface_json(i, iface, &self.info)).collect::<Vec<_>>(),
        })
    }
}

fn link(iface: &Iface) -> &'static str {
    if iface.link_state == 0 { "down" } else { "up" }
}

/// What `ifaces` shows.
pub struct InterfaceList {
    /// The node asked.
    pub node: Pnn,
    /// Its interfaces for public addresses.
    pub ifaces: Vec<Iface>,
}

impl Report for InterfaceList {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        if self.ifaces.is_empty() {
            return writeln!(out, "No interfaces configured on node {}", self.node);
        }
        writeln!(out, "Interfaces on node {}", self.node)?;
        for iface in &self.ifaces {
            writeln!(
                out,
                "name:{} link:{} references:{}",
                iface.name,
                link(iface),
                iface.references
            )?;
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        // upstream has no empty table: it says so in words
        if self.ifaces.is_empty() {
            return None;
        }
        let mut rows = Rows::new(&["Name", "LinkStatus", "References"]);
        for iface in &self.ifaces {
            rows.push(vec![
                iface.name.to_string(),
                iface.link_state.to_string(),
                iface.references.to_string(),
            ]);
        }
        Some(rows)
    }

    fn json(&self) -> Value {
        let ifaces: Vec<Value> = self
            .ifaces
            .iter()
            .map(|iface| {
                json!({
                    "name": iface.name.to_string(),
                    "link_up": iface.link_state != 0,
                    "references": iface.references,
                })
            })
            .collect();
        json!({ "node": self.node.0, "interfaces": ifaces })
    }
}

/// What `gettickles` shows.
pub struct Connections(pub TickleList);

impl Report for Connections {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        writeln!(out, "Connections for IP: {}", self.0.addr)?;
        writeln!(out, "Num connections: {}", self.0.connections.len())?;
        for conn in &self.0.connections {
            writeln!(
                out,
                "SRC: {}   DST: {}",
                with_port(&conn.src),
                with_port(&conn.dst)
            )?;
        }
        Ok(())
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&["Source IP", "Port", "Destination IP", "Port"]);
        for conn in &self.0.connections {
            rows.push(vec![
                conn.src.to_string(),
                conn.src.port().to_string(),
                conn.dst.to_string(),
                conn.dst.port().to_string(),
            ]);
        }
        Some(rows)
    }

    fn json(&self) -> Value {
        let end = |addr: &SockAddr| json!({ "address": addr.to_string(), "port": addr.port() });
        let list: Vec<Value> = self
            .0
            .connections
            .iter()
            .map(|conn| json!({ "source": end(&conn.src), "destination": end(&conn.dst) }))
            .collect();
        json!({ "address": self.0.addr.to_string(), "connections": list })
    }
}

/// `10.0.0.1:445` or `[fe80::1]:445`.
pub fn with_port(addr: &SockAddr) -> String {
    match addr.ip() {
        Some(std::net::IpAddr::V6(ip)) => format!("[{ip}]:{}", addr.port()),
        _ => format!("{addr}:{}", addr.port()),
    }
}
