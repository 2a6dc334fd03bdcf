//! Gratuitous ARP (neighbour advertisements for IPv6) and tickles, for addresses that have moved here.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use crate::log;
use crate::packet_socket::{Announcer, NO_PERMISSION, SegmentSender};

/// Whether it was said that raw packets cannot be sent at all.
static REFUSED: Once = Once::new();

/// Says what could not be sent; about a missing permission once and for all.
fn complain(what: &str, error: &io::Error) {
    if error.kind() == io::ErrorKind::PermissionDenied {
        REFUSED.call_once(|| log::error!("{NO_PERMISSION}"));
    } else {
        log::error!("{what} ({error})");
    }
}

/// Announces an address on an interface.
pub fn send(address: IpAddr, interface: &str) {
    if let Err(e) = Announcer.announce(address, interface) {
        complain(
            &format!("Failed to send ARP for {address} on interface {interface}"),
            &e,
        );
    }
}

/// Sends a tickle ACK for each (client, server) connection: the client answers, and learns from the
/// reset that follows that the server it knew is gone.
pub fn tickle(connections: &[(SocketAddr, SocketAddr)]) {
    let mut sender = SegmentSender::default();
    for (client, server) in connections {
        if let Err(e) = sender.tickle(*server, *client) {
            complain(&format!("Failed to send TCP tickle ACK to {client}"), &e);
        }
    }
}
