//! The client itself: a connection, and tasks that serve it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use bytes::Bytes;
use ctdb_protocol::control::GetPnn;
use ctdb_protocol::packet::{ReplyCall, ReqCall};
use ctdb_protocol::types::{CallFlags, CallFunction};
use ctdb_protocol::{DbId, Generation, Header, Packet, Pnn, ReqId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::dispatch::Dispatch;
use crate::transport::{self, Incoming, Outgoing, Socket, lock};
use crate::{CallError, ConnectError, ControlError, Failure};

/// A client of a daemon. Clones share the connection; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    outgoing: Outgoing,
    dispatch: Arc<Mutex<Dispatch>>,
    closed: watch::Receiver<bool>,
    pnn: OnceLock<Pnn>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Client {
    /// Connects to a daemon's socket and asks for the node's number.
    ///
    /// # Errors
    /// When nobody listens, or the daemon does not answer.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let path = path.as_ref();
        let (socket, incoming) =
            transport::connect(path)
                .await
                .map_err(|source| ConnectError::Socket {
                    path: path.display().to_string(),
                    source,
                })?;
        let client = Self::over_socket(Arc::new(socket), incoming);
        client.pnn().await?;
        Ok(client)
    }

    fn over_socket(socket: Arc<Socket>, incoming: Incoming) -> Self {
        let dispatch = Arc::new(Mutex::new(Dispatch::default()));
        let (closing, closed) = watch::channel(false);
        let reader = tokio::spawn({
            let dispatch = Arc::clone(&dispatch);
            async move {
                let ended = incoming.read(|packet| lock(&dispatch).take(packet)).await;
                if let Err(error) = ended {
                    tracing::debug!("Connection to the daemon ended: {error}");
                }
                lock(&dispatch).close();
                closing.send_replace(true);
            }
        });
        let writer = tokio::spawn({
            let socket = Arc::clone(&socket);
            async move {
                // The reader notices the end as well.
                let _ = socket.flush().await;
            }
        });
        let tasks = vec![reader.abort_handle(), writer.abort_handle()];
        Self::new(Outgoing::Socket(socket), dispatch, closed, tasks)
    }

    /// A client of a daemon in this process: whole packets go out by `sender` and come in by
    /// `receiver`. The connection ends when the daemon drops its sender.
    #[must_use]
    pub fn over(
        sender: mpsc::UnboundedSender<Bytes>,
        mut receiver: mpsc::UnboundedReceiver<Bytes>,
    ) -> Self {
        let dispatch = Arc::new(Mutex::new(Dispatch::default()));
        let (closing, closed) = watch::channel(false);
        let reader = tokio::spawn({
            let dispatch = Arc::clone(&dispatch);
            async move {
                while let Some(packet) = receiver.recv().await {
                    lock(&dispatch).take(packet);
                }
                lock(&dispatch).close();
                closing.send_replace(true);
            }
        });
        let tasks = vec![reader.abort_handle()];
        Self::new(Outgoing::Channel(sender), dispatch, closed, tasks)
    }

    fn new(
        outgoing: Outgoing,
        dispatch: Arc<Mutex<Dispatch>>,
        closed: watch::Receiver<bool>,
        tasks: Vec<AbortHandle>,
    ) -> Self {
        let pnn = OnceLock::new();
        Self {
            shared: Arc::new(Shared {
                outgoing,
                dispatch,
                closed,
                pnn,
                tasks,
            }),
        }
    }

    /// The number of the daemon's node. Asked for once.
    ///
    /// # Errors
    /// When the daemon does not tell.
    pub async fn pnn(&self) -> Result<Pnn, ControlError> {
        if let Some(pnn) = self.shared.pnn.get() {
            return Ok(*pnn);
        }
        let (status, _) = self.control_status::<GetPnn>(Pnn::CURRENT, &()).await?;
        let pnn = u32::try_from(status).map(Pnn).map_err(|_| ControlError {
            control: "GET_PNN",
            dest: Pnn::CURRENT,
            failure: Failure::Status {
                status,
                message: String::new(),
            },
        })?;
        Ok(*self.shared.pnn.get_or_init(|| pnn))
    }

    /// Comes back when the connection is gone.
    pub async fn closed(&self) {
        let mut closed = self.shared.closed.clone();
        // An error means that the task is gone, and with it the connection.
        let _ = closed.wait_for(|closed| *closed).await;
    }

    /// Is the connection gone?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        *self.shared.closed.borrow()
    }

    /// For a client with many requests in flight: what is sent in one turn of the loop leaves in one
    /// write at its end, instead of each packet at once. The loop has to go on for that: a program
    /// that sends and ends loses its last words.
    pub fn gather(&self) {
        if let Outgoing::Socket(socket) = &self.shared.outgoing {
            socket.gather();
        }
    }

    /// Calls a function on a record, which migrates as `flags` say.
    ///
    /// # Errors
    /// When the daemon cannot, or is gone.
    pub async fn call(
        &self,
        db_id: DbId,
        key: impl Into<Bytes>,
        callid: CallFunction,
        flags: CallFlags,
    ) -> Result<ReplyCall, CallError> {
        let (key, calldata) = (key.into(), Bytes::new());
        let call = ReqCall {
            flags,
            db_id,
            callid,
            hopcount: 0,
            key,
            calldata,
        };
        let pending = Pending::new(self);
        let header = self.header(Pnn::CURRENT, pending.reqid());
        self.send(&header, &Packet::ReqCall(call));
        match pending.answer().await {
            Some(Packet::ReplyCall(reply)) => Ok(reply),
            Some(Packet::ReplyError(error)) => Err(CallError::Failed {
                status: error.status,
                message: String::from_utf8_lossy(&error.msg).into_owned(),
            }),
            Some(_) => Err(CallError::Unexpected),
            None => Err(CallError::Closed),
        }
    }

    /// The header of a packet to `dest`.
    pub(crate) fn header(&self, dest: Pnn, reqid: ReqId) -> Header {
        let own = self.shared.pnn.get().copied().unwrap_or(Pnn::UNKNOWN);
        Header::new(Generation(0), own, dest, reqid)
    }

    pub(crate) fn send(&self, header: &Header, packet: &Packet) {
        self.shared.outgoing.send(packet.encode(header));
    }

    pub(crate) fn dispatch(&self) -> MutexGuard<'_, Dispatch> {
        lock(&self.shared.dispatch)
    }
}

/// A request in flight. Dropping it forgets the request.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    client: &'a Client,
    reqid: ReqId,
    answer: Option<oneshot::Receiver<Packet>>,
}

impl<'a> Pending<'a> {
    /// Takes a number.
    pub(crate) fn new(client: &'a Client) -> Self {
        let (reqid, answer) = client.dispatch().expect();
        Self {
            client,
            reqid,
            answer: Some(answer),
        }
    }

    /// The number to send the request with.
    pub(crate) fn reqid(&self) -> ReqId {
        self.reqid
    }

    /// The answer; none when the connection is gone.
    pub(crate) async fn answer(mut self) -> Option<Packet> {
        let answer = self.answer.take()?;
        answer.await.ok()
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.client.dispatch().forget(self.reqid);
    }
}
