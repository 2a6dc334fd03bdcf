//! Questions between nodes of ours that no control of the protocol answers: which version of Samba a
//! node speaks and hears, and who holds and awaits its locks. Asked by the tool with a message,
//! answered by the daemon with a JSON document. A C daemon does not listen there and stays silent.

use bytes::Bytes;
use ctdb_protocol::types::SrvidMessage;
use ctdb_protocol::{Pnn, Srvid, encode};

/// Where each node of ours listens.
pub const PORT: Srvid = Srvid(Srvid::SERVER_RANGE.0 | 0x00ff_0000_0000_0002);

/// Bit of a question: the locks too, which takes a look at files.
const LOCKS: u32 = 1;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub asker: Pnn,
    /// Where the answer goes.
    pub answer_to: Srvid,
    /// Whether locks are wanted too.
    pub locks: bool,
}

impl Question {
    /// As it travels: asker and port like other requests by message, then 4 bytes of bits.
    pub fn to_bytes(self) -> Bytes {
        let head = SrvidMessage {
            pnn: self.asker,
            pad: Default::default(),
            srvid: self.answer_to,
        };
        let mut bytes = encode(&head);
        bytes.extend_from_slice(&if self.locks { LOCKS } else { 0 }.to_ne_bytes());
        bytes.into()
    }

    /// `None` if these are not the bytes of a question.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (head, bits) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let head: SrvidMessage = ctdb_protocol::all(head).ok()?;
        let bits = u32::from_ne_bytes(*bits.first_chunk()?);
        Some(Self {
            asker: head.pnn,
            answer_to: head.srvid,
            locks: bits & LOCKS != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_travel_and_others_are_not_taken_for_one() {
        let question = Question {
            asker: Pnn(3),
            answer_to: Srvid(77),
            locks: true,
        };
        let bytes = question.to_bytes();
        assert_eq!(Question::read(&bytes), Some(question));
        for length in 0..bytes.len() {
            assert_eq!(Question::read(&bytes[..length]), None);
        }
    }
}
