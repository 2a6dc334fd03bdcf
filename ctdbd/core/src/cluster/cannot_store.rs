// SPDX-License-Identifier: GPL-3.0-or-later
//! A node that cannot store what a recovery gives it leaves the active set by itself, whoever leads: the
//! others go on without it. It looks now and then whether its disk is well again, and then comes back.
//!
//! C stays in, and every recovery of the cluster fails for as long as one disk is full.

use std::time::Duration;

use ctdb_protocol::types::NodeFlags;

use super::{Cluster, Due, flags};
use crate::context::Context;
use crate::database;
use crate::timer::TimerId;

/// The first look at the disk comes after this long; each further fault doubles it.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// It is not doubled further than this.
const LONGEST: Duration = Duration::from_secs(80);
/// A fault that comes this long after the last one is a new one.
const FORGOTTEN_AFTER_S: f64 = 600.0;
/// A recovery tries each database as often as this: then it is no accident.
pub const TRIES: u32 = 3;

/// What a database says when a recovery could not store or open it here [`TRIES`] times in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotStore {
    /// What has to come true before this node comes back.
    pub cure: Cure,
    /// Its name, and what happened.
    pub reason: String,
}

/// What ends a storage fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// The disk takes the file of this path.
    Stores(String),
    /// The database of this name could be opened; that is tried all the time.
    Opens(String),
}

/// Why this node is banned by itself, and when it looks again.
#[derive(Debug)]
struct StorageFault {
    cure: Cure,
    look: Duration,
    timer: TimerId,
}

/// How the next fault is dealt with.
#[derive(Debug, Default)]
pub(super) struct StoreFaults {
    fault: Option<StorageFault>,
    /// Wait and instant (monotonic microseconds) of the last fault.
    last: Option<(Duration, u64)>,
}

impl Cluster {
    /// A database could not be stored: this node bans itself until its disk takes data again.
    pub(super) fn cannot_store(&mut self, cx: &mut Context, what: CannotStore) {
        if self.store_faults.fault.is_some() {
            return;
        }
        let look = match self.store_faults.last {
            Some((look, at_us)) if cx.now().seconds_since(at_us) < FORGOTTEN_AFTER_S => {
                (look * 2).min(LONGEST)
            }
            _ => FIRST_LOOK,
        };
        self.store_faults.last = Some((look, cx.now().monotonic_us));
        cx.error(format!(
            "This node cannot keep its databases and leaves the others to it: {}",
            what.reason
        ));
        let time_s = cx.tunables().recovery_ban_period();
        self.set_ban(cx, None, time_s, &what.reason);
        if self.ban.is_none() {
            return;
        }
        let timer = cx.arm(look, Due::StorageLook);
        self.store_faults.fault = Some(StorageFault {
            cure: what.cure,
            look,
            timer,
        });
    }

    /// Time to look whether the disk takes data again.
    pub(super) fn look_at_storage(&self, cx: &mut Context) {
        if let Some(fault) = &self.store_faults.fault {
            cx.post(database::Letter::LookFor(fault.cure.clone()));
        }
    }

    /// The database service has looked: what is well again, or why it is not.
    pub(super) fn looked_at_storage(&mut self, cx: &mut Context, found: Result<String, String>) {
        let Some(fault) = &mut self.store_faults.fault else {
            return;
        };
        match found {
            Ok(what) if cx.databases().all_frozen() => {
                cx.error(format!("{what}, this node comes back"));
                self.end_ban(cx);
                flags::set_own(cx, NodeFlags::BANNED, false);
            }
            Ok(_) => fault.timer = cx.arm(FIRST_LOOK, Due::StorageLook),
            Err(why) => {
                cx.warning(format!("This node stays banned: {why}"));
                fault.timer = cx.arm(fault.look, Due::StorageLook);
            }
        }
    }

    /// Whether a storage fault keeps this node banned.
    pub(super) fn has_storage_fault(&self) -> bool {
        self.store_faults.fault.is_some()
    }

    /// Who banned this node and why, while it is banned.
    #[must_use]
    pub(crate) fn ban_reason(&self) -> Option<&str> {
        self.ban.as_ref().map(|ban| ban.reason.as_str())
    }

    /// The running ban and its reason are over.
    pub(super) fn end_ban(&mut self, cx: &mut Context) {
        if let Some(ban) = self.ban.take() {
            cx.disarm(ban.timer);
        }
        if let Some(fault) = self.store_faults.fault.take() {
            cx.disarm(fault.timer);
        }
    }
}
