//! What is encoded decodes to the same value; what is cut short is refused; noise is refused or
//! makes sense. Nothing panics.

use bytes::Bytes;
use ctdb_protocol::control::{Life, Reply, Request, TABLE};
use ctdb_protocol::message::Message;
use ctdb_protocol::packet::{self, OPERATIONS};
use ctdb_protocol::sample::{Random, Sample};
use ctdb_protocol::{Generation, Header, Packet, Pnn, ReqId, Srvid, all, encode, event};
use proptest::prelude::*;

fn live() -> impl Iterator<Item = u32> {
    TABLE
        .iter()
        .filter(|row| row.life == Life::Live)
        .map(|row| row.code)
}

proptest! {
    #[test]
    fn requests(seed: u64) {
        let mut random = Random::new(seed);
        for code in live() {
            let request = Request::sample(code, &mut random).expect("the control is live");
            let mut bytes = Vec::new();
            request.put(&mut bytes);
            prop_assert_eq!(&Request::take(code, &bytes), &Ok(request), "control {}", code);
        }
    }

    #[test]
    fn replies(seed: u64) {
        let mut random = Random::new(seed);
        for code in live() {
            let reply = Reply::sample(code, &mut random).expect("the control is live");
            let mut bytes = Vec::new();
            reply.put(&mut bytes);
            prop_assert_eq!(&Reply::take(code, &bytes), &Ok(reply), "control {}", code);
        }
    }

    #[test]
    fn messages(seed: u64) {
        let mut random = Random::new(seed);
        for srvid in Message::PORTS.iter().copied().chain([Srvid(7)]) {
            let message = Message::sample(srvid, &mut random);
            let mut bytes = Vec::new();
            message.put(&mut bytes);
            prop_assert_eq!(Message::take(srvid, &bytes), Ok(message));
        }
    }

    #[test]
    fn packets(seed: u64) {
        let mut random = Random::new(seed);
        for (operation, name) in OPERATIONS {
            let body = Packet::sample(*operation, &mut random).expect("the operation exists");
            let header = Header::new(
                Generation::sample(&mut random),
                Pnn::sample(&mut random),
                Pnn::sample(&mut random),
                ReqId::sample(&mut random),
            );
            let bytes = body.encode(&header);
            prop_assert_eq!(bytes.len() % packet::ALIGNMENT, 0);
            let (decoded, again) = Packet::decode(bytes.clone()).expect("we made it");
            prop_assert_eq!(&again, &body, "{}", name);
            prop_assert_eq!(decoded.length as usize, bytes.len());
            prop_assert_eq!(decoded.reqid, header.reqid);
            prop_assert_eq!(again.encode(&decoded), bytes);
        }
    }

    #[test]
    fn events(seed: u64) {
        let mut random = Random::new(seed);
        let (request, reply) =
            (event::Request::sample(&mut random), event::Reply::sample(&mut random));
        prop_assert_eq!(all(&encode(&request)), Ok(request));
        prop_assert_eq!(all(&encode(&reply)), Ok(reply));
    }

    /// A request cut anywhere is refused, or is a shorter request of its kind; never a panic.
    #[test]
    fn cut_requests(seed: u64, cut: usize) {
        let mut random = Random::new(seed);
        for code in live() {
            let request = Request::sample(code, &mut random).expect("the control is live");
            let mut bytes = Vec::new();
            request.put(&mut bytes);
            if bytes.is_empty() {
                continue;
            }
            let kept = cut % bytes.len();
            if let Ok(shorter) = Request::take(code, &bytes[..kept]) {
                let mut again = Vec::new();
                shorter.put(&mut again);
                prop_assert_eq!(&again[..], &bytes[..kept], "control {}", code);
            }
        }
    }

    /// Whatever bytes are accepted mean what they say.
    #[test]
    fn noise(code in 0_u32..170, bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(reply) = Reply::take(code, &bytes) {
            let mut again = Vec::new();
            reply.put(&mut again);
            prop_assert_eq!(&again, &bytes, "control {}", code);
        }
        // A request may have a tail that C does not look at.
        if let Ok(request) = Request::take(code, &bytes) {
            let mut again = Vec::new();
            request.put(&mut again);
            prop_assert_eq!(&again[..], &bytes[..again.len()], "control {}", code);
        }
    }

    /// Lengths from outside are checked against what arrived.
    #[test]
    fn hostile_packets(seed: u64, at in 0_usize..256, value: u32) {
        let mut random = Random::new(seed);
        for (operation, _) in OPERATIONS {
            let body = Packet::sample(*operation, &mut random).expect("the operation exists");
            let header = Header::new(Generation(1), Pnn(0), Pnn(1), ReqId(1));
            let mut bytes = body.encode(&header).to_vec();
            let length = bytes.len();
            let at = at * 4 % (length - 3);
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            if let Ok((header, body)) = Packet::decode(Bytes::from(bytes.clone())) {
                let again = body.encode(&header);
                prop_assert!(again.len() <= length);
            }
        }
    }
}

/// Counts and lengths of 4 G in eight bytes: refused at once, and without the memory for it.
#[test]
fn hostile_counts() {
    for code in live() {
        for bytes in [
            [0xFF_u8; 4].to_vec(),
            [0xFF; 8].to_vec(),
            [0xFF; 44].to_vec(),
        ] {
            // What matters is that this comes back at all.
            let _ = Request::take(code, &bytes);
            let _ = Reply::take(code, &bytes);
        }
    }
}
