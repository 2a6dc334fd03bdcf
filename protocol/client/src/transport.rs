//! How packets leave: straight into the socket while it takes them, else through a queue.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use ctdb_protocol::frame;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};

/// Locks without regard to a panic elsewhere: what is guarded here has no half-made states.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way out.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    /// To a daemon's socket.
    Socket(Arc<Socket>),
    /// To a daemon in this process.
    Channel(mpsc::UnboundedSender<Bytes>),
}

impl Outgoing {
    /// Sends a packet, or queues it. What cannot be sent is lost with the connection, and the
    /// reader notices that.
    pub(crate) fn send(&self, packet: Bytes) {
        match self {
            Self::Socket(socket) => socket.send(&packet),
            Self::Channel(sender) => {
                let _ = sender.send(packet);
            }
        }
    }
}

/// A connected socket's way out, and what it did not take yet.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: OwnedWriteHalf,
    /// Packets wait for the end of the loop's turn, to leave together.
    gathers: AtomicBool,
    queue: Mutex<BytesMut>,
    queued: Notify,
}

/// A connected socket's way in.
#[derive(Debug)]
pub(crate) struct Incoming(OwnedReadHalf);

/// Connects.
pub(crate) async fn connect(path: &Path) -> io::Result<(Socket, Incoming)> {
    let (incoming, stream) = UnixStream::connect(path).await?.into_split();
    let socket = Socket {
        stream,
        gathers: AtomicBool::new(false),
        queue: Mutex::default(),
        queued: Notify::new(),
    };
    Ok((socket, Incoming(incoming)))
}

impl Socket {
    /// From now on packets leave together.
    pub(crate) fn gather(&self) {
        self.gathers.store(true, Ordering::Relaxed);
    }

    /// Writes what the socket takes now; the rest is [`Socket::flush`]'s.
    fn send(&self, packet: &[u8]) {
        let mut queue = lock(&self.queue);
        let mut rest = packet;
        let at_once = !self.gathers.load(Ordering::Relaxed);
        while at_once && queue.is_empty() && !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The reader sees the end of the connection as well, and says so.
                Err(_) => return,
            }
        }
        if !rest.is_empty() {
            queue.extend_from_slice(rest);
            self.queued.notify_one();
        }
    }

    /// Writes what was queued, for as long as the connection stands.
    pub(crate) async fn flush(&self) -> io::Result<()> {
        loop {
            self.queued.notified().await;
            while !lock(&self.queue).is_empty() {
                self.stream.writable().await?;
                let mut queue = lock(&self.queue);
                match self.stream.try_write(&queue) {
                    Ok(written) => queue.advance(written),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

impl Incoming {
    /// Reads packets and hands each to `take`, until the connection ends.
    pub(crate) async fn read(mut self, mut take: impl FnMut(Bytes)) -> io::Result<()> {
        /// So much is read at a time. A read of less tells tokio, without another system call,
        /// that there is no more for now.
        const CHUNK: usize = 16 * 1024;
        let mut received = BytesMut::new();
        loop {
            received.reserve(CHUNK);
            if self.0.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            while let Some(packet) = frame::next(&mut received).map_err(io::Error::other)? {
                take(packet);
            }
        }
    }
}
