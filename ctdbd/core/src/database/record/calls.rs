//! Calls of local clients that were sent to other nodes: by number, and by client.

use std::collections::{BTreeMap, BTreeSet};

use ctdb_protocol::id::{ClientId, ReqId};

use crate::database::record::call::Call;

/// Those of one database.
#[derive(Debug, Default)]
pub(in crate::database) struct Calls {
    by_number: BTreeMap<ReqId, Call>,
    of_client: BTreeMap<ClientId, BTreeSet<ReqId>>,
}

impl Calls {
    /// Looks one up.
    #[must_use]
    pub(in crate::database) fn get(&self, reqid: ReqId) -> Option<&Call> {
        self.by_number.get(&reqid)
    }

    /// Adds one.
    pub(in crate::database) fn insert(&mut self, reqid: ReqId, call: Call) {
        self.of_client.entry(call.client).or_default().insert(reqid);
        self.by_number.insert(reqid, call);
    }

    /// Takes one out.
    pub(in crate::database) fn remove(&mut self, reqid: ReqId) -> Option<Call> {
        let call = self.by_number.remove(&reqid)?;
        if let Some(numbers) = self.of_client.get_mut(&call.client) {
            numbers.remove(&reqid);
            if numbers.is_empty() {
                self.of_client.remove(&call.client);
            }
        }
        Some(call)
    }

    /// The numbers of a client's calls, ascending.
    #[must_use]
    pub(in crate::database) fn of_client(&self, client: ClientId) -> Vec<ReqId> {
        let numbers = self.of_client.get(&client).into_iter().flatten();
        numbers.copied().collect()
    }

    /// Takes all, ascending.
    pub(in crate::database) fn take_all(&mut self) -> BTreeMap<ReqId, Call> {
        self.of_client.clear();
        std::mem::take(&mut self.by_number)
    }

    /// How many there are.
    #[must_use]
    pub(in crate::database) fn len(&self) -> usize {
        self.by_number.len()
    }
}
