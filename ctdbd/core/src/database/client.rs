//! The end of a client: what it had asked for is not wanted any more.

use ctdb_protocol::id::ClientId;

use super::Databases;
use crate::context::Context;

impl Databases {
    /// A client has gone.
    pub(crate) fn client_gone(&mut self, cx: &mut Context, client: ClientId) {
        self.deferred_gone(cx, client);
        self.traverse_gone(cx, client);
        for db in self.map.values_mut() {
            db.abandon_commit(cx, client);
            db.forget_calls(cx, client);
        }
    }
}
