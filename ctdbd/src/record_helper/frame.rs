//! What the daemon and a record helper say to each other, over the socket that is the helper's
//! standard input.
//!
//! A frame is its whole length and a kind, each a `u32` in native byte order (both ends are the same
//! machine), then the body. A helper does one job at a time: it gets a [`Job`], answers with any number
//! of [`Answer::Records`], waits after each for one [`GO_ON`] byte ([`STOP`] ends the scan there), and
//! ends with [`Answer::Done`].

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ctdb_core::database::update::Rule;
use ctdb_core::effect::ScanFilter;
use ctdb_protocol::frame;
use ctdb_protocol::id::Pnn;

/// The byte that asks for the next records.
pub const GO_ON: u8 = 1;
/// The byte in its place that ends the scan.
pub const STOP: u8 = 0;
const HEAD: usize = 8;

/// One thing to be done with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The file.
    pub path: String,
    /// How to open it.
    pub open_flags: i32,
    /// What to do.
    pub work: Work,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Report records.
    Scan(ScanFilter),
    /// Store a marshalled buffer in one transaction.
    Update(Rule, Bytes),
    /// Repack the file if it has so many free areas.
    Repack(u32),
}

/// What a helper answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Some records of a scan: keys and values.
    Records(Vec<(Bytes, Bytes)>),
    /// The end of the job; empty when all went well, else the reason.
    Done(String),
}

/// A frame that no side sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed frame between daemon and record helper")]
pub struct BadFrame;

/// Takes the next whole frame out of `received`, as kind and body.
fn next(received: &mut BytesMut) -> Result<Option<(u32, Bytes)>, BadFrame> {
    let Some(mut packet) = frame::next_of(received, HEAD).map_err(|_| BadFrame)? else {
        return Ok(None);
    };
    packet.advance(4);
    let kind = packet.get_u32_ne();
    Ok(Some((kind, packet)))
}

fn framed(kind: u32, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.put_u32_ne(kind);
    body(&mut out);
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_ne_bytes());
    out
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32_ne(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

fn number(body: &mut Bytes) -> Result<u32, BadFrame> {
    body.try_get_u32_ne().map_err(|_| BadFrame)
}

fn take(body: &mut Bytes) -> Result<Bytes, BadFrame> {
    let length = number(body)? as usize;
    if length > body.len() {
        return Err(BadFrame);
    }
    Ok(body.split_to(length))
}

fn text(bytes: &Bytes) -> Result<String, BadFrame> {
    String::from_utf8(bytes.to_vec()).map_err(|_| BadFrame)
}

impl Job {
    /// The frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, argument, buffer) = match &self.work {
            Work::Scan(ScanFilter::All) => (1, 0, &[][..]),
            Work::Scan(ScanFilter::OwnedBy(pnn)) => (2, pnn.0, &[][..]),
            Work::Scan(ScanFilter::OwnedOrEmpty(pnn)) => (3, pnn.0, &[][..]),
            Work::Scan(ScanFilter::DeletedBy(pnn)) => (4, pnn.0, &[][..]),
            Work::Update(Rule::Store, buffer) => (5, 0, &buffer[..]),
            Work::Update(Rule::Replace, buffer) => (6, 0, &buffer[..]),
            Work::Repack(limit) => (7, *limit, &[][..]),
        };
        framed(kind, |out| {
            out.put_i32_ne(self.open_flags);
            out.put_u32_ne(argument);
            put(out, self.path.as_bytes());
            put(out, buffer);
        })
    }

    /// The next job, once it is there as a whole.
    ///
    /// # Errors
    /// What came is no job.
    pub fn take(received: &mut BytesMut) -> Result<Option<Self>, BadFrame> {
        let Some((kind, mut body)) = next(received)? else {
            return Ok(None);
        };
        let open_flags = number(&mut body)?.cast_signed();
        let argument = number(&mut body)?;
        let pnn = Pnn(argument);
        let path = text(&take(&mut body)?)?;
        let buffer = take(&mut body)?;
        let work = match kind {
            1 => Work::Scan(ScanFilter::All),
            2 => Work::Scan(ScanFilter::OwnedBy(pnn)),
            3 => Work::Scan(ScanFilter::OwnedOrEmpty(pnn)),
            4 => Work::Scan(ScanFilter::DeletedBy(pnn)),
            5 => Work::Update(Rule::Store, buffer),
            6 => Work::Update(Rule::Replace, buffer),
            7 => Work::Repack(argument),
            _ => return Err(BadFrame),
        };
        Ok(Some(Self {
            path,
            open_flags,
            work,
        }))
    }
}

impl Answer {
    /// The frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Done(reason) => framed(11, |out| put(out, reason.as_bytes())),
            Self::Records(records) => framed(12, |out| {
                for (key, value) in records {
                    put(out, key);
                    put(out, value);
                }
            }),
        }
    }

    /// The next answer, once it is there as a whole.
    ///
    /// # Errors
    /// What came is no answer.
    pub fn take(received: &mut BytesMut) -> Result<Option<Self>, BadFrame> {
        let Some((kind, mut body)) = next(received)? else {
            return Ok(None);
        };
        match kind {
            11 => Ok(Some(Self::Done(text(&take(&mut body)?)?))),
            12 => {
                let mut records = Vec::new();
                while !body.is_empty() {
                    records.push((take(&mut body)?, take(&mut body)?));
                }
                Ok(Some(Self::Records(records)))
            }
            _ => Err(BadFrame),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_and_answers_go_round() {
        let works = [
            Work::Scan(ScanFilter::All),
            Work::Scan(ScanFilter::OwnedBy(Pnn(2))),
            Work::Scan(ScanFilter::OwnedOrEmpty(Pnn(3))),
            Work::Scan(ScanFilter::DeletedBy(Pnn(4))),
            Work::Update(Rule::Store, Bytes::from_static(b"abc")),
            Work::Update(Rule::Replace, Bytes::new()),
            Work::Repack(10_000),
        ];
        for work in works {
            let job = Job {
                path: "/a/b.tdb.0".to_owned(),
                open_flags: 0x1405,
                work,
            };
            let mut stream = BytesMut::from(&job.encode()[..]);
            assert_eq!(Job::take(&mut stream), Ok(Some(job)));
        }
        let record = (Bytes::from_static(b"k"), Bytes::from_static(b"value"));
        for answer in [
            Answer::Done(String::new()),
            Answer::Records(vec![record.clone(), record]),
        ] {
            let mut stream = BytesMut::from(&answer.encode()[..]);
            assert_eq!(Answer::take(&mut stream), Ok(Some(answer)));
        }
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let mut frame = Answer::Done("reason".to_owned()).encode();
        frame[8] = 200;
        assert_eq!(Answer::take(&mut BytesMut::from(&frame[..])), Err(BadFrame));
    }
}
