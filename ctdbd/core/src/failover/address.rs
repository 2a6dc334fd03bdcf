// SPDX-License-Identifier: GPL-3.0-or-later
//! The public addresses that this node is configured with, and where each of them is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ctdb_protocol::id::{Generation, Pnn};

use super::connections::Connections;
use super::interface::Interfaces;

/// What scripts are told where an interface is not known.
pub(super) const NO_INTERFACE: &str = "__none__";

/// One public address.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) addr: IpAddr,
    /// Length of its network's prefix.
    pub(super) bits: u8,
    /// Where it may be put, in order of preference.
    pub(super) candidates: Vec<String>,
    /// Where it is, as far as this node put it there.
    pub(super) interface: Option<String>,
    /// The node that has it, as far as this node knows.
    pub(super) pnn: Pnn,
    pub(super) connections: Connections,
    /// The other nodes are to hear of a change in the connections.
    pub(super) connections_changed: bool,
    /// An event about it runs; there is at most one at a time.
    pub(super) in_flight: bool,
    /// That event is its release: who serves its connections is being cut off.
    pub(super) leaving: bool,
    /// To be forgotten with its next release.
    pub(super) delete_pending: bool,
    /// The generation of the databases in which it was announced last.
    pub(super) announced_in: Option<Generation>,
    age: u64,
}

impl Address {
    /// The interface in the words of scripts and logs.
    pub(super) fn interface_name(&self) -> &str {
        self.interface.as_deref().unwrap_or(NO_INTERFACE)
    }

    /// `ADDRESS/BITS`, for logs.
    pub(super) fn with_bits(&self) -> String {
        format!("{}/{}", self.addr, self.bits)
    }
}

/// All of them, with their interfaces.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    map: BTreeMap<IpAddr, Address>,
    pub(super) interfaces: Interfaces,
    last_age: u64,
}

impl Addresses {
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(super) fn find(&self, addr: IpAddr) -> Option<&Address> {
        self.map.get(&addr)
    }

    pub(super) fn find_mut(&mut self, addr: IpAddr) -> Option<&mut Address> {
        self.map.get_mut(&addr)
    }

    /// The address and, beside it, the interfaces.
    pub(super) fn split(&mut self, addr: IpAddr) -> Option<(&mut Address, &mut Interfaces)> {
        Some((self.map.get_mut(&addr)?, &mut self.interfaces))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Address> {
        self.map.values_mut()
    }

    /// The youngest first: the order in which GET_PUBLIC_IPS lists them.
    pub(super) fn youngest_first(&self) -> Vec<&Address> {
        let mut list: Vec<&Address> = self.map.values().collect();
        list.sort_by_key(|address| std::cmp::Reverse(address.age));
        list
    }

    /// Adds an address that nobody hosts yet. The caller has seen to it that it is new and that its
    /// interfaces exist.
    pub(super) fn insert(&mut self, addr: IpAddr, bits: u8, candidates: Vec<String>) {
        for name in &candidates {
            self.interfaces.add(name);
        }
        self.last_age += 1;
        let address = Address {
            addr,
            bits,
            candidates,
            interface: None,
            pnn: Pnn::UNKNOWN,
            connections: Connections::default(),
            connections_changed: false,
            in_flight: false,
            leaving: false,
            delete_pending: false,
            announced_in: None,
            age: self.last_age,
        };
        self.map.insert(addr, address);
    }

    /// Forgets an address, and its interfaces where no other address names them.
    pub(super) fn remove(&mut self, addr: IpAddr, own: Pnn) {
        self.unassign(addr, own);
        let Some(gone) = self.map.remove(&addr) else {
            return;
        };
        for name in &gone.candidates {
            if !self
                .map
                .values()
                .any(|address| address.candidates.contains(name))
            {
                self.interfaces.remove(name);
            }
        }
    }

    /// Puts an address on its best interface, unless it is on one. False if none is up.
    pub(super) fn assign(&mut self, addr: IpAddr, own: Pnn) -> bool {
        let Some((address, interfaces)) = self.split(addr) else {
            return false;
        };
        if address.interface.is_some() {
            return true;
        }
        let Some(best) = interfaces.best(&address.candidates) else {
            return false;
        };
        interfaces.reference(&best);
        address.interface = Some(best);
        address.pnn = own;
        true
    }

    /// Takes an address off its interface.
    pub(super) fn unassign(&mut self, addr: IpAddr, own: Pnn) {
        let Some((address, interfaces)) = self.split(addr) else {
            return;
        };
        if let Some(name) = address.interface.take() {
            interfaces.dereference(&name);
        }
        if address.pnn == own {
            address.pnn = Pnn::UNKNOWN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Pnn = Pnn(1);

    fn addr(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn two_interfaces() -> Addresses {
        let mut addresses = Addresses::default();
        for last in 1..=3 {
            addresses.insert(addr(last), 24, vec!["eth0".into(), "eth1".into()]);
        }
        addresses
    }

    #[test]
    fn addresses_spread_over_the_interfaces_that_are_up() {
        let mut addresses = two_interfaces();
        for last in 1..=3 {
            assert!(addresses.assign(addr(last), OWN));
        }
        let on =
            |addresses: &Addresses, last| addresses.find(addr(last)).unwrap().interface.clone();
        assert_eq!(on(&addresses, 1).as_deref(), Some("eth0"));
        assert_eq!(on(&addresses, 2).as_deref(), Some("eth1"));
        assert_eq!(on(&addresses, 3).as_deref(), Some("eth0"));
        assert_eq!(addresses.interfaces.references("eth0"), 2);
        addresses.interfaces.find_mut("eth0").unwrap().link_up = false;
        addresses.unassign(addr(3), OWN);
        assert_eq!(addresses.find(addr(3)).unwrap().pnn, Pnn::UNKNOWN);
        assert!(addresses.assign(addr(3), OWN));
        assert_eq!(on(&addresses, 3).as_deref(), Some("eth1"));
        addresses.interfaces.find_mut("eth1").unwrap().link_up = false;
        addresses.unassign(addr(3), OWN);
        assert!(!addresses.assign(addr(3), OWN));
    }

    #[test]
    fn an_interface_goes_with_its_last_address() {
        let mut addresses = two_interfaces();
        addresses.insert(addr(4), 24, vec!["eth2".into()]);
        addresses.remove(addr(4), OWN);
        assert!(addresses.interfaces.find("eth2").is_none());
        addresses.remove(addr(1), OWN);
        assert!(addresses.interfaces.find("eth0").is_some());
        let names: Vec<_> = addresses.interfaces.youngest_first();
        assert_eq!(names[0].0, "eth1");
        assert_eq!(addresses.youngest_first()[0].addr, addr(3));
    }
}
