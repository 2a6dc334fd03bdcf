//! Cuts a stream into packets. Each packet begins with its length.

use bytes::{Buf, Bytes, BytesMut};

use crate::packet::{Header, MAGIC};
use crate::wire::WireError;

/// No packet is longer: what claims to be is not a packet. C has no limit; the largest real ones
/// are records of many megabytes.
pub const MAX_LENGTH: u32 = 1 << 30;

/// Takes the next whole packet out of what was received; nothing when it is not all there yet.
///
/// # Errors
/// [`WireError::Length`] when the length is impossible, [`WireError::ByteOrder`] when the packet comes from a
/// machine of the other byte order: the stream cannot be used any more.
pub fn next(received: &mut BytesMut) -> Result<Option<Bytes>, WireError> {
    next_of(received, Header::SIZE)
}

/// The same for packets whose head has `head` bytes.
///
/// # Errors
/// As [`next`].
pub fn next_of(received: &mut BytesMut, head: usize) -> Result<Option<Bytes>, WireError> {
    let Some(field) = received.first_chunk::<4>() else {
        return Ok(None);
    };
    // Before the length is believed: read in the wrong order it is large, and would be waited for.
    if head == Header::SIZE && is_of_other_order(received) {
        return Err(WireError::ByteOrder);
    }
    let length = u32::from_ne_bytes(*field);
    if (length as usize) < head || length > MAX_LENGTH {
        return Err(WireError::Length(length));
    }
    if received.remaining() < length as usize {
        return Ok(None);
    }
    Ok(Some(received.split_to(length as usize).freeze()))
}

/// Whether a packet begins here whose numbers are in the other order. The wire is native endian, so nodes of
/// both orders cannot be in one cluster.
fn is_of_other_order(received: &[u8]) -> bool {
    received.get(4..8) == Some(MAGIC.swap_bytes().to_ne_bytes().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_lengths() {
        let mut stream = BytesMut::new();
        stream.extend_from_slice(&40_u32.to_ne_bytes());
        assert_eq!(next(&mut stream), Ok(None));
        stream.extend_from_slice(&[7; 40]);
        assert_eq!(
            next(&mut stream).map(|packet| packet.map(|p| p.len())),
            Ok(Some(40))
        );
        assert_eq!(stream.len(), 4);
    }

    #[test]
    fn refuses_the_other_byte_order_at_once() {
        // A keepalive of 48 bytes: the wrong way round its length is possible, and far away.
        for length in [40_u32, 48, 0x0100_0000] {
            let mut stream = BytesMut::new();
            stream.extend_from_slice(&length.swap_bytes().to_ne_bytes());
            stream.extend_from_slice(&MAGIC.swap_bytes().to_ne_bytes());
            let refused = next(&mut stream).unwrap_err();
            assert_eq!(refused, WireError::ByteOrder);
            assert_eq!(
                refused.to_string(),
                "packet in the other byte order: nodes of both byte orders cannot form one cluster"
            );
        }
        let mut stream = BytesMut::new();
        stream.extend_from_slice(&40_u32.to_ne_bytes());
        stream.extend_from_slice(&MAGIC.to_ne_bytes());
        assert_eq!(next(&mut stream), Ok(None), "our own order");
    }

    #[test]
    fn refuses_impossible_lengths() {
        for length in [0_u32, 31, MAX_LENGTH + 1] {
            let mut stream = BytesMut::new();
            stream.extend_from_slice(&length.to_ne_bytes());
            assert_eq!(next(&mut stream), Err(WireError::Length(length)));
        }
    }
}
