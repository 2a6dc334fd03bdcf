//! Databases that are wanted and cannot be opened, because somebody has their file locked. They are tried again
//! until they can; meanwhile the rest of the node goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::hash::database_id;
use ctdb_protocol::id::DbId;

use super::Databases;
use super::attach::AttachError;
use crate::shared::{Shared, Timer};
use crate::store::Kind;
use crate::timer::TimerId;

/// How often they are tried.
const AGAIN: Duration = Duration::from_secs(1);

/// All of them, by name.
#[derive(Debug, Default)]
pub struct BusyFiles {
    wanted: BTreeMap<String, Wanted>,
    timer: Option<TimerId>,
}

#[derive(Debug)]
struct Wanted {
    kind: Kind,
    /// What is in the way.
    reason: String,
}

impl BusyFiles {
    /// What is in the way, in a line for each.
    pub fn reasons(&self) -> impl Iterator<Item = String> {
        self.wanted
            .iter()
            .map(|(name, wanted)| format!("database {name} cannot be attached: {}", wanted.reason))
    }

    /// A database is not wanted any more.
    pub(super) fn forget(&mut self, id: DbId) {
        self.wanted.retain(|name, _| database_id(name) != id);
    }
}

impl Databases {
    /// Tries a database again later.
    pub(super) fn open_later(&mut self, cx: &mut Shared, name: &str, kind: Kind, reason: &str) {
        let reason = reason.to_owned();
        self.busy
            .wanted
            .insert(name.to_owned(), Wanted { kind, reason });
        if self.busy.timer.is_none() {
            self.busy.timer = Some(cx.arm(AGAIN, Timer::BusyFiles));
        }
    }

    /// Time to try them.
    pub fn open_busy(&mut self, cx: &mut Shared) {
        self.busy.timer = None;
        for (name, wanted) in std::mem::take(&mut self.busy.wanted) {
            match self.attach_here(cx, &name, wanted.kind) {
                Ok(_) => cx.notice(format!(
                    "Database {name} is attached now, its file is locked no longer"
                )),
                Err(AttachError::Busy(reason)) => {
                    if reason != wanted.reason {
                        cx.error(format!("cannot attach database {name}: {reason}"));
                    }
                    self.open_later(cx, &name, wanted.kind, &reason);
                }
                Err(AttachError::Refused(reason)) => {
                    cx.error(format!("cannot attach database {name}: {reason}"));
                }
            }
        }
    }
}
