// SPDX-License-Identifier: GPL-3.0-or-later
//! The service itself: its state, and the ways in for what it waits for (timers, events, looks at the
//! machine's addresses). The controls are in the files beside this one, by subject.
//!
//! Whether an address is really on an interface is never remembered: before each decision about it the
//! machine is asked, and the decision waits for the answer. Controls that arrive meanwhile share it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use ctdb_config::public_addresses::PublicAddressLine;
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::types::{AddrInfo, Connection, PublicIp};

use super::address::Addresses;
use super::gratuitous_arp::Announcements;
use super::takeover_run::Edge;
use crate::context::Context;
use crate::control::Asker;
use crate::effect::Effect;
use crate::event::Event;

/// What other services tell this one.
#[derive(Debug)]
pub enum Letter {
    /// Cluster: clients and peers are let in. Read the addresses, begin what is done now and then.
    Start,
    /// Cluster: let go of every address.
    DropAll,
}

/// What a timer of this service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The next announcement of an address that has come here.
    Announce(u64),
    /// Tell the other nodes of changed connections.
    Connections,
}

/// What the end of an event of this service is for.
#[derive(Debug)]
pub enum AfterEvent {
    /// `takeip`: answer TAKEOVER_IP.
    Taken {
        /// Who asked.
        asker: Asker,
        /// The address.
        addr: IpAddr,
    },
    /// `updateip`: answer TAKEOVER_IP.
    Updated {
        /// Who asked.
        asker: Asker,
        /// The address.
        addr: IpAddr,
        /// Where it was before.
        old: Option<String>,
    },
    /// `releaseip`: answer RELEASE_IP.
    Released {
        /// Who asked.
        asker: Asker,
        /// The address.
        addr: IpAddr,
        /// The node that is to have it.
        target: Pnn,
    },
    /// `releaseip` while all addresses are dropped.
    Dropped(IpAddr),
    /// `startipreallocate` or `ipreallocated`: tell the clients, answer.
    Edge {
        /// Who asked.
        asker: Asker,
        /// Which of the two.
        edge: Edge,
    },
}

/// What the public addresses file was read for.
#[derive(Debug)]
pub enum AddressesWanted {
    /// The daemon starts.
    Boot,
    /// RELOAD_PUBLIC_IPS.
    Reload(Asker),
}

/// What a look at the machine's addresses is for.
#[derive(Debug)]
pub(super) enum AfterLook {
    Takeover {
        asker: Asker,
        ip: PublicIp,
    },
    Release {
        asker: Asker,
        ip: PublicIp,
    },
    Released {
        asker: Asker,
        addr: IpAddr,
        target: Pnn,
    },
    DropNext,
    Dropped {
        addr: IpAddr,
        status: i32,
    },
    Add {
        asker: Asker,
        info: AddrInfo,
    },
    Load {
        wanted: AddressesWanted,
        lines: Vec<PublicAddressLine>,
    },
}

/// Addresses and interfaces of the machine, as they were just now.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) interfaces: BTreeSet<String>,
}

/// The public addresses of this node and all that is known about them.
#[derive(Debug, Default)]
pub struct Failover {
    pub(super) addresses: Addresses,
    pub(super) machine: Machine,
    pub(super) announcements: Announcements,
    /// Connections that each client has told of.
    pub(super) clients: BTreeMap<ClientId, BTreeSet<Connection>>,
    /// Addresses that are still to be dropped.
    pub(super) dropping: VecDeque<IpAddr>,
    pub(super) dropped: u32,
    /// RELEASE_IP of addresses that are just being dropped: (address, who asked, the node to have it).
    pub(super) after_drop: Vec<(IpAddr, Asker, Pnn)>,
    /// RELOAD_PUBLIC_IPS under way.
    pub(super) reloading: Option<Asker>,
    looks: VecDeque<AfterLook>,
    looking: bool,
}

impl Failover {
    /// The daemon serves clients and peers: begin what is done now and then.
    fn start_periodic(&mut self, cx: &mut Context) {
        let interval_s = cx.tunables().tickle_update_interval().max(1);
        cx.arm(Duration::from_secs(u64::from(interval_s)), Due::Connections);
    }

    /// Reads a letter.
    pub(crate) fn read(&mut self, cx: &mut Context, letter: Letter) {
        match letter {
            Letter::Start => {
                self.boot(cx);
                self.start_periodic(cx);
            }
            Letter::DropAll => self.drop_all(cx),
        }
    }

    /// Whether it is this daemon's business what addresses the machine has.
    pub(super) fn checks_machine(cx: &Context) -> bool {
        !cx.settings().failover_disabled && !cx.settings().test_mode
    }

    /// Whether the machine has an address; to be asked in [`AfterLook`] steps only.
    pub(super) fn machine_has(&self, addr: IpAddr) -> bool {
        self.machine.addresses.contains(&addr)
    }

    /// Asks for the machine's addresses and goes on with `then`.
    pub(super) fn look(&mut self, cx: &mut Context, then: AfterLook) {
        self.looks.push_back(then);
        if !self.looking {
            self.looking = true;
            cx.effect(Effect::ReadAddresses);
        }
    }

    /// The machine's addresses and interfaces: as asked for, or because they changed.
    pub(crate) fn system_addresses(
        &mut self,
        cx: &mut Context,
        addresses: impl IntoIterator<Item = IpAddr>,
        interfaces: impl IntoIterator<Item = String>,
    ) {
        self.machine.addresses = addresses.into_iter().collect();
        self.machine.interfaces = interfaces.into_iter().collect();
        self.looking = false;
        // Only what waits now: a step that looks again wants what is true after it.
        for then in std::mem::take(&mut self.looks) {
            match then {
                AfterLook::Takeover { asker, ip } => self.decide_takeover(cx, asker, &ip, true),
                AfterLook::Release { asker, ip } => self.decide_release(cx, asker, &ip, true),
                AfterLook::Released {
                    asker,
                    addr,
                    target,
                } => {
                    self.finish_release(cx, asker, addr, target, true);
                }
                AfterLook::DropNext => self.drop_next(cx),
                AfterLook::Dropped { addr, status } => self.finish_drop(cx, addr, status),
                AfterLook::Add { asker, info } => self.add_now(cx, asker, &info),
                AfterLook::Load { wanted, lines } => self.load_now(cx, wanted, &lines),
            }
        }
    }

    /// An event that was started with [`crate::event::run`] has ended.
    pub(crate) fn after_event(&mut self, cx: &mut Context, then: AfterEvent, status: i32) {
        match then {
            AfterEvent::Taken { asker, addr } => {
                self.finish_takeip(cx, asker, addr, Event::TakeIp.verdict(status));
            }
            AfterEvent::Updated { asker, addr, old } => {
                self.finish_updateip(cx, asker, addr, old, Event::UpdateIp.verdict(status));
            }
            // The status of releaseip does not count; what counts is whether the address is gone.
            AfterEvent::Released {
                asker,
                addr,
                target,
            } => {
                if Self::checks_machine(cx) {
                    self.look(
                        cx,
                        AfterLook::Released {
                            asker,
                            addr,
                            target,
                        },
                    );
                } else {
                    self.finish_release(cx, asker, addr, target, false);
                }
            }
            AfterEvent::Dropped(addr) => {
                let status = Event::ReleaseIp.verdict(status);
                self.look(cx, AfterLook::Dropped { addr, status });
            }
            AfterEvent::Edge { asker, edge } => Self::finish_edge(cx, asker, edge, status),
        }
    }

    /// A timer of this service.
    pub(crate) fn due(&mut self, cx: &mut Context, due: Due) {
        match due {
            Due::Announce(number) => self.announce_again(cx, number),
            Due::Connections => {
                self.spread_connections(cx, false);
                self.start_periodic(cx);
            }
        }
    }
}
