//! Addresses below IP, which the standard library has no type for.

use std::io;

use socket2::{SockAddr, SockAddrStorage};

/// Every protocol.
pub const ETH_P_ALL: u16 = 3;
/// ARP.
pub const ETH_P_ARP: u16 = 0x0806;

/// Offset of the hardware address in `sockaddr_ll`.
const HARDWARE: usize = 12;

/// The `sockaddr_ll` of a hardware address on an interface. The kernel takes hardware addresses longer
/// than the 8 bytes of the C declaration (InfiniBand has 20).
///
/// # Errors
/// The hardware address does not fit.
pub fn link_address(index: i32, protocol: u16, hardware: &[u8]) -> io::Result<SockAddr> {
    let family = u16::try_from(libc::AF_PACKET).expect("17");
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let length = u8::try_from(hardware.len()).map_err(too_long)?;
    let mut bytes = Vec::with_capacity(HARDWARE + hardware.len());
    bytes.extend_from_slice(&family.to_ne_bytes());
    bytes.extend_from_slice(&protocol.to_be_bytes());
    bytes.extend_from_slice(&index.to_ne_bytes());
    // Hardware type and packet type are for received packets only.
    bytes.extend_from_slice(&[0, 0, 0, length]);
    bytes.extend_from_slice(hardware);
    // The kernel refuses anything shorter than its own declaration (EINVAL).
    bytes.resize(bytes.len().max(size_of::<libc::sockaddr_ll>()), 0);
    let storage_size = size_of::<SockAddrStorage>();
    if bytes.len() > storage_size {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let used = libc::socklen_t::try_from(bytes.len()).expect("at most 128");
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage is `storage_size` bytes of plain data, at least as long as `bytes`, and the two do
    // not overlap; afterwards it holds a valid family and the first `used` bytes are initialised.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut storage).cast::<u8>(), bytes.len());
        Ok(SockAddr::new(storage, used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_never_shorter_than_the_kernel_takes() {
        let length = |hardware| link_address(1, ETH_P_ALL, hardware).unwrap().len();
        assert_eq!(length(&[0; 6]), 20);
        assert_eq!(length(&[0; 20]), 32);
    }
}
