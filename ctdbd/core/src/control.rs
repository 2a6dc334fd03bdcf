//! A control on its way to the service that answers it, and its answer on the way back.

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, Pnn, ReqId};
use ctdb_protocol::packet::ReplyControl;

/// Who sent a control, and how its answer finds the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Node that sent it.
    pub(crate) node: Pnn,
    /// Request id to answer with.
    pub(crate) reqid: ReqId,
    /// Connection on that node; 0 when a daemon sent it by itself.
    pub(crate) client: ClientId,
    /// No answer is wanted.
    pub(crate) no_reply: bool,
    /// It came from a client of this node that was there when it came.
    pub(crate) local: bool,
}

impl Asker {
    /// The client of this node that has sent the control, if it was one.
    #[must_use]
    pub fn local_client(self) -> Option<ClientId> {
        self.local.then_some(self.client)
    }
}

/// What a service has to say to a control.
#[derive(Debug)]
pub enum Answer {
    /// A status without data.
    Status(i32),
    /// Status 0 with data.
    Data(Vec<u8>),
    /// It was answered already, or will be.
    Taken,
}

impl Answer {
    /// 0, or upstream's "no": -1.
    #[must_use]
    pub fn yes_or_no(yes: bool) -> Self {
        Self::Status(if yes { 0 } else { -1 })
    }

    /// A typed value.
    #[must_use]
    pub fn with<T: ctdb_protocol::Wire>(value: &T) -> Self {
        Self::Data(ctdb_protocol::encode(value))
    }

    /// A typed value, or "no".
    #[must_use]
    pub fn maybe<T: ctdb_protocol::Wire>(value: Option<&T>) -> Self {
        value.map_or(Self::Status(-1), Self::with)
    }

    /// Nothing when it was taken on, "no" when it was not.
    #[must_use]
    pub fn taken(taken: bool) -> Self {
        if taken { Self::Taken } else { Self::Status(-1) }
    }
}

/// The answer that a control gets when there is none.
#[must_use]
pub fn failed(text: &'static str) -> ReplyControl {
    ReplyControl {
        status: -1,
        data: Bytes::new(),
        errormsg: Bytes::from_static(text.as_bytes()),
    }
}
