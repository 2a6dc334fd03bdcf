//! Sticky records: a key that many nodes fight for stays a moment wherever it arrives
//! (tunables HopcountMakeSticky, StickyDuration, StickyPindown).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::packet::{Header, ReqCall};

use crate::context::Context;
use crate::database::Db;
use crate::database::Due;
use crate::database::record::packet::RecordPacket;
use crate::database::record::wait::Parked;

/// Sticky keys of a database and the calls that wait for pinned ones.
#[derive(Debug, Default)]
pub(in crate::database) struct StickyKeys {
    sticky: BTreeSet<Bytes>,
    pinned: BTreeMap<Bytes, Vec<(Header, ReqCall)>>,
}

impl StickyKeys {
    /// Whether a key may not leave now.
    #[must_use]
    pub(in crate::database) fn pinned(&self, key: &Bytes) -> bool {
        self.pinned.contains_key(key)
    }

    /// Keeps a node's call until the key may leave.
    pub(in crate::database) fn hold(&mut self, key: &Bytes, header: Header, call: ReqCall) {
        if let Some(held) = self.pinned.get_mut(key) {
            held.push((header, call));
        }
    }
}

impl Db {
    /// A key has moved so often that it is to stay a while from now on.
    pub(in crate::database) fn make_sticky(&mut self, cx: &mut Context, key: &Bytes) {
        if self.sticky_keys.sticky.insert(key.clone()) {
            cx.notice(format!("{}: make a record sticky", self.name));
            let duration = Duration::from_secs(u64::from(cx.tunables().sticky_duration()));
            cx.arm(duration, Due::Unstick(self.id, key.clone()));
        }
    }

    /// A sticky key has arrived: pin it.
    pub(in crate::database) fn pin(&mut self, cx: &mut Context, key: &Bytes) {
        if !self.sticky_keys.sticky.contains(key) || self.sticky_keys.pinned(key) {
            return;
        }
        let duration = Duration::from_millis(u64::from(cx.tunables().sticky_pindown()));
        self.sticky_keys.pinned.insert(key.clone(), Vec::new());
        cx.arm(duration, Due::Unpin(self.id, key.clone()));
    }

    /// A pinned key may leave; calls that waited are processed.
    pub(in crate::database) fn unpin(&mut self, cx: &mut Context, key: &Bytes) {
        let generation = self.generation;
        for (header, call) in self.sticky_keys.pinned.remove(key).unwrap_or_default() {
            let packet = RecordPacket::Call(call);
            let parked = Parked::Node {
                header,
                packet,
                generation,
            };
            cx.later(self.id, parked);
        }
    }

    /// A key is an ordinary one again.
    pub(in crate::database) fn unstick(&mut self, key: &Bytes) {
        self.sticky_keys.sticky.remove(key);
    }
}
