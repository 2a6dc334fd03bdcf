//! Messages: to ports, from ports.

use bytes::Bytes;
use ctdb_protocol::control::{DeregisterSrvid, RegisterSrvid};
use ctdb_protocol::message::Port;
use ctdb_protocol::packet::ReqMessage;
use ctdb_protocol::{Packet, Pnn, Srvid, encode};
use tokio::sync::mpsc;

use crate::incoming::Message;
use crate::{Client, ControlError};

impl Client {
    /// Subscribes to a port. Several subscriptions to one port get every message each; dropping
    /// the receiver ends its own. [`Srvid::ALL`] gets what comes to any port of this node.
    ///
    /// # Errors
    /// When the daemon refuses or is gone.
    pub async fn register(
        &self,
        srvid: Srvid,
    ) -> Result<mpsc::UnboundedReceiver<Message>, ControlError> {
        let (sender, receiver) = mpsc::unbounded_channel();
        if self.dispatch().listen(srvid, sender) {
            let registered = self
                .request::<RegisterSrvid>(Pnn::CURRENT, &())
                .srvid(srvid)
                .send()
                .await;
            if let Err(error) = registered {
                self.dispatch().silence(srvid);
                return Err(error);
            }
        }
        Ok(receiver)
    }

    /// Ends all subscriptions to a port.
    ///
    /// # Errors
    /// When the daemon knows of none, or is gone.
    pub async fn deregister(&self, srvid: Srvid) -> Result<(), ControlError> {
        self.dispatch().silence(srvid);
        self.request::<DeregisterSrvid>(Pnn::CURRENT, &())
            .srvid(srvid)
            .send()
            .await
    }

    /// Sends a message. Nobody tells whether it arrives.
    pub fn send_message(&self, dest: Pnn, srvid: Srvid, data: impl Into<Bytes>) {
        let header = self.header(dest, ctdb_protocol::ReqId(0));
        let message = ReqMessage {
            srvid,
            data: data.into(),
        };
        self.send(&header, &Packet::ReqMessage(message));
    }

    /// Sends a message with the payload that its port is declared with.
    pub fn send_to<P: Port>(&self, dest: Pnn, payload: &P::Payload) {
        self.send_message(dest, P::SRVID, encode(payload));
    }
}
