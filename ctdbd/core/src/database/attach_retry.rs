//! Databases that are wanted and cannot be opened, because somebody has their file locked or the disk is full. They are
//! tried again until they can; meanwhile the rest of the node goes on. Only when a recovery wants one the node leaves
//! the others to it, as nothing can be recovered on a part of the nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use ctdb_protocol::hash::database_id;
use ctdb_protocol::id::DbId;

use super::Databases;
use super::Due;
use crate::cluster::{self, CannotStore, Cure, TRIES};
use crate::context::Context;
use crate::database::attach::AttachError;
use crate::store::Kind;
use crate::timer::TimerId;

/// How often they are tried.
const AGAIN: Duration = Duration::from_secs(1);

/// All of them, by name.
#[derive(Debug, Default)]
pub(super) struct BusyFiles {
    wanted: BTreeMap<String, Wanted>,
    timer: Option<TimerId>,
}

#[derive(Debug)]
struct Wanted {
    kind: Kind,
    /// What is in the way.
    reason: String,
    /// How many times in a row a recovery has wanted it.
    recoveries: u32,
}

impl BusyFiles {
    /// What is in the way, in a line for each.
    pub(super) fn reasons(&self) -> impl Iterator<Item = String> {
        self.wanted
            .iter()
            .map(|(name, wanted)| format!("database {name} cannot be attached: {}", wanted.reason))
    }

    /// What is in the way of a database; nothing if it is attached, or not wanted.
    #[must_use]
    pub(super) fn reason(&self, name: &str) -> Option<&str> {
        self.wanted.get(name).map(|wanted| wanted.reason.as_str())
    }

    /// A database is not wanted any more.
    pub(super) fn forget(&mut self, id: DbId) {
        self.wanted.retain(|name, _| database_id(name) != id);
    }
}

impl Databases {
    /// Tries a database again later.
    pub(super) fn open_later(&mut self, cx: &mut Context, name: &str, kind: Kind, reason: &str) {
        let wanted = self
            .busy
            .wanted
            .entry(name.to_owned())
            .or_insert_with(|| Wanted {
                kind,
                reason: String::new(),
                recoveries: 0,
            });
        reason.clone_into(&mut wanted.reason);
        if self.busy.timer.is_none() {
            self.busy.timer = Some(cx.arm(AGAIN, Due::BusyFiles));
        }
    }

    /// A recovery has wanted one that cannot be opened.
    pub(super) fn missed_by_recovery(&mut self, cx: &mut Context, name: &str) {
        let Some(wanted) = self.busy.wanted.get_mut(name) else {
            return;
        };
        wanted.recoveries += 1;
        if wanted.recoveries >= TRIES {
            wanted.recoveries = 0;
            cx.post(cluster::Letter::CannotStore(CannotStore {
                cure: Cure::Opens(name.to_owned()),
                reason: format!("cannot attach database {name}: {}", wanted.reason),
            }));
        }
    }

    /// Whether what ends a storage fault has come true: what is well again, or why it is not.
    pub(super) fn look_for(&self, cure: &Cure) -> Result<String, String> {
        match cure {
            Cure::Stores(path) => self
                .storage
                .can_store(path)
                .map(|()| format!("{path} can be stored again"))
                .map_err(|error| error.to_string()),
            Cure::Opens(name) => match self.busy.reason(name) {
                None => Ok(format!("database {name} can be opened again")),
                Some(reason) => Err(reason.to_owned()),
            },
        }
    }

    /// Time to try them.
    pub(super) fn open_busy(&mut self, cx: &mut Context) {
        self.busy.timer = None;
        let all: Vec<_> = self
            .busy
            .wanted
            .iter()
            .map(|(name, wanted)| (name.clone(), wanted.kind, wanted.reason.clone()))
            .collect();
        for (name, kind, before) in all {
            match self.attach_here(cx, &name, kind) {
                Ok(_) => {
                    self.busy.wanted.remove(&name);
                    cx.notice(format!(
                        "Database {name} is attached now, nothing is in the way of its file any longer"
                    ));
                }
                Err(AttachError::Busy(reason)) => {
                    if reason != before {
                        cx.error(format!("cannot attach database {name}: {reason}"));
                    }
                    self.open_later(cx, &name, kind, &reason);
                }
                Err(AttachError::Refused(reason)) => {
                    self.busy.wanted.remove(&name);
                    cx.error(format!("cannot attach database {name}: {reason}"));
                }
            }
        }
    }
}
