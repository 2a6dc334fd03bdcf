//! What the daemon and a long-lived lock helper (`ctdb_lock_helper --serve`) say to each other,
//! over the socket that is the helper's standard input and output.
//!
//! A frame is its whole length and a kind, each a `u32`, then the body; numbers are in native
//! byte order, since both ends are the same machine. Bodies:
//!
//! | kind | frame | body |
//! |---|---|---|
//! | 1 | [`Request::Wait`] | id, tdb flags, what (0 record, 1 database), path length, path, key |
//! | 2 | [`Request::Release`] | id |
//! | 3 | [`Request::Close`] | path |
//! | 11 | [`Reply::Granted`] | id |
//! | 12 | [`Reply::Failed`] | id, errno |
//! | 13 | [`Reply::Freed`] | id, thread, length of the thread's name, name, mutex |
//!
//! Rules: a helper holds one lock at a time. The daemon sends `Wait`; the helper waits, for
//! ever if need be, and answers `Granted` or `Failed` with the same id. After `Granted` it holds
//! the lock until `Release`, which it does not answer; then the next `Wait` may come (it may be
//! sent right behind the `Release`). A wait is cancelled by killing the helper. The helper keeps
//! files open between waits; `Close` makes it let go of one, and must be sent to every helper
//! before a database is detached. When the daemon's end closes, the helper ends.
//! `Freed` may come before `Granted`: the helper found that a thread that no longer exists owned
//! a mutex, and freed it.

use std::fmt;

use bytes::{Buf as _, BytesMut};

/// The longest frame that is taken.
pub const MAX_FRAME_BYTES: usize = 64 << 20;
const HEAD: usize = 8;

/// What is to be locked in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The chain of this key.
    Record(Vec<u8>),
    /// Everything.
    Database,
}

/// From the daemon to the helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Wait for a lock.
    Wait {
        /// Chosen by the daemon, comes back in the answer.
        id: u32,
        /// Flags to open the file with.
        flags: u32,
        /// The file, as the daemon names it.
        path: String,
        /// What to lock.
        what: What,
    },
    /// Let the lock of this id go.
    Release {
        /// The id of its `Wait`.
        id: u32,
    },
    /// Close a file.
    Close {
        /// As in `Wait`.
        path: String,
    },
}

/// From the helper to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The lock is held.
    Granted {
        /// The id of its `Wait`.
        id: u32,
    },
    /// The lock cannot be had.
    Failed {
        /// The id of its `Wait`.
        id: u32,
        /// Why.
        errno: i32,
    },
    /// A mutex was freed whose owner is gone.
    Freed {
        /// The id of the `Wait` that it stood in the way of.
        id: u32,
        /// The thread that owned it.
        thread: i32,
        /// What stands under that number now, if anything: a program's name.
        program: String,
        /// Which mutex: `chain 17`, `allrecord`, `freelist`.
        mutex: String,
    },
}

/// A frame that nobody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFrame;

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed frame between daemon and lock helper")
    }
}

impl std::error::Error for BadFrame {}

/// Something that goes over the socket.
pub trait Frame: Sized {
    /// The frame's bytes, length included.
    fn encode(&self) -> Vec<u8>;

    /// Kind and body into a value.
    fn decode(kind: u32, body: &[u8]) -> Result<Self, BadFrame>;

    /// Takes the first whole frame out of `buffer`; `None` if more bytes are needed.
    fn take(buffer: &mut BytesMut) -> Result<Option<Self>, BadFrame> {
        let Some((length, kind)) = head(buffer) else {
            return Ok(None);
        };
        if !(HEAD..=MAX_FRAME_BYTES).contains(&length) {
            return Err(BadFrame);
        }
        if buffer.len() < length {
            return Ok(None);
        }
        let frame = Self::decode(kind, &buffer[HEAD..length])?;
        buffer.advance(length);
        Ok(Some(frame))
    }
}

fn head(buffer: &[u8]) -> Option<(usize, u32)> {
    let mut body = Body(buffer);
    let length = body.number().ok()?;
    Some((length as usize, body.number().ok()?))
}

impl Frame for Request {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Wait {
                id,
                flags,
                path,
                what,
            } => {
                let (what, key): (u32, &[u8]) = match what {
                    What::Record(key) => (0, key),
                    What::Database => (1, &[]),
                };
                let mut out = Out::new(1);
                out.numbers(&[*id, *flags, what]).text(path).bytes(key);
                out.done()
            }
            Self::Release { id } => Out::new(2).numbers(&[*id]).done(),
            Self::Close { path } => Out::new(3).bytes(path.as_bytes()).done(),
        }
    }

    fn decode(kind: u32, body: &[u8]) -> Result<Self, BadFrame> {
        let mut body = Body(body);
        let request = match kind {
            1 => {
                let (id, flags, what) = (body.number()?, body.number()?, body.number()?);
                let path = body.text()?;
                let key = body.rest().to_vec();
                let what = match what {
                    0 => What::Record(key),
                    1 if key.is_empty() => What::Database,
                    _ => return Err(BadFrame),
                };
                Self::Wait {
                    id,
                    flags,
                    path,
                    what,
                }
            }
            2 => Self::Release { id: body.number()? },
            3 => Self::Close {
                path: utf8(body.rest())?,
            },
            _ => return Err(BadFrame),
        };
        body.end(request)
    }
}

impl Frame for Reply {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Granted { id } => Out::new(11).numbers(&[*id]).done(),
            Self::Failed { id, errno } => {
                Out::new(12).numbers(&[*id, errno.cast_unsigned()]).done()
            }
            Self::Freed {
                id,
                thread,
                program,
                mutex,
            } => {
                let mut out = Out::new(13);
                out.numbers(&[*id, thread.cast_unsigned()]);
                out.text(program).bytes(mutex.as_bytes());
                out.done()
            }
        }
    }

    fn decode(kind: u32, body: &[u8]) -> Result<Self, BadFrame> {
        let mut body = Body(body);
        let reply = match kind {
            11 => Self::Granted { id: body.number()? },
            12 => Self::Failed {
                id: body.number()?,
                errno: body.number()?.cast_signed(),
            },
            13 => Self::Freed {
                id: body.number()?,
                thread: body.number()?.cast_signed(),
                program: body.text()?,
                mutex: utf8(body.rest())?,
            },
            _ => return Err(BadFrame),
        };
        body.end(reply)
    }
}

/// A frame in the making.
struct Out(Vec<u8>);

impl Out {
    fn new(kind: u32) -> Self {
        let mut out = Self(vec![0; 4]);
        out.numbers(&[kind]);
        out
    }

    fn numbers(&mut self, numbers: &[u32]) -> &mut Self {
        for n in numbers {
            self.0.extend_from_slice(&n.to_ne_bytes());
        }
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.numbers(&[size(text.len())]).bytes(text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn done(&mut self) -> Vec<u8> {
        let length = size(self.0.len());
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        std::mem::take(&mut self.0)
    }
}

fn size(n: usize) -> u32 {
    u32::try_from(n).expect("paths and keys of packets are far below 4 GiB")
}

/// A body on its way apart.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn number(&mut self) -> Result<u32, BadFrame> {
        let (number, rest) = self.0.split_first_chunk().ok_or(BadFrame)?;
        self.0 = rest;
        Ok(u32::from_ne_bytes(*number))
    }

    fn text(&mut self) -> Result<String, BadFrame> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or(BadFrame)?;
        self.0 = rest;
        utf8(text)
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn end<T>(self, value: T) -> Result<T, BadFrame> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(BadFrame)
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, BadFrame> {
    String::from_utf8(bytes.to_vec()).map_err(|_| BadFrame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<Request> {
        let wait = |what| Request::Wait {
            id: 7,
            flags: 0x1841,
            path: "/var/x.tdb.0".into(),
            what,
        };
        vec![
            wait(What::Record(b"k\0".to_vec())),
            wait(What::Record(Vec::new())),
            wait(What::Database),
            Request::Release { id: u32::MAX },
            Request::Close { path: "p".into() },
        ]
    }

    #[test]
    fn requests_arrive_however_they_are_cut() {
        let mut buffer = BytesMut::new();
        let mut arrived = Vec::new();
        for byte in requests().iter().flat_map(Frame::encode) {
            buffer.extend_from_slice(&[byte]);
            if let Some(request) = Request::take(&mut buffer).unwrap() {
                arrived.push(request);
            }
        }
        assert_eq!(arrived, requests());
        assert!(buffer.is_empty());
    }

    #[test]
    fn replies_go_round() {
        let replies = [
            Reply::Granted { id: 1 },
            Reply::Failed { id: 2, errno: 5 },
            Reply::Freed {
                id: 3,
                thread: 4242,
                program: String::new(),
                mutex: "chain 17".into(),
            },
        ];
        let mut buffer: BytesMut = replies.iter().flat_map(Frame::encode).collect();
        for reply in replies {
            assert_eq!(Reply::take(&mut buffer), Ok(Some(reply)));
        }
    }

    #[test]
    fn malformed_frames_are_refused() {
        let bad: [&[u32]; 5] = [
            &[4, 1],
            &[8, 9],
            &[12, 1, 0],
            &[16, 2, 0, 0],
            &[u32::MAX, 2],
        ];
        for words in bad {
            let mut buffer: BytesMut = words.iter().flat_map(|w| w.to_ne_bytes()).collect();
            assert_eq!(Request::take(&mut buffer), Err(BadFrame), "{words:?}");
        }
    }
}
