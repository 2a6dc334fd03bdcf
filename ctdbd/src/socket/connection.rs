//! One stream socket that carries packets.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use ctdb_core::effect::Lane;
use ctdb_protocol::frame;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::readiness;

/// Most packets that one system call writes.
const WRITE_BATCH: usize = 64;
/// Packets for which an empty queue keeps its room.
const ROOM_KEPT: usize = 4096;
/// Reads of one connection in one turn of the loop; what is left waits for the next turn.
const READS_PER_TURN: usize = 4;

/// What reading a connection came to.
#[derive(Debug)]
pub enum Heard {
    /// Everything there was; the waker fires when there is more.
    All,
    /// There is more, for the next turn.
    More,
    /// The other side has closed the connection, or it broke, with the reason in words.
    End(String),
}

/// A connected, non-blocking socket, what was received of an unfinished packet, and what is to be sent.
#[derive(Debug)]
pub struct Connection {
    /// Watched for reading only: a Unix socket reports that it can be written each time its peer has
    /// read something, which would wake us once more for every packet.
    socket: AsyncFd<Socket>,
    /// The same socket, watched for writing while it takes no more.
    blocked: Option<AsyncFd<Socket>>,
    waker: Waker,
    /// Length that a packet has at least.
    head_bytes: usize,
    received: BytesMut,
    /// The packet that is partly written; nothing may come between its parts.
    begun: Option<Bytes>,
    urgent: VecDeque<Bytes>,
    ordered: VecDeque<Bytes>,
    /// Bytes of the three together.
    queued_bytes: u64,
}

impl Connection {
    /// Takes over a connected socket. `waker` fires when something can be read or written again, and has
    /// to be answered by [`Self::read`] and [`Self::flush`].
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub fn new(socket: Socket, waker: Waker, head_bytes: usize) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let connection = Self {
            socket: readiness::of_socket(socket, Interest::READABLE)?,
            blocked: None,
            waker,
            head_bytes,
            received: BytesMut::new(),
            begun: None,
            urgent: VecDeque::new(),
            ordered: VecDeque::new(),
            queued_bytes: 0,
        };
        // Bytes may be there already: the first turn tries.
        connection.waker.wake_by_ref();
        Ok(connection)
    }

    /// Number of packets that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        usize::from(self.begun.is_some()) + self.urgent.len() + self.ordered.len()
    }

    /// Number of bytes that wait to be sent.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// Puts a packet into a queue; [`Self::flush`] writes it.
    pub fn queue(&mut self, lane: Lane, packet: Bytes) {
        self.queued_bytes += packet.len() as u64;
        match lane {
            Lane::Urgent => self.urgent.push_back(packet),
            Lane::Ordered => self.ordered.push_back(packet),
        }
    }

    /// Reads what has arrived and hands whole packets to `take`, in order. `scratch` is where a read
    /// puts its bytes; an idle connection owns no buffer.
    pub fn read(&mut self, scratch: &mut [u8], take: &mut Vec<Bytes>) -> Heard {
        for _ in 0..READS_PER_TURN {
            let mut context = Context::from_waker(&self.waker);
            let mut guard = match self.socket.poll_read_ready(&mut context) {
                Poll::Pending => return Heard::All,
                Poll::Ready(Err(e)) => return Heard::End(e.to_string()),
                Poll::Ready(Ok(guard)) => guard,
            };
            match guard.get_inner().read(scratch) {
                Ok(0) => return Heard::End("connection closed".to_owned()),
                Ok(count) => {
                    if count < scratch.len() {
                        // The kernel has no more; saves the read that would say so.
                        guard.clear_ready();
                    }
                    self.received.extend_from_slice(&scratch[..count]);
                    if let Err(e) = self.cut(take) {
                        return Heard::End(e);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Heard::End(e.to_string()),
            }
        }
        Heard::More
    }

    fn cut(&mut self, take: &mut Vec<Bytes>) -> Result<(), String> {
        loop {
            match frame::next_of(&mut self.received, self.head_bytes) {
                Ok(Some(packet)) => take.push(packet),
                Ok(None) => break,
                Err(e) => return Err(e.to_string()),
            }
        }
        if self.received.is_empty() {
            // Gives the buffer to the packets that were cut from it.
            self.received = BytesMut::new();
        }
        Ok(())
    }

    /// Writes as much of the queues as the socket takes now; the waker fires when it takes more.
    ///
    /// # Errors
    /// The connection broke.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.queued() > 0 {
            if !self.may_write()? {
                return Ok(());
            }
            match self.write_some() {
                Ok(count) => self.sent(count),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.block()?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        self.blocked = None;
        if self.ordered.capacity() > ROOM_KEPT {
            self.ordered = VecDeque::new();
        }
        Ok(())
    }

    /// Whether the socket is not known to be full; if it is, the waker fires when it is not any more.
    fn may_write(&self) -> io::Result<bool> {
        let Some(blocked) = &self.blocked else {
            return Ok(true);
        };
        let mut context = Context::from_waker(&self.waker);
        match blocked.poll_write_ready(&mut context) {
            Poll::Pending => Ok(false),
            Poll::Ready(guard) => guard.map(|_| true),
        }
    }

    /// Notes that the socket is full.
    fn block(&mut self) -> io::Result<()> {
        match &self.blocked {
            Some(blocked) => {
                let mut context = Context::from_waker(&self.waker);
                if let Poll::Ready(guard) = blocked.poll_write_ready(&mut context) {
                    guard?.clear_ready();
                }
            }
            None => {
                let socket = self.socket.get_ref().try_clone()?;
                self.blocked = Some(readiness::of_socket(socket, Interest::WRITABLE)?);
            }
        }
        Ok(())
    }

    /// One system call's worth of the queues.
    fn write_some(&self) -> io::Result<usize> {
        let mut socket = self.socket.get_ref();
        let mut slices = [IoSlice::new(&[]); WRITE_BATCH];
        let mut used = 0;
        let waiting = self.begun.iter().chain(&self.urgent).chain(&self.ordered);
        for (slice, packet) in slices.iter_mut().zip(waiting) {
            *slice = IoSlice::new(packet);
            used += 1;
        }
        match &slices[..used] {
            // The usual case, and cheaper for the kernel.
            [one] => socket.write(one),
            several => socket.write_vectored(several),
        }
    }

    /// Drops `count` written bytes from the queues.
    fn sent(&mut self, mut count: usize) {
        self.queued_bytes = self.queued_bytes.saturating_sub(count as u64);
        while count > 0 {
            let next = self.begun.take().or_else(|| self.urgent.pop_front());
            let Some(mut packet) = next.or_else(|| self.ordered.pop_front()) else {
                return;
            };
            if count < packet.len() {
                packet.advance(count);
                self.begun = Some(packet);
                return;
            }
            count -= packet.len();
        }
    }

    /// Whether the other side has closed the connection and nothing is left to be read. Takes nothing
    /// out of the socket.
    #[must_use]
    pub fn ended(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        match self.socket.get_ref().peek(&mut byte) {
            Ok(count) => count == 0,
            Err(e) => e.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};

    fn packet(fill: u8, length: u32) -> Bytes {
        let mut packet = vec![fill; length as usize];
        packet[..4].copy_from_slice(&length.to_ne_bytes());
        packet.into()
    }

    async fn pair() -> (Connection, Connection) {
        let (a, b) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let waker = || Waker::noop().clone();
        let pair = (
            Connection::new(a, waker(), 32).unwrap(),
            Connection::new(b, waker(), 32).unwrap(),
        );
        // The driver has to say first that the sockets can be written.
        tokio::task::yield_now().await;
        pair
    }

    async fn read_until(from: &mut Connection, to: &mut Connection, count: usize) -> Vec<Bytes> {
        let mut scratch = vec![0; 4096];
        let mut got = Vec::new();
        while got.len() < count {
            from.flush().unwrap();
            assert!(!matches!(to.read(&mut scratch, &mut got), Heard::End(_)));
            tokio::task::yield_now().await;
        }
        got
    }

    #[tokio::test(flavor = "current_thread")]
    async fn packets_of_every_size_arrive_in_order() {
        let (mut a, mut b) = pair().await;
        for size in [32, 40, 5_000_000, 64] {
            a.queue(Lane::Ordered, packet(1, size));
        }
        let got = read_until(&mut a, &mut b, 4).await;
        assert_eq!(
            got.iter().map(Bytes::len).collect::<Vec<_>>(),
            [32, 40, 5_000_000, 64]
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn urgent_packets_overtake_whole_packets_only() {
        let (mut a, mut b) = pair().await;
        a.queue(Lane::Ordered, packet(1, 4_000_000));
        a.queue(Lane::Ordered, packet(2, 40));
        a.flush().unwrap();
        assert!(a.queued() > 1, "the big packet fits into the socket");
        a.queue(Lane::Urgent, packet(3, 48));
        let got = read_until(&mut a, &mut b, 3).await;
        assert_eq!(got.iter().map(|p| p[31]).collect::<Vec<_>>(), [1, 3, 2]);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_end_shows_without_reading() {
        let (mut a, b) = pair().await;
        assert!(!b.ended());
        a.queue(Lane::Ordered, packet(1, 40));
        a.flush().unwrap();
        drop(a);
        assert!(!b.ended(), "a packet is left");
        let (a, b) = pair().await;
        drop(a);
        assert!(b.ended());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_impossible_length_ends_the_connection() {
        let (mut a, mut b) = pair().await;
        a.queue(Lane::Ordered, Bytes::from_static(&[4, 0, 0, 0, 1, 2, 3, 4]));
        a.flush().unwrap();
        let mut scratch = vec![0; 64];
        let mut got = Vec::new();
        loop {
            if let Heard::End(reason) = b.read(&mut scratch, &mut got) {
                assert!(reason.contains("length"), "{reason}");
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}
