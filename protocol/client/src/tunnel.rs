//! Tunnels: requests and answers between clients of any two nodes.

use bytes::Bytes;
use ctdb_protocol::control::{TunnelDeregister, TunnelRegister};
use ctdb_protocol::packet::ReqTunnel;
use ctdb_protocol::types::TunnelFlags;
use ctdb_protocol::{Packet, Pnn, ReqId, Srvid};
use tokio::sync::mpsc;

use crate::client::Pending;
use crate::incoming::TunnelRequest;
use crate::{CallError, Client, ControlError};

/// One end of a tunnel.
#[derive(Debug)]
pub struct Tunnel {
    client: Client,
    id: Srvid,
    requests: mpsc::UnboundedReceiver<TunnelRequest>,
}

impl Client {
    /// Opens this node's end of a tunnel.
    ///
    /// # Errors
    /// When another client of this node has it, or the daemon is gone.
    pub async fn tunnel(&self, id: Srvid) -> Result<Tunnel, ControlError> {
        let (sender, requests) = mpsc::unbounded_channel();
        self.dispatch().open(id, sender);
        let opened = self
            .request::<TunnelRegister>(Pnn::CURRENT, &())
            .srvid(id)
            .send()
            .await;
        if let Err(error) = opened {
            self.dispatch().shut(id);
            return Err(error);
        }
        Ok(Tunnel {
            client: self.clone(),
            id,
            requests,
        })
    }
}

impl Tunnel {
    /// The next request; none when the daemon is gone.
    pub async fn next(&mut self) -> Option<TunnelRequest> {
        self.requests.recv().await
    }

    /// Asks the other end at `dest` and waits.
    ///
    /// # Errors
    /// When the daemon is gone. Nobody tells when there is no other end.
    pub async fn request(&self, dest: Pnn, data: impl Into<Bytes>) -> Result<Bytes, CallError> {
        let pending = Pending::new(&self.client);
        self.send(dest, pending.reqid(), TunnelFlags::REQUEST, data.into());
        match pending.answer().await {
            Some(Packet::ReqTunnel(reply)) => Ok(reply.data),
            Some(_) => Err(CallError::Unexpected),
            None => Err(CallError::Closed),
        }
    }

    /// Tells the other end at `dest` something.
    pub fn tell(&self, dest: Pnn, data: impl Into<Bytes>) {
        let reqid = self.client.dispatch().free_reqid();
        let flags = TunnelFlags::REQUEST | TunnelFlags::NOREPLY;
        self.send(dest, reqid, flags, data.into());
    }

    /// Answers a request.
    pub fn reply(&self, request: &TunnelRequest, data: impl Into<Bytes>) {
        self.send(request.src, request.reqid, TunnelFlags::REPLY, data.into());
    }

    /// Closes this end.
    ///
    /// # Errors
    /// When the daemon is gone.
    pub async fn close(self) -> Result<(), ControlError> {
        self.client.dispatch().shut(self.id);
        self.client
            .request::<TunnelDeregister>(Pnn::CURRENT, &())
            .srvid(self.id)
            .send()
            .await
    }

    fn send(&self, dest: Pnn, reqid: ReqId, flags: TunnelFlags, data: Bytes) {
        let header = self.client.header(dest, reqid);
        self.client.send(
            &header,
            &Packet::ReqTunnel(ReqTunnel {
                tunnel_id: self.id,
                flags,
                data,
            }),
        );
    }
}
