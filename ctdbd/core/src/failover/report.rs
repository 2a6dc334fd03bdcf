// SPDX-License-Identifier: GPL-3.0-or-later
//! Questions about addresses and interfaces, and what scripts say about links.

use ctdb_protocol::id::Pnn;
use ctdb_protocol::text::FixedText;
use ctdb_protocol::types::{
    ControlFlags, Iface, IfaceList, NodeFlags, PublicIp, PublicIpInfo, PublicIpList, SockAddr,
};

use super::address::Address;
use super::interface::{Interface, LONGEST_NAME};
use super::service::Failover;
use crate::context::Context;
use crate::control::Asker;
use ctdb_protocol::types::RunState;

/// "On no interface" in PUBLIC_IP_INFO.
const NO_INDEX: u32 = u32::MAX;

/// An address that is to be on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosted {
    /// The address.
    pub addr: std::net::IpAddr,
    /// The interface that it was given to, or those that it may be on.
    pub interface: String,
}

impl Failover {
    /// The addresses that this node was given, except those that are just coming or leaving.
    #[must_use]
    pub fn hosted(&self, own: Pnn) -> Vec<Hosted> {
        let list = self.addresses.youngest_first().into_iter();
        list.filter(|address| address.pnn == own && !address.in_flight)
            .map(|address| Hosted {
                addr: address.addr,
                interface: match &address.interface {
                    Some(name) => name.clone(),
                    None => address.candidates.join(","),
                },
            })
            .collect()
    }

    /// GET_PUBLIC_IPS: all addresses, or with ONLY_AVAILABLE those that this node could host now.
    pub(super) fn get_public_ips(&mut self, cx: &mut Context, asker: Asker, flags: ControlFlags) {
        let all = !flags.contains(ControlFlags::ONLY_AVAILABLE);
        let usable = can_host(cx);
        let wanted = |address: &&Address| all || (usable && self.is_available(address));
        let list = self.addresses.youngest_first();
        let ips = list.into_iter().filter(wanted).map(public_ip).collect();
        cx.reply_with(asker, &PublicIpList { ips });
    }

    fn is_available(&self, address: &Address) -> bool {
        let interfaces = &self.addresses.interfaces;
        !address.delete_pending
            && (address.interface.iter().any(|name| interfaces.is_up(name))
                || address.candidates.iter().any(|name| interfaces.is_up(name)))
    }

    /// GET_PUBLIC_IP_INFO.
    pub(super) fn get_public_ip_info(&mut self, cx: &mut Context, asker: Asker, addr: SockAddr) {
        let found = addr.ip().and_then(|ip| self.addresses.find(ip));
        let Some(address) = found else {
            cx.error(format!(
                "Could not get public ip info, '{addr}'not a public address"
            ));
            return cx.reply_status(asker, -1);
        };
        let on = address
            .candidates
            .iter()
            .rposition(|name| Some(name) == address.interface.as_ref());
        let active_idx = on
            .and_then(|place| u32::try_from(place).ok())
            .unwrap_or(NO_INDEX);
        let known = |name: &String| Some(iface(name, self.addresses.interfaces.find(name)?));
        let ifaces = address.candidates.iter().filter_map(known).collect();
        let ip = public_ip(address);
        cx.reply_with(
            asker,
            &PublicIpInfo {
                ip,
                active_idx,
                ifaces: IfaceList { ifaces },
            },
        );
    }

    /// GET_IFACES.
    pub(super) fn get_ifaces(&mut self, cx: &mut Context, asker: Asker) {
        let list = self.addresses.interfaces.youngest_first();
        let ifaces = list
            .into_iter()
            .map(|(name, interface)| iface(name, interface))
            .collect();
        cx.reply_with(asker, &IfaceList { ifaces });
    }

    /// SET_IFACE_LINK_STATE. Only remembered: the cluster watch sees the change and acts.
    pub(super) fn set_iface_link_state(&mut self, cx: &mut Context, asker: Asker, said: &Iface) {
        let status = match self.take_link_state(cx, said) {
            Ok(()) => 0,
            Err(problem) => {
                cx.error(problem);
                -1
            }
        };
        cx.reply_status(asker, status);
    }

    fn take_link_state(&mut self, cx: &mut Context, said: &Iface) -> Result<(), String> {
        let name = said.name.to_str_lossy().into_owned();
        if said.name.0[LONGEST_NAME] != 0 {
            return Err(format!("name[{name}] not terminated"));
        }
        let link_up = match said.link_state {
            0 => false,
            1 => true,
            other => return Err(format!("link_state[{other}] invalid")),
        };
        if said.references != 0 {
            return Err(format!("references[{}] should be 0", said.references));
        }
        let interface = self.addresses.interfaces.find_mut(&name);
        let interface = interface.ok_or_else(|| format!("interface '{name}' is not known"))?;
        if interface.link_up != link_up {
            let word = |up| if up { "up" } else { "down" };
            let (old, new) = (word(interface.link_up), word(link_up));
            cx.error(format!(
                "iface[{name}] has changed it's link status {old} => {new}"
            ));
            interface.link_up = link_up;
        }
        Ok(())
    }
}

/// Whether this node may host addresses at all.
fn can_host(cx: &Context) -> bool {
    let unfit = NodeFlags::INACTIVE | NodeFlags::DISABLED;
    cx.run_state() == RunState::RUNNING && !cx.own_flags().intersects(unfit)
}

fn public_ip(address: &Address) -> PublicIp {
    PublicIp {
        pnn: address.pnn,
        addr: SockAddr::from(address.addr),
    }
}

fn iface(name: &str, interface: &Interface) -> Iface {
    Iface {
        name: FixedText::new(name),
        link_state: u16::from(interface.link_up),
        references: interface.references,
    }
}
