// SPDX-License-Identifier: GPL-3.0-or-later
//! Connections of clients to public addresses: told by the node that serves them, kept by every node
//! that may have to tickle them.

use ctdb_protocol::control::{SetTcpTickleList, TcpAdd, TcpRemove};
use ctdb_protocol::id::{ClientId, Pnn};
use ctdb_protocol::types::{Connection, SockAddr, TickleList};

use super::service::Failover;
use crate::context::Context;
use crate::control::Asker;

impl Failover {
    /// TCP_CLIENT: a client of this node serves a connection.
    ///
    /// For this and the next two: the caller has made sure that `asker` is a living client of this
    /// node. Upstream takes the client number as it comes, so that a client of another node can hit
    /// one of this node, or a crash.
    pub(super) fn tcp_client(&mut self, cx: &mut Context, asker: Asker, connection: Connection) {
        if self.addresses.is_empty() {
            return cx.reply_status(asker, 0);
        }
        let client = asker.client;
        let connection = canonical(connection);
        let found = connection
            .dst
            .ip()
            .and_then(|addr| self.addresses.find(addr));
        let Some(address) = found else {
            cx.error(format!(
                "Could not register TCP connection {} - not a public address (client_id {client})",
                Arrow(&connection)
            ));
            return cx.reply_status(asker, 0);
        };
        if address.pnn != cx.pnn() {
            cx.error(format!(
                "Attempt to register tcp client for IP {} we don't hold - failing (client_id {client})",
                connection.dst
            ));
            // An smbd ends on hearing this.
            return cx.reply_status(asker, -1);
        }
        self.clients.entry(client).or_default().insert(connection);
        cx.info(format!(
            "Registered TCP connection {} (client_id {client})",
            Arrow(&connection)
        ));
        cx.announce::<TcpAdd>(Pnn::BROADCAST_CONNECTED, &connection);
        cx.reply_status(asker, 0);
    }

    /// TCP_CLIENT_DISCONNECTED: a connection is over, the client goes on. Not told to others when the release
    /// of its address has cut it off: only this end of it is gone, and the node that gets the address has
    /// to reset the other one. Upstream tells them, and that end waits for its time-out.
    pub(super) fn tcp_client_disconnected(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        connection: Connection,
    ) {
        let connection = canonical(connection);
        if self.take_from_client(asker.client, &connection) {
            cx.info(format!(
                "deregistered TCP connection {}",
                Arrow(&connection)
            ));
            if !self.is_leaving(&connection) {
                cx.announce::<TcpRemove>(Pnn::BROADCAST_CONNECTED, &connection);
            }
        }
        cx.reply_status(asker, 0);
    }

    /// Whether the address that a connection goes to is being released.
    fn is_leaving(&self, connection: &Connection) -> bool {
        let ip = connection.dst.ip();
        ip.and_then(|addr| self.addresses.find(addr))
            .is_some_and(|address| address.leaving)
    }

    /// TCP_CLIENT_PASSED: another process has taken a connection over and will tell of it.
    pub(super) fn tcp_client_passed(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        connection: Connection,
    ) {
        let connection = canonical(connection);
        if self.take_from_client(asker.client, &connection) {
            cx.info(format!(
                "TCP connection from {} passed to another client",
                Arrow(&connection)
            ));
        }
        cx.reply_status(asker, 0);
    }

    fn take_from_client(&mut self, client: ClientId, connection: &Connection) -> bool {
        self.clients
            .get_mut(&client)
            .is_some_and(|list| list.remove(connection))
    }

    /// A client has gone, and its connections with it. Not if their address has left this node just
    /// before, or is about to: then the node that gets it still needs them.
    pub(crate) fn client_gone(&mut self, cx: &mut Context, client: ClientId) {
        for connection in self.clients.remove(&client).unwrap_or_default() {
            let found = connection
                .dst
                .ip()
                .and_then(|addr| self.addresses.find_mut(addr));
            if let Some(address) =
                found.filter(|address| address.pnn == cx.pnn() && !address.leaving)
            {
                address.connections_changed |= address.connections.remove(&connection);
            }
        }
    }

    /// TCP_ADD, and with `spread` TCP_ADD_DELAYED_UPDATE, which only the own node hears.
    pub(super) fn tcp_add(
        &mut self,
        cx: &mut Context,
        asker: Asker,
        connection: Connection,
        spread: bool,
    ) {
        if self.addresses.is_empty() {
            return cx.reply_status(asker, 0);
        }
        let found = connection
            .dst
            .ip()
            .and_then(|addr| self.addresses.find_mut(addr));
        let Some(address) = found else {
            let text = "but destination is not a public address";
            cx.info(format!(
                "Attempt to add connection {} {text}",
                Arrow(&connection)
            ));
            return cx.reply_status(asker, -1);
        };
        if address.connections.add(connection) {
            address.connections_changed |= spread;
        }
        cx.reply_status(asker, 0);
    }

    /// TCP_REMOVE.
    pub(super) fn tcp_remove(&mut self, cx: &mut Context, asker: Asker, connection: Connection) {
        let nowhere = self.addresses.is_empty();
        let found = connection
            .dst
            .ip()
            .and_then(|addr| self.addresses.find_mut(addr));
        match found {
            Some(address) => address.connections_changed |= address.connections.remove(&connection),
            None if nowhere => {}
            None => cx.error(format!(
                "Attempt to remove connection {} but destination is not a public address",
                Arrow(&connection)
            )),
        }
        cx.reply_status(asker, 0);
    }

    /// STARTUP of some node: tell it, and all others, of every connection to an address that is here.
    pub(super) fn startup(&mut self, cx: &mut Context, asker: Asker) {
        cx.info(format!("Received startup control from node {}", asker.node));
        self.spread_connections(cx, true);
        cx.reply_status(asker, 0);
    }

    /// Sends the connections of addresses that are here to all nodes: those that changed, or all.
    pub(super) fn spread_connections(&mut self, cx: &mut Context, all: bool) {
        let own = cx.pnn();
        for address in self
            .addresses
            .iter_mut()
            .filter(|address| address.pnn == own)
        {
            if !std::mem::take(&mut address.connections_changed) && !all {
                continue;
            }
            let list = TickleList {
                addr: SockAddr::from(address.addr),
                connections: address.connections.as_slice().to_vec(),
            };
            cx.announce::<SetTcpTickleList>(Pnn::BROADCAST_ALL, &list);
            cx.info(format!("Sent tickle update for ip {}", address.addr));
        }
    }

    /// SET_TCP_TICKLE_LIST: the node that hosts an address tells of its connections.
    pub(super) fn set_tcp_tickle_list(&mut self, cx: &mut Context, asker: Asker, list: TickleList) {
        let found = list
            .addr
            .ip()
            .and_then(|addr| self.addresses.find_mut(addr));
        let Some(address) = found else {
            let addr = list.addr;
            cx.info(format!(
                "Could not set tcp tickle list, '{addr}' is not a public address"
            ));
            return cx.reply_status(asker, 1);
        };
        if address.pnn != cx.pnn() {
            address.connections.replace(list.connections);
        }
        cx.reply_status(asker, 0);
    }

    /// GET_TCP_TICKLE_LIST: the connections of an address, of one port of it if one is given.
    pub(super) fn get_tcp_tickle_list(&mut self, cx: &mut Context, asker: Asker, addr: SockAddr) {
        let found = addr.ip().and_then(|ip| self.addresses.find(ip));
        let Some(address) = found else {
            cx.error(format!(
                "Could not get tcp tickle list, '{addr}' is not a public address"
            ));
            return cx.reply_status(asker, 1);
        };
        let port = addr.port();
        let all = address.connections.as_slice().iter().copied();
        let connections = all
            .filter(|connection| port == 0 || connection.dst.port() == port)
            .collect();
        cx.reply_with(asker, &TickleList { addr, connections });
    }
}

/// IPv4 addresses that were mapped into IPv6, taken out again.
fn canonical(connection: Connection) -> Connection {
    Connection {
        src: connection.src.canonical(),
        dst: connection.dst.canonical(),
    }
}

/// A connection as logs show it.
struct Arrow<'a>(&'a Connection);

impl std::fmt::Display for Arrow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Connection { src, dst } = self.0;
        write!(f, "{src}:{} -> {dst}:{}", src.port(), dst.port())
    }
}
