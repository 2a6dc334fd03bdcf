// SPDX-License-Identifier: GPL-3.0-or-later
//! Network interfaces as the kernel's link table (rtnetlink) describes them. Other sources cut
//! hardware addresses at 6 or 14 bytes; InfiniBand has 20.

use std::io::{self, Read, Write};

use socket2::{Domain, Protocol, Socket, Type};

/// Hardware type of an Ethernet, a bond, a VLAN, a bridge.
pub const ETHERNET: u16 = 1;
/// Hardware type of IP over InfiniBand.
pub const INFINIBAND: u16 = 32;
/// Hardware type of the loopback interface.
pub const LOOPBACK: u16 = 772;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
/// Two flags stand in the upper bits of an attribute's kind.
const ATTRIBUTE_KIND: u16 = 0x3fff;
/// Length of the message header and of the link header behind it.
const HEADER: usize = 16;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Names that it may be called by beside that (`ip link property add dev NAME altname OTHER`).
    pub other_names: Vec<String>,
    /// Its number.
    pub index: i32,
    /// Hardware type, one of the constants of this module or another of the kernel's `ARPHRD_*`.
    pub kind: u16,
    /// Its hardware address.
    pub address: Vec<u8>,
    /// The hardware address that reaches everyone on it.
    pub broadcast: Vec<u8>,
}

/// All interfaces of this network namespace.
///
/// # Errors
/// The kernel does not answer as it should.
pub fn links() -> io::Result<Vec<Link>> {
    let mut socket = Socket::new(
        Domain::from(libc::AF_NETLINK),
        Type::RAW,
        Some(Protocol::from(0)),
    )?;
    socket.write_all(&request())?;
    let mut links = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let received = socket.read(&mut buffer)?;
        if read_messages(&buffer[..received], &mut links)? {
            return Ok(links);
        }
    }
}

/// The interface with this name, or with this one among its other names.
///
/// # Errors
/// There is none, or the kernel does not answer as it should.
pub fn link(name: &str) -> io::Result<Link> {
    let is_it = |link: &Link| link.name == name || link.other_names.iter().any(|n| n == name);
    let found = links()?.into_iter().find(is_it);
    found.ok_or_else(|| io::Error::other(format!("Interface '{name}' not found")))
}

fn request() -> Vec<u8> {
    let length = u32::try_from(2 * HEADER).expect("32");
    let mut request = length.to_ne_bytes().to_vec();
    request.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request.resize(2 * HEADER, 0);
    request
}

/// Takes the messages of one datagram. True when the last one of the answer was among them.
fn read_messages(mut datagram: &[u8], links: &mut Vec<Link>) -> io::Result<bool> {
    while let Some(length) = u32_at(datagram, 0).and_then(|length| usize::try_from(length).ok()) {
        let kind = u16_at(datagram, 4).unwrap_or(NLMSG_ERROR);
        let broken = || io::Error::other("broken answer from the kernel about interfaces");
        let message = datagram.get(HEADER..length).ok_or_else(broken)?;
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => return Err(broken()),
            RTM_NEWLINK => links.extend(read_link(message)),
            _ => {}
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(false)
}

fn read_link(message: &[u8]) -> Option<Link> {
    let mut link = Link {
        name: String::new(),
        other_names: Vec::new(),
        index: i32::from_ne_bytes(message.get(4..8)?.try_into().ok()?),
        kind: u16_at(message, 2)?,
        address: Vec::new(),
        broadcast: Vec::new(),
    };
    for_each_attribute(message.get(HEADER..)?, &mut |kind, value| match kind {
        IFLA_ADDRESS => link.address = value.to_vec(),
        IFLA_BROADCAST => link.broadcast = value.to_vec(),
        IFLA_IFNAME => link.name = text(value),
        IFLA_PROP_LIST => {
            let _ = for_each_attribute(value, &mut |kind, value| {
                if kind == IFLA_ALT_IFNAME {
                    link.other_names.push(text(value));
                }
            });
        }
        _ => {}
    })?;
    Some(link)
}

/// `None` if the attributes are cut off.
fn for_each_attribute<'a>(
    mut attributes: &'a [u8],
    take: &mut dyn FnMut(u16, &'a [u8]),
) -> Option<()> {
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let length = usize::from(length);
        take(kind & ATTRIBUTE_KIND, attributes.get(4..length)?);
        attributes = attributes
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Some(())
}

fn text(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_there() {
        let lo = link("lo").unwrap();
        assert_eq!((lo.kind, lo.address.len()), (LOOPBACK, 6));
        assert!(lo.index > 0);
        assert!(link("no such name").is_err());
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len() + 4).unwrap();
        let mut bytes = [length, kind].map(u16::to_ne_bytes).concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn r39_twenty_byte_addresses_and_other_names() {
        const NESTED: u16 = 0x8000;
        let mut message = vec![0; HEADER];
        message[2..4].copy_from_slice(&INFINIBAND.to_ne_bytes());
        message[4..8].copy_from_slice(&7_i32.to_ne_bytes());
        message.extend(attribute(IFLA_IFNAME, b"ib0\0"));
        message.extend(attribute(IFLA_ADDRESS, &[9; 20]));
        let others = [
            &b"ibp5s0\0"[..],
            b"a name longer than an interface may have\0",
        ];
        let others = others.map(|name| attribute(IFLA_ALT_IFNAME, name)).concat();
        message.extend(attribute(NESTED | IFLA_PROP_LIST, &others));
        let link = read_link(&message).unwrap();
        assert_eq!((link.name.as_str(), link.index), ("ib0", 7));
        assert_eq!((link.kind, link.address), (INFINIBAND, vec![9; 20]));
        assert_eq!(
            link.other_names,
            ["ibp5s0", "a name longer than an interface may have"]
        );
    }

    #[test]
    fn hostile_lengths_do_not_loop_or_panic() {
        let mut links = Vec::new();
        assert!(read_messages(&[255; 40], &mut links).is_err());
        assert!(read_messages(&[0; 40], &mut links).is_err());
        assert_eq!(read_link(&[0; 20]), None);
    }
}
