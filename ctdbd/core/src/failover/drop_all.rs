// SPDX-License-Identifier: GPL-3.0-or-later
//! Letting go of every address without being told by the leader: when this node is stopped or banned,
//! or a recovery does not end.

use std::net::IpAddr;

use super::service::{AfterEvent, AfterLook, Failover};
use crate::context::Context;
use crate::event::{self, Event};

impl Failover {
    /// Releases all addresses that the machine has, one after the other. Upstream:
    /// `ctdb_release_all_ips`.
    pub(super) fn drop_all(&mut self, cx: &mut Context) {
        if cx.settings().failover_disabled || self.addresses.is_empty() {
            return;
        }
        let idle = self.dropping.is_empty();
        for address in self.addresses.youngest_first() {
            if !self.dropping.contains(&address.addr) {
                self.dropping.push_back(address.addr);
            }
        }
        if idle {
            self.dropped = 0;
            self.look(cx, AfterLook::DropNext);
        }
    }

    /// Begins with the next address that is really there. The entry stays in the list while its event
    /// runs.
    pub(super) fn drop_next(&mut self, cx: &mut Context) {
        while let Some(addr) = self.dropping.front().copied() {
            if self.begin_drop(cx, addr) {
                return;
            }
            self.dropping.pop_front();
        }
        cx.notice(format!("Released {} public IPs", self.dropped));
    }

    /// True when an event about the address runs now.
    fn begin_drop(&mut self, cx: &mut Context, addr: IpAddr) -> bool {
        let there = self.machine_has(addr);
        let Some(address) = self.addresses.find_mut(addr) else {
            return false;
        };
        let name = address.interface_name().to_owned();
        let with_bits = address.with_bits();
        // First, since what comes just now is not there yet, and stays assigned.
        if address.in_flight {
            cx.warning(format!(
                "Not releasing IP {with_bits} on interface {name}, an update is already in progress"
            ));
            return false;
        }
        if !there {
            self.addresses.unassign(addr, cx.pnn());
            return false;
        }
        cx.info(format!(
            "Release of IP {with_bits} on interface {name} node:-1"
        ));
        let args = vec![name, addr.to_string(), address.bits.to_string()];
        let then = AfterEvent::Dropped(addr);
        address.in_flight = event::run(cx, Event::ReleaseIp, args, then);
        address.leaving = address.in_flight;
        address.in_flight
    }

    pub(super) fn finish_drop(&mut self, cx: &mut Context, addr: IpAddr, status: i32) {
        self.dropping.retain(|other| *other != addr);
        if let Some(address) = self.addresses.find_mut(addr) {
            address.in_flight = false;
            address.leaving = false;
        }
        match (self.machine_has(addr), status) {
            (true, 0) => cx.error(format!("IP {addr} not released (timed out?)")),
            (true, _) => cx.error(format!("Error releasing IP {addr}")),
            // Some script after the one that removes addresses: the rest of its work may be undone.
            (false, status) if status != 0 => {
                cx.error(format!("Error releasing IP {addr} (but IP is gone!)"));
            }
            (false, _) => {
                self.released(cx, addr);
                self.dropped += 1;
            }
        }
        self.answer_releases(cx, addr);
        self.drop_next(cx);
    }

    /// Answers those who asked for the release of an address while it was being dropped.
    fn answer_releases(&mut self, cx: &mut Context, addr: IpAddr) {
        let still_there = self.machine_has(addr);
        let asked = self.after_drop.extract_if(.., |(other, ..)| *other == addr);
        for (_, asker, target) in asked.collect::<Vec<_>>() {
            if still_there {
                cx.reply_status(asker, -1);
                continue;
            }
            if let Some(address) = self.addresses.find_mut(addr) {
                address.pnn = target;
            }
            cx.reply_status(asker, 0);
        }
    }
}
