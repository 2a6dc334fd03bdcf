//! Addresses, interfaces and connections.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::id::Pnn;
use crate::text::{CountedText, FixedText};
use crate::wire::{Parsed, Wire, bytes};

/// `AF_INET`.
const FAMILY_V4: u16 = 2;
/// `AF_INET6`.
const FAMILY_V6: u16 = 10;

/// A socket address in 28 bytes: C's union of `sockaddr_in` and `sockaddr_in6`. The family is in
/// host order, the port in network order. The bytes are kept as they came (an IPv4 address leaves
/// 12 of them undefined); equality, order and hash look at family, address and port alone.
#[derive(Clone, Copy)]
pub struct SockAddr([u8; 28]);

impl SockAddr {
    /// No address: family 0.
    pub const UNSPECIFIED: Self = Self([0; 28]);

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &[u8; 28] {
        &self.0
    }

    /// The address family, Linux's numbers.
    #[must_use]
    pub fn family(&self) -> u16 {
        u16::from_ne_bytes([self.0[0], self.0[1]])
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// The same address with another port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.0[2..4].copy_from_slice(&port.to_be_bytes());
        self
    }

    /// The IP address; none when the family is neither IPv4 nor IPv6.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self.family() {
            FAMILY_V4 => {
                let octets: [u8; 4] = self.0[4..8].try_into().ok()?;
                Some(Ipv4Addr::from(octets).into())
            }
            FAMILY_V6 => {
                let octets: [u8; 16] = self.0[8..24].try_into().ok()?;
                Some(Ipv6Addr::from(octets).into())
            }
            _ => None,
        }
    }

    /// As the standard library has it.
    #[must_use]
    pub fn to_socket_addr(&self) -> Option<SocketAddr> {
        match self.ip()? {
            IpAddr::V4(ip) => Some((ip, self.port()).into()),
            IpAddr::V6(ip) => {
                let scope = u32::from_ne_bytes(self.0[24..28].try_into().ok()?);
                Some(SocketAddrV6::new(ip, self.port(), 0, scope).into())
            }
        }
    }

    /// An IPv4 address that was mapped into IPv6, taken out again; others as they are.
    /// As upstream's `ctdb_canonicalize_ip`.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self.ip() {
            Some(IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddr::from((ip, self.port())).into(),
                None => self,
            },
            _ => self,
        }
    }

    /// Do both name one host, whatever the ports?
    #[must_use]
    pub fn same_ip(&self, other: &Self) -> bool {
        self.ip() == other.ip()
    }

    /// What equality means.
    fn key(&self) -> (u16, Option<IpAddr>, u16) {
        (self.family(), self.ip(), self.port())
    }
}

impl Default for SockAddr {
    fn default() -> Self {
        Self::UNSPECIFIED
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(addr: SocketAddr) -> Self {
        let mut raw = [0; 28];
        raw[2..4].copy_from_slice(&addr.port().to_be_bytes());
        match addr {
            SocketAddr::V4(addr) => {
                raw[..2].copy_from_slice(&FAMILY_V4.to_ne_bytes());
                raw[4..8].copy_from_slice(&addr.ip().octets());
            }
            SocketAddr::V6(addr) => {
                raw[..2].copy_from_slice(&FAMILY_V6.to_ne_bytes());
                raw[8..24].copy_from_slice(&addr.ip().octets());
                raw[24..].copy_from_slice(&addr.scope_id().to_ne_bytes());
            }
        }
        Self(raw)
    }
}

impl From<IpAddr> for SockAddr {
    fn from(ip: IpAddr) -> Self {
        SocketAddr::new(ip, 0).into()
    }
}

impl PartialEq for SockAddr {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for SockAddr {}

impl PartialOrd for SockAddr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SockAddr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for SockAddr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The IP address alone, as upstream prints it.
impl fmt::Display for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(ip) => write!(f, "{ip}"),
            None => f.write_str("Unknown family"),
        }
    }
}

impl fmt::Debug for SockAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} port {}", self.port())
    }
}

impl Wire for SockAddr {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, taken) = bytes(input, 28)?;
        let mut raw = [0; 28];
        raw.copy_from_slice(taken);
        Ok((rest, Self(raw)))
    }
}

wire_struct! {
    /// A TCP connection to a public address.
    #[derive(Copy, PartialOrd, Ord, Hash)]
    pub struct Connection {
        /// Its client end when Samba speaks; `server` in other parts of upstream.
        src: SockAddr,
        /// Its server end when Samba speaks; `client` in other parts of upstream.
        dst: SockAddr,
    }

    /// The connections to be tickled when an address moves.
    #[derive(Default)]
    pub struct TickleList {
        /// The public address.
        addr: SockAddr,
        /// Connections to it.
        connections: Vec<Connection>,
    }

    /// An address to announce, add or remove.
    pub struct AddrInfo {
        /// The address.
        addr: SockAddr,
        /// Length of the network prefix in bits.
        mask: u32,
        /// An interface, or several with commas.
        iface: CountedText,
    }

    /// Where a public address is.
    #[derive(Copy)]
    pub struct PublicIp {
        /// The node that holds it.
        pnn: Pnn,
        /// The address.
        addr: SockAddr,
    }

    /// Public addresses.
    #[derive(Default)]
    pub struct PublicIpList {
        /// In the sender's order.
        ips: Vec<PublicIp>,
    }

    /// A network interface.
    pub struct Iface {
        /// Its name.
        name: FixedText<18>,
        /// Is there a link? 1 or 0.
        link_state: u16,
        /// How many public addresses use it now.
        references: u32,
    }

    /// Network interfaces.
    #[derive(Default)]
    pub struct IfaceList {
        /// In the sender's order.
        ifaces: Vec<Iface>,
    }

    /// All about a public address.
    pub struct PublicIpInfo {
        /// Where it is.
        ip: PublicIp,
        /// Which of the interfaces it is on; all-ones: none.
        active_idx: u32,
        /// Where it could be.
        ifaces: IfaceList,
    }
}
