//! One request to the event daemon, and its answer.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use ctdb_protocol::event::{self, Reply, Request};
use ctdb_protocol::id::ReqId;

/// The head of a packet is its length and more.
const LENGTH_BYTES: usize = 4;

/// A connection to the event daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    last: ReqId,
}

impl Client {
    /// Connects to the daemon's socket.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket)?,
            last: ReqId(0),
        })
    }

    /// Asks, and waits for the answer for as long as it takes.
    ///
    /// # Errors
    /// The connection broke, or the answer makes no sense.
    pub fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        self.last = ReqId(self.last.0.wrapping_add(1));
        self.stream.write_all(&event::packet(self.last, request))?;
        let malformed = |e| io::Error::new(io::ErrorKind::InvalidData, e);
        loop {
            let packet = self.packet()?;
            let (reqid, reply) = event::open::<Reply>(&packet).map_err(malformed)?;
            if reqid == self.last {
                return Ok(reply);
            }
        }
    }

    fn packet(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; LENGTH_BYTES];
        self.stream.read_exact(&mut length)?;
        let size = u64::from(u32::from_ne_bytes(length));
        let mut packet = length.to_vec();
        let rest = size.saturating_sub(LENGTH_BYTES as u64);
        (&self.stream).take(rest).read_to_end(&mut packet)?;
        Ok(packet)
    }
}
