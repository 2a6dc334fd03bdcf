// SPDX-License-Identifier: GPL-3.0-or-later
//! The interfaces that public addresses may be put on.

use std::collections::BTreeMap;

/// Longest name that goes on the wire.
pub(super) const LONGEST_NAME: usize = 16;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// Whether the scripts see a link; true until they say otherwise.
    pub(super) link_up: bool,
    /// Number of public addresses that are on it now.
    pub(super) references: u32,
    /// The higher, the younger.
    age: u64,
}

/// All interfaces that some public address names.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    map: BTreeMap<String, Interface>,
    last_age: u64,
}

impl Interfaces {
    pub(super) fn add(&mut self, name: &str) {
        if !self.map.contains_key(name) {
            self.last_age += 1;
            let interface = Interface {
                link_up: true,
                references: 0,
                age: self.last_age,
            };
            self.map.insert(name.to_owned(), interface);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Interface> {
        self.map.get(name)
    }

    pub(super) fn find_mut(&mut self, name: &str) -> Option<&mut Interface> {
        self.map.get_mut(name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.map.remove(name);
    }

    pub(super) fn is_up(&self, name: &str) -> bool {
        self.find(name).is_some_and(|interface| interface.link_up)
    }

    pub(super) fn references(&self, name: &str) -> u32 {
        self.find(name).map_or(0, |interface| interface.references)
    }

    /// The first of the candidates that is up and has the fewest addresses.
    pub(super) fn best(&self, candidates: &[String]) -> Option<String> {
        let up = candidates.iter().filter(|name| self.is_up(name));
        up.min_by_key(|name| self.references(name)).cloned()
    }

    /// One address more on `name`.
    pub(super) fn reference(&mut self, name: &str) {
        if let Some(interface) = self.find_mut(name) {
            interface.references += 1;
        }
    }

    /// One address less on `name`.
    pub(super) fn dereference(&mut self, name: &str) {
        if let Some(interface) = self.find_mut(name) {
            interface.references = interface.references.saturating_sub(1);
        }
    }

    /// The youngest first: the order in which GET_IFACES lists them.
    pub(super) fn youngest_first(&self) -> Vec<(&String, &Interface)> {
        let mut list: Vec<_> = self.map.iter().collect();
        list.sort_by_key(|(_, interface)| std::cmp::Reverse(interface.age));
        list
    }
}
