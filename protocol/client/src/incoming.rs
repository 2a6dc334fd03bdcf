//! What comes to a client without having been asked for.

use bytes::Bytes;
use ctdb_protocol::{Pnn, ReqId, Srvid};

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The sender's node.
    pub src: Pnn,
    /// The port it was sent to.
    pub srvid: Srvid,
    /// Its payload; see [`ctdb_protocol::message`].
    pub data: Bytes,
}

/// A request that came through a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelRequest {
    /// The asker's node.
    pub src: Pnn,
    /// The asker's number for it.
    pub reqid: ReqId,
    /// Does the asker wait?
    pub wants_reply: bool,
    /// The data.
    pub data: Bytes,
}
