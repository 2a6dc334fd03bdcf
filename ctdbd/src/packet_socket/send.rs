// SPDX-License-Identifier: GPL-3.0-or-later
//! Raw sockets: sending what [`super::build`] makes, and capturing what passes.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket, Type};

use super::build::{self, ArpKind};
use super::link::{self, Link};
use super::segment::Segment;
use crate::sys::link_address::{ETH_P_ALL, ETH_P_ARP, link_address};

/// Bytes of a captured packet that are looked at: an IP and a TCP header with some options.
const CAPTURE_LENGTH: usize = 128;

/// Announces addresses on interfaces.
#[derive(Debug, Default)]
pub struct Announcer;

impl Announcer {
    /// Tells everyone on `interface` that `addr` is now there: ARP request and reply, or a neighbour
    /// advertisement. Does nothing on the loopback interface.
    ///
    /// # Errors
    /// No such interface, a kind of interface without announcements, or the packet cannot be sent;
    /// [`io::ErrorKind::PermissionDenied`] means that CAP_NET_RAW is missing.
    pub fn announce(&self, addr: IpAddr, interface: &str) -> io::Result<()> {
        let link = link::link(interface)?;
        match link.kind {
            link::LOOPBACK => Ok(()),
            link::ETHERNET => announce_ethernet(addr, &link),
            link::INFINIBAND => announce_infiniband(addr, &link),
            kind => {
                let text = format!("Not an ethernet address family (0x{kind:x})");
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
        }
    }
}

fn announce_ethernet(addr: IpAddr, link: &Link) -> io::Result<()> {
    let mac = hardware_address(link)?;
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    let frames = match addr {
        IpAddr::V4(addr) => vec![
            build::arp_frame(addr, mac, ArpKind::Request),
            build::arp_frame(addr, mac, ArpKind::Reply),
        ],
        IpAddr::V6(addr) => vec![build::advertisement_frame(addr, mac)],
    };
    for frame in frames {
        let target = link_address(link.index, ETH_P_ALL, &frame[..build::ETHERNET])?;
        socket.send_to(&frame, &target)?;
    }
    Ok(())
}

fn announce_infiniband(addr: IpAddr, link: &Link) -> io::Result<()> {
    let hardware: [u8; build::INFINIBAND] = hardware_address(link)?;
    match addr {
        IpAddr::V4(addr) => {
            let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
            let target = link_address(link.index, ETH_P_ARP, &link.broadcast)?;
            for kind in [ArpKind::Request, ArpKind::Reply] {
                socket.send_to(&build::arp_infiniband(addr, &hardware, kind), &target)?;
            }
        }
        IpAddr::V6(addr) => {
            // The kernel knows how a multicast address maps to the fabric: leave the link layer to it.
            let scope = u32::try_from(link.index).unwrap_or_default();
            let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
            let target = SocketAddrV6::new(all_nodes, 0, 0, scope);
            let packet = build::advertisement(addr, &hardware);
            raw_socket(Domain::IPV6)?.send_to(&packet, &target.into())?;
        }
    }
    Ok(())
}

fn hardware_address<const N: usize>(link: &Link) -> io::Result<[u8; N]> {
    let broken = || io::Error::other(format!("Interface '{}' has an odd address", link.name));
    link.address.as_slice().try_into().map_err(|_| broken())
}

/// A socket that takes whole IP packets, header included.
fn raw_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    if domain == Domain::IPV4 {
        socket.set_header_included_v4(true)?;
    }
    Ok(socket)
}

/// Sends TCP segments in the name of others. Sockets are opened when first needed and kept.
#[derive(Debug, Default)]
pub struct SegmentSender {
    ipv4: Option<Socket>,
    ipv6: Option<Socket>,
}

impl SegmentSender {
    /// Sends an ACK that acknowledges nothing, from `src` to `dst`. The receiver answers it with the
    /// numbers it expects: a live host resets the connection on seeing that answer.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn tickle(&mut self, src: SocketAddr, dst: SocketAddr) -> io::Result<()> {
        self.send(src, dst, [0; 4], [0; 4], false)
    }

    /// Sends a segment without data, flags ACK, or ACK and RST.
    ///
    /// # Errors
    /// The families differ or the packet cannot be sent; [`io::ErrorKind::PermissionDenied`] means
    /// that CAP_NET_RAW is missing.
    pub fn send(
        &mut self,
        src: SocketAddr,
        dst: SocketAddr,
        seq: [u8; 4],
        ack: [u8; 4],
        reset: bool,
    ) -> io::Result<()> {
        let packet = build::segment(src, dst, seq, ack, reset)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let (slot, domain, target) = match dst {
            SocketAddr::V4(_) => (&mut self.ipv4, Domain::IPV4, dst),
            // An IPv6 raw socket takes the port for a protocol number.
            SocketAddr::V6(mut dst) => {
                dst.set_port(0);
                (&mut self.ipv6, Domain::IPV6, dst.into())
            }
        };
        let socket = match slot {
            Some(socket) => socket,
            None => slot.insert(raw_socket(domain)?),
        };
        socket.send_to(&packet, &target.into())?;
        Ok(())
    }
}

/// Sees every IP packet that enters or leaves this host, without its link layer.
#[derive(Debug)]
pub struct Capture(Socket);

impl Capture {
    /// Begins to capture; reading never blocks.
    ///
    /// # Errors
    /// [`io::ErrorKind::PermissionDenied`] means that CAP_NET_RAW is missing.
    pub fn open() -> io::Result<Self> {
        let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(protocol))?;
        socket.set_nonblocking(true)?;
        // Best effort: room for a burst of answers to a batch of tickles.
        let _ = socket.set_recv_buffer_size(4 << 20);
        Ok(Self(socket))
    }

    /// The next captured TCP segment; `None` when nothing is waiting. Other packets are skipped.
    ///
    /// # Errors
    /// The socket fails.
    pub fn next(&self) -> io::Result<Option<Segment>> {
        let mut buffer = [0; CAPTURE_LENGTH];
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(length) => {
                    if let Some(segment) = Segment::parse(&buffer[..length]) {
                        return Ok(Some(segment));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What an operator should know when raw sockets are refused.
pub const NO_PERMISSION: &str = "no permission to send raw packets (CAP_NET_RAW is missing): \
     addresses are not announced and connections are not reset";

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn mixed_families_are_refused_before_any_socket() {
        let src = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let dst = SocketAddr::from((Ipv6Addr::LOCALHOST, 1));
        let error = SegmentSender::default().tickle(src, dst).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
