// SPDX-License-Identifier: GPL-3.0-or-later
//! The nodes list and the public addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use ctdb_config::Nodes;
use ctdb_config::nodes::parse_address;
use ctdb_config::public_addresses::address_and_prefix;

use super::{Findings, Weight};
use crate::outbound::addresses as system;

/// The nodes list: a file, or `!` and a command.
pub(super) fn nodes(location: &str, found: &mut Findings) {
    let file = Path::new(location);
    if location.starts_with('!') {
        match Nodes::read(location) {
            Ok(nodes) => here(file, &nodes, found),
            Err(e) => found.add(Weight::Error, file, None, e.to_string()),
        }
        return;
    }
    let text = match std::fs::read(file) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(e) => return found.add(Weight::Error, file, None, e.to_string()),
    };
    let mut seen = Seen::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_address(line) {
            Some(address) => seen.take(file, number, address, found),
            None => {
                let text = format!("\"{line}\" is no address");
                found.add(Weight::Error, file, Some(number), text);
            }
        }
    }
    if let Ok(nodes) = Nodes::parse(&text) {
        here(file, &nodes, found);
    }
}

/// A node has to find itself in the list.
fn here(file: &Path, nodes: &Nodes, found: &mut Findings) {
    let local = system::local();
    let is_local = |address: &IpAddr| local.iter().any(|(own, _)| own == address);
    let listed = |line: &&ctdb_config::nodes::NodeLine| !line.deleted;
    if !nodes
        .0
        .iter()
        .filter(listed)
        .any(|line| is_local(&line.address))
    {
        let text = "none of these addresses is one of this machine";
        found.add(Weight::Warning, file, None, text);
    }
}

/// The public addresses. A missing file means that there are none.
pub(super) fn public(file: &Path, found: &mut Findings) {
    let text = match std::fs::read(file) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
        Err(e) => return found.add(Weight::Error, file, None, e.to_string()),
    };
    let mut seen = Seen::default();
    let known = system::interfaces();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next().filter(|word| !word.starts_with('#')) else {
            continue;
        };
        let mut error = |text: String| found.add(Weight::Error, file, Some(number), text);
        let Some((address, _)) = address_and_prefix(first) else {
            error(format!("\"{first}\" is no ADDRESS/BITS"));
            continue;
        };
        let Some(interfaces) = words.next() else {
            error("no interface behind the address".to_owned());
            continue;
        };
        if let Some(more) = words.next() {
            let text = format!(
                "\"{more}\" and what follows is not looked at: interfaces are separated by commas"
            );
            found.add(Weight::Warning, file, Some(number), text);
        }
        seen.take(file, number, address, found);
        for name in interfaces.split(',').filter(|name| !name.is_empty()) {
            if !known.iter().any(|interface| *interface == *name) {
                let text = format!("there is no interface {name} here");
                found.add(Weight::Warning, file, Some(number), text);
            }
        }
    }
}

/// Where each address was seen first.
#[derive(Default)]
struct Seen(BTreeMap<IpAddr, usize>);

impl Seen {
    fn take(&mut self, file: &Path, line: usize, address: IpAddr, found: &mut Findings) {
        if let Some(first) = self.0.get(&address) {
            let text = format!("{address} is in line {first} already");
            found.add(Weight::Error, file, Some(line), text);
        } else {
            self.0.insert(address, line);
        }
    }
}
