// SPDX-License-Identifier: GPL-3.0-or-later
//! Gratuitous ARP and tickles: the network and the peers of open connections notice that an address has moved.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ctdb_protocol::types::{AddrInfo, Connection};

use super::service::{Due, Failover};
use crate::context::Context;
use crate::control::Asker;
use crate::effect::Effect;

/// How often each announcement is made.
const SHOTS: u32 = 3;
/// Pause between them after a takeover.
const TAKEOVER_PAUSE: Duration = Duration::from_millis(1100);
/// Pause between them when asked for by SEND_GRATUITOUS_ARP.
const REQUESTED_PAUSE: Duration = Duration::from_secs(1);

/// One address that is being announced.
#[derive(Debug)]
struct Series {
    addr: IpAddr,
    shots_left: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Goes where the address is, and ends when it leaves; tickles these connections each time.
    Takeover { connections: Vec<Connection> },
    /// Goes to an interface as told.
    Requested { interface: String },
}

/// All announcements under way.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    series: BTreeMap<u64, Series>,
    last: u64,
}

impl Announcements {
    fn add(&mut self, addr: IpAddr, kind: Kind) -> u64 {
        self.last += 1;
        self.series.insert(
            self.last,
            Series {
                addr,
                shots_left: SHOTS,
                kind,
            },
        );
        self.last
    }

    /// The address is about to leave.
    pub(super) fn stop(&mut self, addr: IpAddr) {
        self.series.retain(|_, series| {
            series.addr != addr || matches!(series.kind, Kind::Requested { .. })
        });
    }
}

impl Failover {
    /// Announces an address that has come here. Its connections go into the announcement: they belong
    /// to the node that had it, and clients that come back will be told of anew.
    pub(super) fn announce(&mut self, cx: &mut Context, addr: IpAddr) {
        let Some(address) = self.addresses.find_mut(addr) else {
            return;
        };
        let connections = address.connections.take();
        if !connections.is_empty() {
            address.connections_changed = true;
            cx.info(format!(
                "Send TCP tickle ACKs for {} connections to {addr}",
                connections.len()
            ));
        }
        address.announced_in = Some(cx.generation());
        let number = self.announcements.add(addr, Kind::Takeover { connections });
        self.announce_again(cx, number);
    }

    /// Announces an address that has been here all the time, if there was a recovery since it was
    /// announced: nodes came or went then, and while this one was out of reach (it stood still, say)
    /// another may have had the address and told the network so. Clients would go on sending there
    /// until they ask of their own accord, which takes most of a minute. Upstream leaves them to that.
    pub(super) fn remind(&mut self, cx: &mut Context, addr: IpAddr) {
        let generation = Some(cx.generation());
        let found = self.addresses.find_mut(addr);
        let Some(address) = found.filter(|address| address.announced_in != generation) else {
            return;
        };
        address.announced_in = generation;
        // The connections are alive: nothing to tickle.
        let connections = Vec::new();
        let number = self.announcements.add(addr, Kind::Takeover { connections });
        self.announce_again(cx, number);
    }

    /// SEND_GRATUITOUS_ARP.
    pub(super) fn send_gratuitous_arp(&mut self, cx: &mut Context, asker: Asker, info: &AddrInfo) {
        cx.reply_status(asker, 0);
        let Some(addr) = info.addr.ip() else {
            return cx.error("Failed to send gratuitous ARP: not an ipv4/ipv6 address");
        };
        let interface = info.iface.to_str_lossy().into_owned();
        let number = self.announcements.add(addr, Kind::Requested { interface });
        self.announce_again(cx, number);
    }

    pub(super) fn announce_again(&mut self, cx: &mut Context, number: u64) {
        let Some(series) = self.announcements.series.get_mut(&number) else {
            return;
        };
        let address = series.addr;
        let (interface, pause) = match &series.kind {
            Kind::Requested { interface } => (Some(interface.clone()), REQUESTED_PAUSE),
            Kind::Takeover { .. } => {
                let found = self.addresses.find(address);
                (
                    found.and_then(|address| address.interface.clone()),
                    TAKEOVER_PAUSE,
                )
            }
        };
        let Some(interface) = interface else {
            cx.info(format!("Cancelling ARP send for released IP {address}"));
            self.announcements.series.remove(&number);
            return;
        };
        cx.effect(Effect::AnnounceAddress { address, interface });
        if let Kind::Takeover { connections } = &series.kind
            && !connections.is_empty()
        {
            let ends = |c: &Connection| Some((c.src.to_socket_addr()?, c.dst.to_socket_addr()?));
            cx.effect(Effect::Tickle {
                connections: connections.iter().filter_map(ends).collect(),
            });
        }
        series.shots_left -= 1;
        if series.shots_left == 0 {
            self.announcements.series.remove(&number);
        } else {
            cx.arm(pause, Due::Announce(number));
        }
    }
}
