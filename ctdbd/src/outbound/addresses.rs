//! Addresses of this machine's interfaces.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrLike as _;
use nix::sys::socket::SockaddrStorage;

use crate::log;
use crate::packet_socket::link::{self, Link};

/// What [`local`] found last.
static LAST_FOUND: Mutex<Vec<(IpAddr, String)>> = Mutex::new(Vec::new());

/// Every address with the interface that carries it. When the kernel cannot be asked (no descriptor is
/// free, say) it is what was found last: no addresses at all would look as if this node had let go of
/// every one, and a second node would take them.
#[must_use]
pub fn local() -> Vec<(IpAddr, String)> {
    remember(&LAST_FOUND, ask())
}

fn ask() -> nix::Result<Vec<(IpAddr, String)>> {
    let found = getifaddrs()?
        .filter_map(|interface| Some((ip(&interface.address?)?, interface.interface_name)));
    Ok(found.collect())
}

fn remember<T: Clone>(last: &Mutex<Vec<T>>, found: nix::Result<Vec<T>>) -> Vec<T> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    match found {
        Ok(found) => last.clone_from(&found),
        Err(error) => log::error!("Cannot list this machine's addresses ({error})"),
    }
    last.clone()
}

/// Names of all interfaces, with and without addresses; an interface may have several.
#[must_use]
pub fn interfaces() -> Vec<String> {
    let links = link::links().unwrap_or_else(|error| {
        log::error!("Cannot list this machine's interfaces ({error})");
        Vec::new()
    });
    let names = |link: Link| std::iter::once(link.name).chain(link.other_names);
    links.into_iter().flat_map(names).collect()
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
    use std::sync::Mutex;

    use nix::errno::Errno;

    #[test]
    fn a_kernel_that_cannot_answer_has_not_taken_the_addresses() {
        let last = Mutex::new(Vec::new());
        assert_eq!(super::remember(&last, Ok(vec![1, 2])), [1, 2]);
        assert_eq!(super::remember(&last, Err(Errno::EMFILE)), [1, 2]);
        assert_eq!(super::remember(&last, Ok(vec![2])), [2]);
    }

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
