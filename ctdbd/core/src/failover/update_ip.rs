// SPDX-License-Identifier: GPL-3.0-or-later
//! Moving an address from one interface of this node to another.

use std::net::IpAddr;

use super::address::NO_INTERFACE;
use super::service::{AfterEvent, Failover};
use crate::context::Context;
use crate::control::Asker;
use crate::event::{self, Event};

impl Failover {
    /// Puts the address on its best interface.
    pub(super) fn update(&mut self, cx: &mut Context, asker: Asker, addr: IpAddr) {
        let own = cx.pnn();
        if self.refuse_in_flight(cx, "Update", addr) {
            return cx.reply_status(asker, -1);
        }
        let old = self
            .addresses
            .find(addr)
            .and_then(|address| address.interface.clone());
        let old_name = old.clone().unwrap_or_else(|| NO_INTERFACE.to_owned());
        self.addresses.unassign(addr, own);
        if !self.addresses.assign(addr, own) {
            cx.error(format!(
                "Update of IP {addr} failed to assign a usable interface (old iface '{old_name}')"
            ));
            return cx.reply_status(asker, -1);
        }
        let Some(address) = self.addresses.find_mut(addr) else {
            return cx.reply_status(asker, -1);
        };
        if address.interface == old {
            return cx.reply_status(asker, 0);
        }
        let new_name = address.interface_name().to_owned();
        let with_bits = address.with_bits();
        cx.notice(format!(
            "Update of IP {with_bits} from interface {old_name} to {new_name}"
        ));
        let bits = address.bits.to_string();
        let args = vec![old_name.clone(), new_name.clone(), addr.to_string(), bits];
        let then = AfterEvent::Updated { asker, addr, old };
        address.in_flight = event::run(cx, Event::UpdateIp, args, then);
        if !address.in_flight {
            cx.error(format!(
                "Failed update IP {addr} from interface {old_name} to {new_name}"
            ));
            cx.reply_status(asker, -1);
        }
    }

    pub(super) fn finish_updateip(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        addr: IpAddr,
        old: Option<String>,
        status: i32,
    ) {
        if let Some(address) = self.addresses.find_mut(addr) {
            address.in_flight = false;
        }
        if status != 0 {
            cx.error(format!(
                "Failed update of IP {addr} from interface {}",
                old.as_deref().unwrap_or(NO_INTERFACE)
            ));
            // Back to where it was; the next run will see to the rest. Nobody counts as its node.
            self.addresses.unassign(addr, cx.pnn());
            if let (Some(old), Some((address, interfaces))) = (old, self.addresses.split(addr)) {
                interfaces.reference(&old);
                address.interface = Some(old);
            }
        }
        cx.reply_status(asker, status);
    }
}
