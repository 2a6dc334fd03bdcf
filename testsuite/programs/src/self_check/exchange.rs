//! Packets over real sockets: cut from the stream whole, in order, whatever the pieces.

use std::path::Path;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use ctdb_client::{Client, ConnectError};
use ctdb_protocol::control::GetPnn;
use ctdb_protocol::packet::{ReplyControl, ReqMessage};
use ctdb_protocol::sample::Random;
use ctdb_protocol::{Control, Generation, Header, Packet, Pnn, ReqId, Srvid, frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::{Check, ensure};

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of the shortest head there is: a length.
const HEAD: usize = 4;
/// What `comm_test 3` sends, sizes with the length field included.
const SIZES: [usize; 13] = [
    100, 2048, 500, 4096, 1024, 8192, 200, 16384, 300, 32768, 400, 65536, 1_048_576,
];

fn lost(error: impl ToString) -> String {
    error.to_string()
}

/// A packet of `size` bytes: its length, then numbers that depend on both size and place.
fn packet(size: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(size);
    bytes.put_u32_ne(u32::try_from(size).unwrap_or(u32::MAX));
    while bytes.len() < size {
        bytes.put_u8(u8::try_from((bytes.len() * 7 + size) % 251).unwrap_or(0));
    }
    bytes.freeze()
}

/// Reads packets off a stream.
struct Reader<R> {
    stream: R,
    received: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    fn new(stream: R) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
        }
    }

    /// The next packet; none at the end of the stream.
    async fn next(&mut self, head: usize) -> Result<Option<Bytes>, String> {
        loop {
            if let Some(packet) = frame::next_of(&mut self.received, head).map_err(lost)? {
                return Ok(Some(packet));
            }
            if self
                .stream
                .read_buf(&mut self.received)
                .await
                .map_err(lost)?
                == 0
            {
                return match self.received.is_empty() {
                    true => Ok(None),
                    false => Err("the stream ended inside a packet".to_owned()),
                };
            }
        }
    }
}

/// Writes `bytes` in random pieces.
async fn write_in_pieces(
    stream: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    random: &mut Random,
) -> Check {
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(1 + random.below(bytes.len()));
        stream.write_all(piece).await.map_err(lost)?;
        // The reader gets to see the piece on its own.
        tokio::task::yield_now().await;
        bytes = rest;
    }
    Ok(())
}

/// `pkt_read_test`: packets of random sizes in random pieces are read whole.
///
/// # Errors
/// What went wrong.
pub async fn read_pieces() -> Check {
    let random = &mut Random::new(1);
    let sizes: Vec<usize> = (0..500).map(|_| HEAD + random.below(3000)).collect();
    let (mut writer, reader) = UnixStream::pair().map_err(lost)?;
    let write = async {
        for size in &sizes {
            write_in_pieces(&mut writer, &packet(*size), random).await?;
        }
        writer.shutdown().await.map_err(lost)
    };
    let read = async {
        let mut reader = Reader::new(reader);
        for size in &sizes {
            let found = reader.next(HEAD).await?;
            ensure(found == Some(packet(*size)), || {
                format!("a packet of {size} changed")
            })?;
        }
        let end = reader.next(HEAD).await?;
        ensure(end.is_none(), || "a packet too many".to_owned())
    };
    let (written, read) = tokio::join!(write, read);
    written.and(read)
}

/// A daemon at `path` that knows one answer, and its only client.
async fn client_at(path: &Path) -> Result<(Client, Reader<UnixStream>), String> {
    let listener = UnixListener::bind(path).map_err(lost)?;
    let greet = async {
        let (stream, _) = listener.accept().await.map_err(lost)?;
        let mut daemon = Reader::new(stream);
        let packet = daemon.next(Header::SIZE).await?.ok_or("no question")?;
        let (header, body) = Packet::decode(packet).map_err(lost)?;
        let asks = matches!(&body, Packet::ReqControl(control) if control.opcode == GetPnn::CODE);
        ensure(asks, || format!("the first packet is {body:?}"))?;
        let reply = ReplyControl {
            status: 0,
            data: Bytes::new(),
            errormsg: Bytes::new(),
        };
        let back = Header::new(Generation(1), Pnn(0), Pnn(0), header.reqid);
        let reply = Packet::ReplyControl(reply).encode(&back);
        daemon.stream.write_all(&reply).await.map_err(lost)?;
        Ok::<_, String>(daemon)
    };
    let (client, daemon) = tokio::join!(Client::connect(path), greet);
    std::fs::remove_file(path).map_err(lost)?;
    Ok((
        client.map_err(|error: ConnectError| error.to_string())?,
        daemon?,
    ))
}

/// A path for a socket that nobody else has.
fn private_path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("{name}.{}", std::process::id()))
}

/// `pkt_write_test`: the client sends more than the socket takes to a daemon that reads late, and
/// all of it arrives, in order.
///
/// # Errors
/// What went wrong.
pub async fn write_to_slow_reader() -> Check {
    const COUNT: usize = 2000;
    let (client, mut daemon) = client_at(&private_path("pkt_write_test")).await?;
    let body = |number: usize| packet(HEAD + number * 13 % 5000);
    for number in 0..COUNT {
        client.send_message(Pnn(0), Srvid(number as u64), body(number));
    }
    sleep(Duration::from_millis(50)).await;
    let read = async {
        for number in 0..COUNT {
            let packet = daemon
                .next(Header::SIZE)
                .await?
                .ok_or("the stream ended early")?;
            let (_, found) = Packet::decode(packet).map_err(lost)?;
            let expected = ReqMessage {
                srvid: Srvid(number as u64),
                data: body(number),
            };
            let same = found == Packet::ReqMessage(expected);
            ensure(same, || format!("message {number} is another"))?;
        }
        Ok(())
    };
    timeout(LIMIT, read).await.map_err(lost)?
}

/// `ctdb_io_test N`: 1: a packet byte by byte; 2: many packets at once; 3: an impossible length
/// ends the connection; 4: so does an end inside a packet, and what waits is told.
///
/// # Errors
/// What went wrong.
pub async fn connection(number: u32) -> Check {
    let (client, mut daemon) = client_at(&private_path("ctdb_io_test")).await?;
    let header = Header::new(Generation(1), Pnn(0), Pnn(0), ReqId(0));
    let message = |data: &'static [u8]| {
        Packet::ReqMessage(ReqMessage {
            srvid: Srvid::ALL,
            data: data.into(),
        })
        .encode(&header)
    };
    match number {
        1 | 2 => {
            let (mut messages, daemon) = registered(&client, daemon).await?;
            let mut stream = daemon.stream;
            let sent = [message(b"one"), message(b"two"), message(b"three")];
            if number == 1 {
                for byte in sent.concat() {
                    stream.write_all(&[byte]).await.map_err(lost)?;
                    tokio::task::yield_now().await;
                }
            } else {
                stream.write_all(&sent.concat()).await.map_err(lost)?;
            }
            for expected in ["one", "two", "three"] {
                let found = timeout(LIMIT, messages.recv()).await.map_err(lost)?;
                let found = found.ok_or("the connection ended")?;
                ensure(found.data == expected.as_bytes(), || format!("{found:?}"))?;
            }
            Ok(())
        }
        3 => {
            daemon
                .stream
                .write_all(&31_u32.to_ne_bytes())
                .await
                .map_err(lost)?;
            timeout(LIMIT, client.closed())
                .await
                .map_err(|_| "the connection stands".to_owned())
        }
        4 => {
            let waiting = client.control_status::<GetPnn>(Pnn(0), &());
            let cut = async {
                daemon.next(Header::SIZE).await?;
                daemon
                    .stream
                    .write_all(&message(b"half")[..40])
                    .await
                    .map_err(lost)?;
                drop(daemon);
                Ok::<_, String>(())
            };
            let (answer, cut) = timeout(LIMIT, async { tokio::join!(waiting, cut) })
                .await
                .map_err(|_| "the request still waits".to_owned())?;
            cut?;
            ensure(answer.is_err(), || {
                format!("an answer from nowhere: {answer:?}")
            })?;
            timeout(LIMIT, client.closed())
                .await
                .map_err(|_| "the connection stands".to_owned())
        }
        _ => Err("usage: ctdb_io_test 1|2|3|4".to_owned()),
    }
}

/// Registers for everything.
async fn registered(
    client: &Client,
    mut daemon: Reader<UnixStream>,
) -> Result<
    (
        tokio::sync::mpsc::UnboundedReceiver<ctdb_client::Message>,
        Reader<UnixStream>,
    ),
    String,
> {
    let answer = async {
        let packet = daemon.next(Header::SIZE).await?.ok_or("no question")?;
        let (header, _) = Packet::decode(packet).map_err(lost)?;
        let reply = ReplyControl {
            status: 0,
            data: Bytes::new(),
            errormsg: Bytes::new(),
        };
        let back = Header::new(Generation(1), Pnn(0), Pnn(0), header.reqid);
        let reply = Packet::ReplyControl(reply).encode(&back);
        daemon.stream.write_all(&reply).await.map_err(lost)
    };
    let (messages, answered) = tokio::join!(client.register(Srvid::ALL), answer);
    answered?;
    Ok((messages.map_err(lost)?, daemon))
}

/// `comm_test N`: 1: a packet there and back; 2: the end of the stream is noticed; 3: packets of
/// many sizes, which are printed as they arrive.
///
/// # Errors
/// What went wrong.
pub async fn pair(number: u32) -> Check {
    let (mut one, other) = UnixStream::pair().map_err(lost)?;
    let mut other = Reader::new(other);
    match number {
        1 => {
            one.write_all(&packet(1024)).await.map_err(lost)?;
            let found = other.next(HEAD).await?.ok_or("no packet")?;
            other.stream.write_all(&found).await.map_err(lost)?;
            let found = Reader::new(one).next(HEAD).await?;
            ensure(found == Some(packet(1024)), || {
                "the packet changed".to_owned()
            })
        }
        2 => {
            one.write_all(&packet(100)).await.map_err(lost)?;
            drop(one);
            ensure(other.next(HEAD).await?.is_some(), || "no packet".to_owned())?;
            let end = timeout(LIMIT, other.next(HEAD)).await.map_err(lost)??;
            ensure(end.is_none(), || "a packet too many".to_owned())
        }
        3 => {
            let write = async {
                for size in SIZES {
                    one.write_all(&packet(size)).await.map_err(lost)?;
                }
                Ok::<_, String>(())
            };
            let read = async {
                for size in SIZES {
                    let found = other.next(HEAD).await?.ok_or("no packet")?;
                    ensure(found == packet(size), || {
                        format!("a packet of {size} changed")
                    })?;
                    print!("{} ", found.len());
                }
                println!();
                Ok::<_, String>(())
            };
            let (written, read) = tokio::join!(write, read);
            written.and(read)
        }
        _ => Err("usage: comm_test 1|2|3".to_owned()),
    }
}

/// `comm_server_test SOCKET CLIENTS` and the server of `sock_io_test`: sends back what comes, until
/// so many clients came and went.
///
/// # Errors
/// What went wrong.
pub async fn echo_server(path: &Path, clients: usize) -> Check {
    let listener = UnixListener::bind(path).map_err(lost)?;
    let mut serving = Vec::new();
    for _ in 0..clients {
        let (stream, _) = listener.accept().await.map_err(lost)?;
        serving.push(tokio::spawn(async move {
            let mut guest = Reader::new(stream);
            while let Some(packet) = guest.next(HEAD).await? {
                guest.stream.write_all(&packet).await.map_err(lost)?;
            }
            Ok::<_, String>(())
        }));
    }
    for guest in serving {
        guest.await.map_err(lost)??;
    }
    Ok(())
}

/// `comm_client_test SOCKET`: sends packets of all sizes and gets each back.
///
/// # Errors
/// What went wrong.
pub async fn echo_client(path: &Path) -> Check {
    let connect = async {
        loop {
            match UnixStream::connect(path).await {
                Ok(stream) => return stream,
                // The server was started at the same time.
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let mut server = Reader::new(timeout(LIMIT, connect).await.map_err(lost)?);
    for size in SIZES {
        let sent = packet(size);
        // Large packets fill both directions: reading must not wait for the end of writing.
        let Reader { stream, received } = server;
        let (reading, mut writing) = stream.into_split();
        let mut reader = Reader {
            stream: reading,
            received,
        };
        let (written, found) = tokio::join!(writing.write_all(&sent), reader.next(HEAD));
        written.map_err(lost)?;
        ensure(found? == Some(packet(size)), || {
            format!("a packet of {size} changed")
        })?;
        let stream = reader.stream.reunite(writing).map_err(lost)?;
        server = Reader {
            stream,
            received: reader.received,
        };
    }
    Ok(())
}

/// `sock_io_test SOCKET`: server and clients over a named socket, all at once.
///
/// # Errors
/// What went wrong.
pub async fn named_socket(path: &Path) -> Check {
    const CLIENTS: usize = 3;
    let clients = async {
        let (one, two, three) =
            tokio::join!(echo_client(path), echo_client(path), echo_client(path));
        one.and(two).and(three)
    };
    let (served, asked) = tokio::join!(echo_server(path, CLIENTS), clients);
    // Left over when it failed; the next run needs the path.
    let _ = std::fs::remove_file(path);
    served.and(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_and_queues() {
        assert_eq!(read_pieces().await, Ok(()));
        assert_eq!(write_to_slow_reader().await, Ok(()));
        for number in 1..=4 {
            assert_eq!(connection(number).await, Ok(()), "{number}");
        }
        assert_eq!(named_socket(&private_path("sock_io_test")).await, Ok(()));
    }
}
