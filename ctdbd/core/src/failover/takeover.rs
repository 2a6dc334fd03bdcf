// SPDX-License-Identifier: GPL-3.0-or-later
//! What the leader's takeover run asks of a node about an address: RELEASE_IP, TAKEOVER_IP, in this
//! order. Its beginning and end are in [`super::takeover_run`].

use std::net::IpAddr;

use bytes::Bytes;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::PublicIp;

use super::service::{AfterEvent, AfterLook, Failover};
use crate::cluster;
use crate::context::Context;
use crate::control::Asker;
use crate::event::{self, Event};

impl Failover {
    /// TAKEOVER_IP: this node is to host an address.
    pub(super) fn takeover_ip(&mut self, cx: &mut Context, asker: Asker, ip: PublicIp) {
        let PublicIp { pnn, addr } = ip;
        if pnn != cx.pnn() {
            let own = cx.pnn();
            cx.error(format!(
                "takeoverip called for an ip '{addr}' with pnn {pnn}, but we're node {own}"
            ));
            return cx.reply_status(asker, -1);
        }
        if Self::checks_machine(cx) {
            self.look(cx, AfterLook::Takeover { asker, ip });
        } else {
            self.decide_takeover(cx, asker, &ip, false);
        }
    }

    /// The rest of TAKEOVER_IP; `looked` says that the machine was asked.
    pub(super) fn decide_takeover(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        ip: &PublicIp,
        looked: bool,
    ) {
        let known = ip
            .addr
            .ip()
            .filter(|addr| self.addresses.find(*addr).is_some());
        let Some(addr) = known else {
            cx.info(format!(
                "takeoverip called for an ip '{}' that is not a public address",
                ip.addr
            ));
            return cx.reply_status(asker, 0);
        };
        let have_ip = looked && self.machine_has(addr);
        match self.takeover_step(cx, addr, have_ip) {
            Ok(Step::Take) => self.take(cx, asker, addr),
            Ok(Step::Update) => self.update(cx, asker, addr),
            Ok(Step::Nothing) => {
                self.remind(cx, addr);
                cx.reply_status(asker, 0);
            }
            Err(()) => cx.reply_status(asker, -1),
        }
    }

    /// What has to be done so that this node hosts the address; an error when it cannot.
    fn takeover_step(&mut self, cx: &mut Context, addr: IpAddr, have_ip: bool) -> Result<Step, ()> {
        let own = cx.pnn();
        let (address, interfaces) = self.addresses.split(addr).ok_or(())?;
        let (name, with_bits) = (address.interface_name(), address.with_bits());
        let Some(best) = interfaces.best(&address.candidates) else {
            cx.error(format!(
                "takeoverip of IP {with_bits} failed to find a usable interface (old {name}, have_ip {})",
                u8::from(have_ip)
            ));
            return Err(());
        };
        if have_ip && address.pnn != own && address.pnn != Pnn::UNKNOWN {
            cx.error(format!(
                "takeoverip of IP {addr} is known to the kernel, and we have it on iface[{name}], \
                 but it was assigned to node {} and we are node {own}, banning ourself",
                address.pnn
            ));
            cx.post(cluster::Letter::BanMe);
            return Err(());
        }
        let mut misplaced = false;
        if have_ip && address.pnn == Pnn::UNKNOWN {
            // Connections are reset by this, but it mends what does not fit together.
            cx.warning(format!(
                "Doing updateip for IP {addr} already on an interface"
            ));
            misplaced = true;
        }
        if let Some(current) = address
            .interface
            .as_ref()
            .filter(|current| **current != best)
        {
            // Moving for balance alone has to gain something.
            let gains = interfaces.references(current) > interfaces.references(&best) + 1;
            misplaced |= !interfaces.is_up(current) || gains;
        }
        if !have_ip {
            if misplaced {
                self.addresses.unassign(addr, own);
            }
            return Ok(Step::Take);
        }
        if misplaced {
            return Ok(Step::Update);
        }
        cx.info(format!(
            "Redundant takeover of IP {with_bits} on interface {name} (ip already held)"
        ));
        Ok(Step::Nothing)
    }

    fn take(&mut self, cx: &mut Context, asker: Asker, addr: IpAddr) {
        if self.refuse_in_flight(cx, "Takeover", addr) {
            return cx.reply_status(asker, -1);
        }
        if !self.addresses.assign(addr, cx.pnn()) {
            cx.error(format!(
                "Takeover of IP {addr} failed to assign a usable interface"
            ));
            return cx.reply_status(asker, -1);
        }
        let Some(address) = self.addresses.find_mut(addr) else {
            return cx.reply_status(asker, -1);
        };
        let name = address.interface_name().to_owned();
        cx.notice(format!(
            "Takeover of IP {} on interface {name}",
            address.with_bits()
        ));
        let args = vec![name.clone(), addr.to_string(), address.bits.to_string()];
        let then = AfterEvent::Taken { asker, addr };
        address.in_flight = event::run(cx, Event::TakeIp, args, then);
        if !address.in_flight {
            cx.error(format!("Failed to takeover IP {addr} on interface {name}"));
            cx.reply_status(asker, -1);
        }
    }

    pub(super) fn finish_takeip(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        addr: IpAddr,
        status: i32,
    ) {
        if let Some(address) = self.addresses.find_mut(addr) {
            address.in_flight = false;
        }
        if status != 0 {
            // The address stays assigned: that it is not there will be noticed, and tried again.
            cx.error(format!("Failed to takeover IP {addr}"));
            return cx.reply_status(asker, status);
        }
        if !cx.settings().test_mode {
            self.announce(cx, addr);
        }
        cx.message(cx.pnn(), Srvid::TAKE_IP, text_of(addr));
        cx.reply_status(asker, 0);
    }

    /// RELEASE_IP: this node is not to host an address, and learns who is.
    pub(super) fn release_ip(&mut self, cx: &mut Context, asker: Asker, ip: PublicIp) {
        let known = ip
            .addr
            .ip()
            .filter(|addr| self.addresses.find(*addr).is_some());
        let Some(addr) = known else {
            cx.info(format!(
                "releaseip called for an ip '{}' that is not a public address",
                ip.addr
            ));
            return cx.reply_status(asker, 0);
        };
        self.announcements.stop(addr);
        if Self::checks_machine(cx) {
            self.look(cx, AfterLook::Release { asker, ip });
        } else {
            self.decide_release(cx, asker, &ip, false);
        }
    }

    /// The rest of RELEASE_IP; `looked` says that the machine was asked.
    pub(super) fn decide_release(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        ip: &PublicIp,
        looked: bool,
    ) {
        let own = cx.pnn();
        let target = ip.pnn;
        let found = ip.addr.ip().and_then(|addr| self.addresses.find(addr));
        let Some(address) = found else {
            return cx.reply_status(asker, 0);
        };
        let addr = address.addr;
        let held = if looked {
            self.machine_has(addr)
        } else {
            address.interface.is_some()
        };
        if !held {
            if let Some(address) = self.addresses.find_mut(addr) {
                address.pnn = target;
            }
            self.addresses.unassign(addr, own);
            return cx.reply_status(asker, 0);
        }
        if address.in_flight && self.dropping.front() == Some(&addr) {
            // It is on its way out already. Saying no, as upstream does, fails the takeover run that
            // follows a `ctdb stop`, counts against this node, and makes clients wait for the next run.
            return self.after_drop.push((addr, asker, target));
        }
        if self.refuse_in_flight(cx, "Release", addr) {
            return cx.reply_status(asker, -1);
        }
        let Some(address) = self.addresses.find_mut(addr) else {
            return cx.reply_status(asker, 0);
        };
        let name = address.interface_name().to_owned();
        let with_bits = address.with_bits();
        cx.notice(format!(
            "Release of IP {with_bits} on interface {name}  node:{}",
            target.0.cast_signed()
        ));
        let args = vec![name.clone(), addr.to_string(), address.bits.to_string()];
        let then = AfterEvent::Released {
            asker,
            addr,
            target,
        };
        address.in_flight = event::run(cx, Event::ReleaseIp, args, then);
        address.leaving = address.in_flight;
        if !address.in_flight {
            cx.error(format!("Failed to release IP {addr} on interface {name}"));
            cx.reply_status(asker, -1);
        }
    }

    pub(super) fn finish_release(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        addr: IpAddr,
        target: Pnn,
        looked: bool,
    ) {
        let still_there = looked && self.machine_has(addr);
        if let Some(address) = self.addresses.find_mut(addr) {
            address.in_flight = false;
            address.leaving = false;
            if !still_there {
                address.pnn = target;
            }
        }
        if still_there {
            cx.error(format!(
                "IP {addr} still hosted during release IP callback, failing"
            ));
            return cx.reply_status(asker, -1);
        }
        self.released(cx, addr);
        cx.reply_status(asker, 0);
    }

    /// An address has left this node: tell the clients, and forget it if that was wanted.
    pub(super) fn released(&mut self, cx: &mut Context, addr: IpAddr) {
        let own = cx.pnn();
        cx.message(own, Srvid::RELEASE_IP, text_of(addr));
        self.addresses.unassign(addr, own);
        if self
            .addresses
            .find(addr)
            .is_some_and(|address| address.delete_pending)
        {
            self.forget(addr, own);
        }
    }

    /// Says no, and why, while an event about the address runs.
    pub(super) fn refuse_in_flight(&self, cx: &mut Context, what: &str, addr: IpAddr) -> bool {
        let busy = self
            .addresses
            .find(addr)
            .filter(|address| address.in_flight);
        if let Some(address) = busy {
            cx.notice(format!(
                "{what} of IP {} rejected update for this IP already in flight",
                address.with_bits()
            ));
        }
        busy.is_some()
    }
}

/// What TAKEOVER_IP comes down to.
enum Step {
    /// Event `takeip`.
    Take,
    /// Event `updateip`.
    Update,
    /// All is well already.
    Nothing,
}

/// An address as messages carry it: text and NUL.
fn text_of(addr: IpAddr) -> Bytes {
    Bytes::from(format!("{addr}\0"))
}
