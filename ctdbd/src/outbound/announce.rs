//! Packets about addresses that have moved here.

use std::net::{IpAddr, SocketAddr};

use crate::log;
use crate::packet_socket::{Announcer, SegmentSender};

/// Announces an address on an interface.
pub fn announce(address: IpAddr, interface: &str) {
    if let Err(e) = Announcer.announce(address, interface) {
        log::error!("sending of announcement for {address} on {interface} failed ({e})");
    }
}

/// Sends a tickle ACK for each (client, server) connection: the client answers, and learns from the
/// reset that follows that the server it knew is gone.
pub fn tickle(connections: &[(SocketAddr, SocketAddr)]) {
    let mut sender = SegmentSender::default();
    for (client, server) in connections {
        if let Err(e) = sender.tickle(*server, *client) {
            log::error!("Failed to send tcp tickle ack for {client}: {e}");
        }
    }
}
