//! Addresses of this machine's interfaces.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrLike as _;
use nix::sys::socket::SockaddrStorage;

/// Every address with the interface that carries it.
#[must_use]
pub fn local() -> Vec<(IpAddr, String)> {
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    interfaces
        .filter_map(|interface| Some((ip(&interface.address?)?, interface.interface_name)))
        .collect()
}

/// Names of all interfaces, with and without addresses.
#[must_use]
pub fn interfaces() -> Vec<String> {
    let names = nix::net::if_::if_nameindex();
    names.map_or_else(
        |_| Vec::new(),
        |names| {
            names
                .iter()
                .map(|i| i.name().to_string_lossy().into_owned())
                .collect()
        },
    )
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    address.family()?;
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address.as_sockaddr_in6().map(|v6| v6.ip().into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_machine_has_a_loopback() {
        let local = super::local();
        assert!(
            local
                .iter()
                .any(|(address, name)| address.is_loopback() && name == "lo"),
            "{local:?}"
        );
    }
}
