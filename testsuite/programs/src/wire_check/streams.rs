//! TCP streams put together again, and cut into packets.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use ctdb_protocol::frame;

use super::capture::Segment;

/// Both directions of all connections.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: HashMap<(SocketAddr, SocketAddr), Stream>,
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Stream {
    /// The next byte's sequence number; none before the first segment.
    expected: Option<u32>,
    /// Segments that came before their turn, by their distance when they came.
    early: BTreeMap<u32, Vec<u8>>,
    received: BytesMut,
    packets: u64,
    broken: bool,
}

impl Streams {
    /// Takes a segment and hands on the packets that it completes, each with its place.
    pub(super) fn take(
        &mut self,
        segment: &Segment<'_>,
        mut hand_on: impl FnMut(String, Result<Bytes, String>),
    ) {
        let key = (segment.from, segment.to);
        if segment.syn {
            let expected = Some(segment.sequence.wrapping_add(1));
            self.streams.insert(
                key,
                Stream {
                    expected,
                    ..Stream::default()
                },
            );
            return;
        }
        let stream = self.streams.entry(key).or_default();
        stream.put(segment.sequence, segment.payload);
        while !stream.broken {
            match frame::next(&mut stream.received) {
                Ok(None) => return,
                Ok(Some(packet)) => {
                    stream.packets += 1;
                    hand_on(place(&key, stream.packets), Ok(packet));
                }
                Err(error) => {
                    stream.broken = true;
                    hand_on(place(&key, stream.packets + 1), Err(error.to_string()));
                }
            }
        }
    }

    /// Reports what was captured but never became a packet because bytes before it are missing.
    /// Half a packet at the end is no fault: a capture ends when it ends, a daemon too.
    pub(super) fn finish(self, mut report: impl FnMut(String, String)) {
        for (key, stream) in self.streams {
            if !stream.early.is_empty() {
                let why = "segments are missing from the capture".to_owned();
                report(place(&key, stream.packets + 1), why);
            }
        }
    }
}

impl Stream {
    fn put(&mut self, sequence: u32, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        let expected = *self.expected.get_or_insert(sequence);
        self.early.insert(sequence, payload.to_vec());
        let mut expected = expected;
        while let Some((sequence, payload)) = self.ready(expected) {
            // What was sent again may overlap what is known.
            let known = expected.wrapping_sub(sequence) as usize;
            let news = payload.get(known..).unwrap_or_default();
            self.received.extend_from_slice(news);
            expected = expected.wrapping_add(u32::try_from(news.len()).unwrap_or(0));
        }
        self.expected = Some(expected);
    }

    /// A segment that begins at or before `expected`.
    fn ready(&mut self, expected: u32) -> Option<(u32, Vec<u8>)> {
        /// Half of the sequence numbers: less is behind, more is ahead.
        const HALF: u32 = 1 << 31;
        let sequence = *self
            .early
            .keys()
            .find(|sequence| expected.wrapping_sub(**sequence) < HALF)?;
        self.early.remove_entry(&sequence)
    }
}

fn place((from, to): &(SocketAddr, SocketAddr), packet: u64) -> String {
    format!("{from} to {to} packet {packet}")
}
