//! Request numbers and message ports of the client library, with this program as its daemon.

use std::collections::BTreeSet;

use bytes::Bytes;
use ctdb_client::Client;
use ctdb_protocol::control::{DeregisterSrvid, Ping, RegisterSrvid};
use ctdb_protocol::packet::{ReplyControl, ReqControl, ReqMessage};
use ctdb_protocol::{Control, Generation, Header, Packet, Pnn, ReqId, Srvid};
use tokio::sync::mpsc;

use super::{Check, ensure};

/// The other end of a client's connection.
struct Daemon {
    to_client: mpsc::UnboundedSender<Bytes>,
    from_client: mpsc::UnboundedReceiver<Bytes>,
}

fn connect() -> (Client, Daemon) {
    let (to_daemon, from_client) = mpsc::unbounded_channel();
    let (to_client, from_daemon) = mpsc::unbounded_channel();
    (
        Client::over(to_daemon, from_daemon),
        Daemon {
            to_client,
            from_client,
        },
    )
}

impl Daemon {
    /// The next control.
    async fn control(&mut self) -> Result<(Header, ReqControl), String> {
        let packet = self.from_client.recv().await.ok_or("the client is gone")?;
        match Packet::decode(packet).map_err(|error| error.to_string())? {
            (header, Packet::ReqControl(control)) => Ok((header, control)),
            (_, other) => Err(format!("no control: {other:?}")),
        }
    }

    fn answer(&self, reqid: ReqId, status: i32) -> Check {
        let reply = ReplyControl {
            status,
            data: Bytes::new(),
            errormsg: Bytes::new(),
        };
        self.send(reqid, &Packet::ReplyControl(reply))
    }

    fn message(&self, srvid: Srvid, data: &'static [u8]) -> Check {
        let message = ReqMessage {
            srvid,
            data: Bytes::from_static(data),
        };
        self.send(ReqId(0), &Packet::ReqMessage(message))
    }

    fn send(&self, reqid: ReqId, packet: &Packet) -> Check {
        let header = Header::new(Generation(1), Pnn(0), Pnn(0), reqid);
        self.to_client
            .send(packet.encode(&header))
            .map_err(|_| "the client is gone".to_owned())
    }

    /// The next control has to be this one; it is answered well.
    async fn expect<C: Control>(&mut self, srvid: Srvid) -> Check {
        let (header, control) = self.control().await?;
        ensure(control.opcode == C::CODE, || {
            format!("opcode {}", control.opcode)
        })?;
        ensure(control.srvid == srvid, || {
            format!("srvid {}", control.srvid)
        })?;
        self.answer(header.reqid, 0)
    }
}

/// `reqid_test`: many requests in flight have numbers of their own; each answer finds its request,
/// whatever the order; a number whose request was answered belongs to nobody, and an answer to it
/// is dropped. That is said as upstream's library says it.
///
/// # Errors
/// What went wrong.
pub async fn request_numbers() -> Check {
    const COUNT: i32 = 1024;
    let (client, mut daemon) = connect();
    let asked: Vec<_> = (0..COUNT)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.control_status::<Ping>(Pnn(0), &()).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for _ in 0..COUNT {
        numbers.push(daemon.control().await?.0.reqid);
    }
    let distinct: BTreeSet<ReqId> = numbers.iter().copied().collect();
    ensure(distinct.len() == numbers.len(), || {
        "two requests with one number".to_owned()
    })?;
    ensure(!distinct.contains(&ReqId(0)), || {
        "a request with number 0".to_owned()
    })?;
    for (status, reqid) in (0..COUNT).zip(&numbers).rev() {
        daemon.answer(*reqid, status)?;
    }
    for (expected, asked) in (0..).zip(asked) {
        let answer = asked.await.map_err(|error| error.to_string())?;
        let status = answer.map_err(|error| error.to_string())?.0;
        ensure(status == expected, || {
            format!("answer {status} for {expected}")
        })?;
    }
    // Now none of the numbers is in use: a second answer must disturb nobody.
    for (index, reqid) in numbers.iter().enumerate() {
        let later = client.clone();
        let pending = tokio::spawn(async move { later.control_status::<Ping>(Pnn(0), &()).await });
        let (header, _) = daemon.control().await?;
        ensure(header.reqid != *reqid, || {
            format!("number {reqid} came again at once")
        })?;
        daemon.answer(*reqid, -99)?;
        daemon.answer(header.reqid, 7)?;
        let answer = pending.await.map_err(|error| error.to_string())?;
        let status = answer.map_err(|error| error.to_string())?.0;
        ensure(status == 7, || {
            format!("an old answer was taken for a new one: {status}")
        })?;
        println!("WARNING: attempt to remove unset id {index} in idtree");
    }
    Ok(())
}

/// `srvid_test`: messages go to those who registered, each of them, and to nobody else.
///
/// # Errors
/// What went wrong.
pub async fn ports() -> Check {
    const PORT: Srvid = Srvid(0xAE00_0000_0000_0010);
    const OTHER: Srvid = Srvid(0xAE00_0000_0000_0011);
    let (client, mut daemon) = connect();
    let lost = |error: ctdb_client::ControlError| error.to_string();

    let (first, expected) =
        tokio::join!(client.register(PORT), daemon.expect::<RegisterSrvid>(PORT));
    expected?;
    let mut first = first.map_err(lost)?;
    // The daemon sends a message once, however many want it here.
    let mut second = client.register(PORT).await.map_err(lost)?;
    let (all, expected) = tokio::join!(
        client.register(Srvid::ALL),
        daemon.expect::<RegisterSrvid>(Srvid::ALL)
    );
    expected?;
    let mut all = all.map_err(lost)?;

    daemon.message(PORT, b"one")?;
    daemon.message(OTHER, b"two")?;
    for receiver in [&mut first, &mut second] {
        let message = receiver.recv().await.ok_or("no message")?;
        let right = message.srvid == PORT && message.data == b"one".as_slice();
        ensure(right, || format!("{message:?}"))?;
        ensure(receiver.is_empty(), || {
            "a message to another port".to_owned()
        })?;
    }
    for expected in [PORT, OTHER] {
        let message = all.recv().await.ok_or("no message")?;
        ensure(message.srvid == expected, || format!("{message:?}"))?;
    }

    let (ended, expected) = tokio::join!(
        client.deregister(PORT),
        daemon.expect::<DeregisterSrvid>(PORT)
    );
    expected?;
    ended.map_err(lost)?;
    ensure(first.recv().await.is_none(), || {
        "a receiver outlives its registration".to_owned()
    })?;
    daemon.message(PORT, b"three")?;
    let message = all.recv().await.ok_or("no message")?;
    ensure(message.data == b"three".as_slice(), || {
        format!("{message:?}")
    })?;

    // A registration that is refused leaves nothing behind.
    let refused = async {
        let (header, _) = daemon.control().await?;
        daemon.answer(header.reqid, -1)
    };
    let (registered, expected) = tokio::join!(client.register(OTHER), refused);
    expected?;
    ensure(registered.is_err(), || {
        "a refused registration is taken for one".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn numbers_are_their_own() {
        assert_eq!(request_numbers().await, Ok(()));
    }

    #[tokio::test]
    async fn messages_find_their_ports() {
        assert_eq!(ports().await, Ok(()));
    }
}
