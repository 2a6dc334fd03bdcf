//! Fetch collapse: while one call for a key is under way to another node, further calls of local
//! clients for that key wait for it instead of adding to the traffic (tunable FetchCollapse).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::id::{ClientId, ReqId};
use ctdb_protocol::packet::ReqCall;

use crate::context::Context;
use crate::database::Db;
use crate::database::Due;
use crate::database::record::wait::Parked;
use crate::timer::TimerId;

/// Upstream gives a collapsed queue this long before its calls are tried one by one.
const LIMIT: Duration = Duration::from_secs(30);

/// The calls that wait for one that is under way.
#[derive(Debug)]
pub(in crate::database) struct Collapse {
    /// The call that is under way.
    reqid: ReqId,
    timer: TimerId,
    queue: VecDeque<Parked>,
}

impl Db {
    /// Puts a call behind one for the same key, if there is such a one.
    pub(in crate::database) fn collapse(
        &mut self,
        client: ClientId,
        reqid: ReqId,
        call: &ReqCall,
    ) -> bool {
        let Some(collapse) = self.collapsed.get_mut(&call.key) else {
            return false;
        };
        collapse.queue.push_back(Parked::Client {
            client,
            reqid,
            call: call.clone(),
        });
        true
    }

    /// From now on calls for this key wait for the answer to `reqid`.
    pub(in crate::database) fn begin_collapse(
        &mut self,
        cx: &mut Context,
        key: Bytes,
        reqid: ReqId,
    ) {
        if self.collapsed.contains_key(&key) {
            return;
        }
        let timer = cx.arm(LIMIT, Due::Collapse(self.id, reqid));
        self.collapsed.insert(
            key,
            Collapse {
                reqid,
                timer,
                queue: VecDeque::new(),
            },
        );
    }

    /// A call was given a new request id (after a recovery).
    pub(in crate::database) fn retarget_collapse(&mut self, key: &Bytes, old: ReqId, new: ReqId) {
        if let Some(collapse) = self.collapsed.get_mut(key).filter(|c| c.reqid == old) {
            collapse.reqid = new;
        }
    }

    /// The call that others waited for has ended; they are tried again.
    pub(in crate::database) fn end_collapse(
        &mut self,
        cx: &mut Context,
        key: &Bytes,
        reqid: ReqId,
    ) {
        if self.collapsed.get(key).is_none_or(|c| c.reqid != reqid) {
            return;
        }
        let Some(collapse) = self.collapsed.remove(key) else {
            return;
        };
        cx.disarm(collapse.timer);
        for parked in collapse.queue {
            cx.later(self.id, parked);
        }
    }

    /// The call that others waited for takes too long; they are tried again on their own.
    pub(in crate::database) fn collapse_expired(&mut self, cx: &mut Context, reqid: ReqId) {
        let Some(key) = self
            .collapsed
            .iter()
            .find(|(_, c)| c.reqid == reqid)
            .map(|(k, _)| k.clone())
        else {
            return;
        };
        if let Some(collapse) = self.collapsed.remove(&key) {
            for parked in collapse.queue {
                cx.later(self.id, parked);
            }
        }
    }
}
