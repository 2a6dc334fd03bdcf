// SPDX-License-Identifier: GPL-3.0-or-later
//! Which addresses this node has at all: read at start, added, removed, read again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use bytes::Bytes;
use ctdb_config::public_addresses::{PublicAddressLine, prefix_bits};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::AddrInfo;
use ctdb_protocol::wire::encode;

use super::interface::LONGEST_NAME;
use super::service::{AddressesWanted, AfterLook, Failover};
use crate::cluster;
use crate::context::Context;
use crate::control::Asker;
use crate::effect::Effect;

impl Failover {
    /// ADD_PUBLIC_IP. Nothing else happens: the cluster watch notices an address without a node.
    pub(super) fn add_public_ip(&mut self, cx: &mut Context, asker: Asker, info: AddrInfo) {
        cx.notice(format!("Add IP {}", info.addr));
        self.look(cx, AfterLook::Add { asker, info });
    }

    pub(super) fn add_now(&mut self, cx: &mut Context, asker: Asker, info: &AddrInfo) {
        let Some(address) = info.addr.ip() else {
            cx.error("Failed to add public address: not an ipv4/ipv6 address");
            return cx.reply_status(asker, -1);
        };
        let Some(prefix_bits) = prefix_bits(address, info.mask) else {
            cx.error(format!(
                "Failed to add public address: {address} cannot have a prefix of {} bits",
                info.mask
            ));
            return cx.reply_status(asker, -1);
        };
        let names = info.iface.to_str_lossy();
        let names = names.split(',').filter(|name| !name.is_empty());
        let line = PublicAddressLine {
            address,
            prefix_bits,
            interfaces: names.map(str::to_owned).collect(),
        };
        if let Err(problem) = self.check_line(&line, &BTreeSet::new()) {
            cx.error(problem);
            cx.error("Failed to add public address");
            return cx.reply_status(asker, -1);
        }
        self.addresses
            .insert(line.address, line.prefix_bits, line.interfaces);
        cx.reply_status(asker, 0);
    }

    /// DEL_PUBLIC_IP: at once, or if the address is here, with its next release.
    pub(super) fn del_public_ip(&mut self, cx: &mut Context, asker: Asker, info: &AddrInfo) {
        cx.notice(format!("Delete IP {}", info.addr));
        let known = info
            .addr
            .ip()
            .filter(|addr| self.addresses.find(*addr).is_some());
        let Some(addr) = known else {
            cx.error(format!(
                "Delete IP of unknown public IP address {}",
                info.addr
            ));
            return cx.reply_status(asker, -1);
        };
        self.delete(cx, addr);
        cx.reply_status(asker, 0);
    }

    fn delete(&mut self, cx: &Context, addr: IpAddr) {
        match self.addresses.find_mut(addr) {
            Some(address) if address.pnn == cx.pnn() || address.in_flight => {
                address.delete_pending = true
            }
            _ => self.forget(addr, cx.pnn()),
        }
    }

    pub(super) fn forget(&mut self, addr: IpAddr, own: Pnn) {
        self.announcements.stop(addr);
        self.addresses.remove(addr, own);
    }

    /// RELOAD_PUBLIC_IPS: make the addresses those of the file.
    pub(super) fn reload_public_ips(&mut self, cx: &mut Context, asker: Asker) {
        if let Some(earlier) = self.reloading.replace(asker) {
            cx.reply_status(earlier, -1);
        }
        self.read_file(cx, AddressesWanted::Reload(asker));
    }

    /// The daemon starts: read the file.
    pub(super) fn boot(&mut self, cx: &mut Context) {
        self.read_file(cx, AddressesWanted::Boot);
    }

    fn read_file(&mut self, cx: &mut Context, wanted: AddressesWanted) {
        let ticket = cx.expect(wanted);
        cx.effect(Effect::ReadPublicAddresses { ticket });
    }

    /// The file was read.
    pub(crate) fn addresses_read(
        &mut self,
        cx: &mut Context,
        wanted: AddressesWanted,
        lines: Result<Vec<PublicAddressLine>, String>,
    ) {
        match lines {
            Ok(lines) => self.look(cx, AfterLook::Load { wanted, lines }),
            Err(problem) => self.unusable_file(cx, &wanted, &problem),
        }
    }

    pub(super) fn load_now(
        &mut self,
        cx: &mut Context,
        wanted: AddressesWanted,
        lines: &[PublicAddressLine],
    ) {
        let reload = matches!(wanted, AddressesWanted::Reload(_));
        let mut seen = BTreeSet::new();
        for line in lines {
            if let Err(problem) = check_interfaces(line, &self.machine.interfaces, &seen) {
                return self.unusable_file(cx, &wanted, &problem);
            }
            seen.insert(line.address);
        }
        if reload {
            self.delete_all_but(cx, &seen);
            self.keep(&seen);
        }
        let mut first = true;
        for line in lines
            .iter()
            .filter(|line| self.is_new(line))
            .cloned()
            .collect::<Vec<_>>()
        {
            if reload {
                cx.notice(format!("New IP {} configured, adding it", line.address));
                if std::mem::take(&mut first) {
                    // Without this the leader gives this node no part of the load it has now.
                    let own = Bytes::from(encode(&cx.pnn()));
                    cx.message(Pnn::BROADCAST_CONNECTED, Srvid::REBALANCE_NODE, own);
                }
            }
            self.addresses
                .insert(line.address, line.prefix_bits, line.interfaces);
        }
        self.answer_reload(cx, &wanted, 0);
    }

    /// An address that was to be forgotten with its next release, and is in the file again: upstream
    /// forgets it all the same.
    fn keep(&mut self, addresses: &BTreeSet<IpAddr>) {
        for addr in addresses {
            if let Some(address) = self.addresses.find_mut(*addr) {
                address.delete_pending = false;
            }
        }
    }

    /// Whether the file names an address that is not known.
    fn is_new(&self, line: &PublicAddressLine) -> bool {
        self.addresses.find(line.address).is_none()
    }

    fn delete_all_but(&mut self, cx: &mut Context, keep: &BTreeSet<IpAddr>) {
        let list = self.addresses.youngest_first();
        let gone: Vec<IpAddr> = list
            .iter()
            .map(|address| address.addr)
            .filter(|addr| !keep.contains(addr))
            .collect();
        for addr in gone {
            cx.notice(format!("IP {addr} no longer configured, deleting it"));
            self.delete(cx, addr);
        }
    }

    fn check_line(&self, line: &PublicAddressLine, seen: &BTreeSet<IpAddr>) -> Result<(), String> {
        if self.addresses.find(line.address).is_some() {
            return Err(format!("Duplicate public IP address '{}'", line.address));
        }
        check_interfaces(line, &self.machine.interfaces, seen)
    }

    /// A file that cannot be used ends a daemon that starts, and leaves a running one as it is.
    fn unusable_file(&mut self, cx: &mut Context, wanted: &AddressesWanted, problem: &str) {
        cx.error(problem);
        match wanted {
            AddressesWanted::Boot => cx.post(cluster::Letter::Fatal {
                code: 1,
                text: "Unable to setup public IP addresses".to_owned(),
            }),
            AddressesWanted::Reload(_) => {
                cx.error("Failed to re-read public addresses file");
                self.answer_reload(cx, wanted, 1);
            }
        }
    }

    /// Answers the reload, unless a later one has taken its place.
    fn answer_reload(&mut self, cx: &mut Context, wanted: &AddressesWanted, status: i32) {
        if let AddressesWanted::Reload(asker) = wanted
            && self.reloading == Some(*asker)
        {
            self.reloading = None;
            cx.reply_status(*asker, status);
        }
    }
}

fn check_interfaces(
    line: &PublicAddressLine,
    existing: &BTreeSet<String>,
    seen: &BTreeSet<IpAddr>,
) -> Result<(), String> {
    let addr = line.address;
    if seen.contains(&addr) {
        return Err(format!("Duplicate public IP address '{addr}'"));
    }
    for name in &line.interfaces {
        if !existing.contains(name) {
            return Err(format!(
                "Unknown interface {name} for public address {addr}"
            ));
        }
        if name.len() > LONGEST_NAME {
            return Err(format!("Interface name too long \"{name}\""));
        }
    }
    Ok(())
}
