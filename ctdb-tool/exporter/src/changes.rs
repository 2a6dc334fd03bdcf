// SPDX-License-Identifier: GPL-3.0-or-later
//! What changed while this program watched.

use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use ctdb_protocol::id::Pnn;
use serde_json::{Value, json};

use crate::snapshot::Snapshot;
use crate::watch::Unavailable;

/// Changes that are kept.
const MOST: usize = 100;

/// What is compared.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known {
    states: BTreeMap<u32, String>,
    hosts: BTreeMap<String, Pnn>,
    leader: Option<u32>,
    recovering: bool,
}

impl Known {
    fn of(snapshot: &Snapshot) -> Self {
        let nodes = snapshot.nodes.iter();
        let addresses = snapshot.addresses.iter();
        Self {
            states: nodes.map(|node| (node.pnn, node.state())).collect(),
            hosts: addresses.map(|ip| (ip.addr.to_string(), ip.pnn)).collect(),
            leader: snapshot.cluster.leader,
            recovering: snapshot.cluster.recovery_mode != 0,
        }
    }
}

/// The last changes.
#[derive(Debug, Default)]
pub struct Changes {
    lines: VecDeque<(f64, String)>,
    known: Option<Known>,
    silent: bool,
}

impl Changes {
    /// Takes what was seen into account.
    pub fn note(&mut self, node: &Result<Snapshot, Unavailable>) {
        let snapshot = match node {
            Ok(snapshot) => snapshot,
            Err(unavailable) => {
                if !std::mem::replace(&mut self.silent, true) {
                    self.add(unavailable.text.clone());
                }
                return;
            }
        };
        if std::mem::replace(&mut self.silent, false) {
            self.add(format!("ctdbd of node {} answers again", snapshot.pnn));
        }
        let now = Known::of(snapshot);
        for line in self
            .known
            .iter()
            .flat_map(|before| between(before, &now))
            .collect::<Vec<_>>()
        {
            self.add(line);
        }
        self.known = Some(now);
    }

    fn add(&mut self, line: String) {
        if self.lines.len() == MOST {
            self.lines.pop_front();
        }
        self.lines.push_back((wall_s(), line));
    }

    /// The oldest first.
    #[must_use]
    pub fn json(&self) -> Value {
        let lines = self.lines.iter();
        lines
            .map(|(at, text)| json!({ "at": at, "text": text }))
            .collect()
    }
}

/// A line for each difference.
fn between(before: &Known, now: &Known) -> Vec<String> {
    let mut lines = Vec::new();
    if before.recovering != now.recovering {
        let what = if now.recovering { "begins" } else { "is over" };
        lines.push(format!("Recovery {what}"));
    }
    if before.leader != now.leader {
        lines.push(match now.leader {
            Some(pnn) => format!("Node {pnn} leads"),
            None => "No leader is heard".to_owned(),
        });
    }
    for (pnn, state) in &now.states {
        match before.states.get(pnn) {
            Some(old) if old != state => lines.push(format!("Node {pnn}: {old} → {state}")),
            Some(_) => {}
            None => lines.push(format!("Node {pnn} is new: {state}")),
        }
    }
    let gone = before
        .states
        .keys()
        .filter(|pnn| !now.states.contains_key(pnn));
    lines.extend(gone.map(|pnn| format!("Node {pnn} is gone from the list")));
    for (address, host) in &now.hosts {
        let old = before.hosts.get(address);
        if old.is_some_and(|old| old != host) {
            lines.push(match *host {
                Pnn::UNKNOWN => format!("{address}: nobody has it"),
                pnn => format!("{address} moves to node {pnn}"),
            });
        }
    }
    lines
}

/// Seconds since 1970.
#[must_use]
pub fn wall_s() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::watch::Cause;
    use ctdb_protocol::types::NodeFlags;

    fn texts(changes: &Changes) -> Vec<&str> {
        changes.lines.iter().map(|(_, text)| &**text).collect()
    }

    #[test]
    fn each_difference_is_a_line_and_no_difference_is_none() {
        let mut changes = Changes::default();
        changes.note(&Ok(snapshot()));
        changes.note(&Ok(snapshot()));
        assert!(texts(&changes).is_empty());
        let mut later = snapshot();
        later.nodes[0].flags = NodeFlags::empty();
        later.cluster.leader = Some(0);
        later.cluster.recovery_mode = 1;
        later.addresses[0].pnn = Pnn(0);
        changes.note(&Ok(later));
        assert_eq!(
            texts(&changes),
            [
                "Recovery begins",
                "Node 0 leads",
                "Node 0: BANNED|INACTIVE → OK",
                "192.168.0.1 moves to node 0",
            ]
        );
    }

    #[test]
    fn silence_is_told_once() {
        let mut changes = Changes::default();
        let silent = Err(Unavailable {
            cause: Cause::TimedOut,
            text: "silent".to_owned(),
        });
        changes.note(&silent);
        changes.note(&silent);
        changes.note(&Ok(snapshot()));
        assert_eq!(texts(&changes), ["silent", "ctdbd of node 1 answers again"]);
    }

    #[test]
    fn old_ones_make_room() {
        let mut changes = Changes::default();
        for number in 0..MOST + 5 {
            changes.add(number.to_string());
        }
        assert_eq!(changes.lines.len(), MOST);
        assert_eq!(texts(&changes)[0], "5");
    }
}
