// SPDX-License-Identifier: GPL-3.0-or-later
//! The TCP connections of one public address: those whose peers are tickled when it moves.

use std::collections::BTreeMap;

use ctdb_protocol::types::Connection;

/// A list that keeps upstream's order (a removal moves the last entry into the gap) and finds an
/// entry without a walk.
#[derive(Debug, Default)]
pub(super) struct Connections {
    list: Vec<Connection>,
    places: BTreeMap<Connection, usize>,
}

impl Connections {
    /// Adds a connection. False if it was there.
    pub(super) fn add(&mut self, connection: Connection) -> bool {
        let place = self.list.len();
        if self.places.contains_key(&connection) {
            return false;
        }
        self.places.insert(connection, place);
        self.list.push(connection);
        true
    }

    /// Removes a connection. False if it was not there.
    pub(super) fn remove(&mut self, connection: &Connection) -> bool {
        let Some(place) = self.places.remove(connection) else {
            return false;
        };
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(*moved, place);
        }
        true
    }

    /// Takes another node's list in place of this one.
    pub(super) fn replace(&mut self, list: Vec<Connection>) {
        *self = Self::default();
        for connection in list {
            self.add(connection);
        }
    }

    /// Takes all of them out.
    pub(super) fn take(&mut self) -> Vec<Connection> {
        self.places.clear();
        std::mem::take(&mut self.list)
    }

    pub(super) fn as_slice(&self) -> &[Connection] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use ctdb_protocol::types::SockAddr;

    use super::*;
    use crate::failover::tests::cpu_time_ms;

    fn connection(port: u16) -> Connection {
        let end = |last, port| SockAddr::from(std::net::SocketAddr::from(([10, 0, 0, last], port)));
        Connection {
            src: end(1, port),
            dst: end(2, 445),
        }
    }

    #[test]
    fn the_last_fills_the_gap() {
        let mut connections = Connections::default();
        for port in 1..=4 {
            assert!(connections.add(connection(port)));
        }
        assert!(!connections.add(connection(2)));
        assert!(connections.remove(&connection(2)));
        assert!(!connections.remove(&connection(2)));
        let ports = |connections: &Connections| {
            connections
                .as_slice()
                .iter()
                .map(|c| c.src.port())
                .collect::<Vec<_>>()
        };
        assert_eq!(ports(&connections), [1, 4, 3]);
        assert!(connections.remove(&connection(3)));
        assert!(connections.remove(&connection(4)));
        assert_eq!(ports(&connections), [1]);
    }

    /// A walk over the list for each of them would take many seconds.
    #[test]
    fn twenty_thousand_connections_come_and_go_at_once() {
        let began_ms = cpu_time_ms();
        let mut connections = Connections::default();
        for port in 0..20_000 {
            assert!(connections.add(connection(port)));
        }
        for port in 0..20_000 {
            assert!(!connections.add(connection(port)));
            assert!(connections.remove(&connection(port)));
        }
        assert!(connections.as_slice().is_empty());
        let needed_ms = cpu_time_ms() - began_ms;
        assert!(needed_ms < 2_000, "{needed_ms} ms");
    }
}
