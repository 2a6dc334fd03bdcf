//! Controls: built, sent, awaited.

use std::marker::PhantomData;
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::packet::{ReplyControl, ReqControl};
use ctdb_protocol::types::ControlFlags;
use ctdb_protocol::wire::{Pad, all};
use ctdb_protocol::{ClientId, Control, Packet, Pnn, Srvid, encode};
use tokio::time::{Instant, timeout_at};

use crate::client::Pending;
use crate::dispatch::control_reply;
use crate::{Client, ControlError, Failure};

/// A control about to be sent.
#[derive(Debug)]
#[must_use = "nothing is sent before send()"]
pub struct Request<'a, C: Control> {
    client: &'a Client,
    dest: Pnn,
    packet: ReqControl,
    timeout: Option<Duration>,
    control: PhantomData<fn() -> C>,
}

impl Client {
    /// Prepares a control for `dest`. Without more words: no time limit, an answer is wanted.
    pub fn request<C: Control>(&self, dest: Pnn, request: &C::Request) -> Request<'_, C> {
        Request {
            client: self,
            dest,
            packet: ReqControl {
                opcode: C::CODE,
                pad: Pad::ZERO,
                srvid: Srvid(0),
                client_id: ClientId(0),
                flags: ControlFlags::empty(),
                data: encode(request).into(),
            },
            timeout: None,
            control: PhantomData,
        }
    }

    /// Sends a control and waits for its reply, however long that takes.
    ///
    /// # Errors
    /// When it is refused (any status but 0), or the daemon is gone.
    pub async fn control<C: Control>(
        &self,
        dest: Pnn,
        request: &C::Request,
    ) -> Result<C::Reply, ControlError> {
        self.request::<C>(dest, request).send().await
    }

    /// Sends a control whose answer is the status word: GET_PID, PING and their like.
    ///
    /// # Errors
    /// When the daemon is gone. No status is an error here.
    pub async fn control_status<C: Control>(
        &self,
        dest: Pnn,
        request: &C::Request,
    ) -> Result<(i32, Bytes), ControlError> {
        self.request::<C>(dest, request).status().await
    }

    /// Sends one control to several nodes at once and waits for all; `limit` is for all of them
    /// together. The results are in the order of `dests`.
    pub async fn control_all<C: Control>(
        &self,
        dests: &[Pnn],
        request: &C::Request,
        limit: Option<Duration>,
    ) -> Vec<(Pnn, Result<C::Reply, ControlError>)> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let sent: Vec<Sent<'_, C>> = dests
            .iter()
            .map(|dest| self.request::<C>(*dest, request).start())
            .collect();
        let mut results = Vec::with_capacity(sent.len());
        for sent in sent {
            let dest = sent.dest;
            results.push((dest, sent.reply_before(deadline).await));
        }
        results
    }
}

impl<'a, C: Control> Request<'a, C> {
    /// Wait no longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Wait no longer than this, or for ever.
    pub fn timeout_opt(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// With these flags.
    pub fn flags(mut self, flags: ControlFlags) -> Self {
        self.packet.flags |= flags;
        self
    }

    /// With this port in the header, for the controls about ports and tunnels.
    pub fn srvid(mut self, srvid: Srvid) -> Self {
        self.packet.srvid = srvid;
        self
    }

    /// Without an answer: to a broadcast destination nothing else is allowed.
    pub fn no_reply(mut self) -> NoReply<'a, C> {
        self.packet.flags |= ControlFlags::NOREPLY;
        NoReply(self)
    }

    /// Sends it and waits for the reply.
    ///
    /// # Errors
    /// When it is refused (any status but 0), takes too long, or the daemon is gone.
    pub async fn send(self) -> Result<C::Reply, ControlError> {
        let deadline = self.deadline();
        self.start().reply_before(deadline).await
    }

    /// Sends it and waits for status and data, whatever the status.
    ///
    /// # Errors
    /// When it takes too long, or the daemon is gone.
    pub async fn status(self) -> Result<(i32, Bytes), ControlError> {
        let reply = self.raw().await?;
        Ok((reply.status, reply.data))
    }

    /// Sends it and waits for the packet, whatever it says.
    ///
    /// # Errors
    /// When it takes too long, or the daemon is gone.
    pub async fn raw(self) -> Result<ReplyControl, ControlError> {
        let deadline = self.deadline();
        self.start().raw_before(deadline).await
    }

    fn deadline(&self) -> Option<Instant> {
        self.timeout.map(|timeout| Instant::now() + timeout)
    }

    fn start(self) -> Sent<'a, C> {
        let pending = Pending::new(self.client);
        let header = self.client.header(self.dest, pending.reqid());
        self.client.send(&header, &Packet::ReqControl(self.packet));
        Sent {
            dest: self.dest,
            pending,
            control: PhantomData,
        }
    }
}

/// A control that wants no answer.
#[derive(Debug)]
#[must_use = "nothing is sent before send()"]
pub struct NoReply<'a, C: Control>(Request<'a, C>);

impl<C: Control> NoReply<'_, C> {
    /// Sends it.
    pub fn send(self) {
        let Self(request) = self;
        let reqid = request.client.dispatch().free_reqid();
        let header = request.client.header(request.dest, reqid);
        request
            .client
            .send(&header, &Packet::ReqControl(request.packet));
    }
}

/// A control that was sent.
struct Sent<'a, C: Control> {
    dest: Pnn,
    pending: Pending<'a>,
    control: PhantomData<fn() -> C>,
}

impl<C: Control> Sent<'_, C> {
    async fn raw_before(self, deadline: Option<Instant>) -> Result<ReplyControl, ControlError> {
        let dest = self.dest;
        let failed = |failure| ControlError {
            control: C::NAME,
            dest,
            failure,
        };
        let answer = match deadline {
            Some(deadline) => timeout_at(deadline, self.pending.answer())
                .await
                .map_err(|_| failed(Failure::TimedOut))?,
            None => self.pending.answer().await,
        };
        answer
            .and_then(control_reply)
            .ok_or_else(|| failed(Failure::Closed))
    }

    async fn reply_before(self, deadline: Option<Instant>) -> Result<C::Reply, ControlError> {
        let dest = self.dest;
        let reply = self.raw_before(deadline).await?;
        let failed = |failure| ControlError {
            control: C::NAME,
            dest,
            failure,
        };
        if reply.status != 0 {
            let message = String::from_utf8_lossy(&reply.errormsg).into_owned();
            return Err(failed(Failure::Status {
                status: reply.status,
                message,
            }));
        }
        all(&reply.data).map_err(|error| failed(Failure::Malformed(error)))
    }
}
