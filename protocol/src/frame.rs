//! Cuts a stream into packets. Each packet begins with its length.

use bytes::{Buf, Bytes, BytesMut};

use crate::packet::Header;
use crate::wire::WireError;

/// No packet is longer: what claims to be is not a packet. C has no limit; the largest real ones
/// are records of many megabytes.
pub const MAX_LENGTH: u32 = 1 << 30;

/// Takes the next whole packet out of what was received; nothing when it is not all there yet.
///
/// # Errors
/// [`WireError::Length`] when the length is impossible: the stream cannot be used any more.
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
    let length = u32::from_ne_bytes(*field);
    if (length as usize) < head || length > MAX_LENGTH {
        return Err(WireError::Length(length));
    }
    if received.remaining() < length as usize {
        return Ok(None);
    }
    Ok(Some(received.split_to(length as usize).freeze()))
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
    fn refuses_impossible_lengths() {
        for length in [0_u32, 31, MAX_LENGTH + 1] {
            let mut stream = BytesMut::new();
            stream.extend_from_slice(&length.to_ne_bytes());
            assert_eq!(next(&mut stream), Err(WireError::Length(length)));
        }
    }
}
