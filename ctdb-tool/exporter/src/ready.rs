// SPDX-License-Identifier: GPL-3.0-or-later
//! Is this node one to send clients to?

use ctdb_protocol::types::RunState;
use ctdb_tool::output::status::flag_names;
use serde_json::{Value, json};

use crate::snapshot::Snapshot;
use crate::watch::Unavailable;

/// Why a node is not ready; nothing when it is. One word for programs and one line for people each.
#[must_use]
pub fn reasons(node: &Result<Snapshot, Unavailable>) -> Vec<(&'static str, String)> {
    let snapshot = match node {
        Ok(snapshot) => snapshot,
        Err(unavailable) => return vec![(unavailable.cause.name(), unavailable.text.clone())],
    };
    let mut reasons = Vec::new();
    if snapshot.run_state != RunState::RUNNING {
        let name = snapshot.run_state.name().unwrap_or("UNKNOWN");
        reasons.push((
            "not_running",
            format!("ctdbd is in state {name}: it hosts nothing before RUNNING"),
        ));
    }
    match snapshot.this_node() {
        None => reasons.push(("deleted", "this node is deleted".to_owned())),
        Some(line) if !line.flags.is_empty() => reasons.push((
            "not_ok",
            format!("node {} is {}", line.pnn, flag_names(line.flags)),
        )),
        Some(_) => {}
    }
    if snapshot.cluster.recovery_mode != 0 {
        reasons.push(("recovery", "recovery is active".to_owned()));
    }
    reasons
}

/// The document of `/readyz`.
#[must_use]
pub fn document(node: &Result<Snapshot, Unavailable>) -> Value {
    let reasons = reasons(node);
    let listed: Vec<Value> = reasons
        .iter()
        .map(|(code, text)| json!({ "code": code, "text": text }))
        .collect();
    json!({
        "ready": reasons.is_empty(),
        "pnn": node.as_ref().ok().map(|snapshot| snapshot.pnn.0),
        "reasons": listed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::snapshot;
    use crate::watch::Cause;
    use ctdb_protocol::types::NodeFlags;

    fn codes(node: &Result<Snapshot, Unavailable>) -> Vec<&'static str> {
        reasons(node).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn a_node_that_is_ok_is_ready_whatever_others_are() {
        assert_eq!(
            document(&Ok(snapshot())),
            json!({ "ready": true, "pnn": 1, "reasons": [] })
        );
    }

    #[test]
    fn each_thing_that_is_wrong_is_a_reason() {
        let mut snapshot = snapshot();
        snapshot.run_state = RunState::STARTUP;
        snapshot.cluster.recovery_mode = 1;
        snapshot.nodes[1].flags = NodeFlags::UNHEALTHY | NodeFlags::STOPPED;
        let document = document(&Ok(snapshot));
        assert_eq!(document["ready"], false);
        assert_eq!(
            document["reasons"][1]["text"],
            "node 1 is UNHEALTHY|STOPPED|INACTIVE"
        );
        let codes: Vec<_> = document["reasons"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reason| reason["code"].as_str().unwrap())
            .collect();
        assert_eq!(codes, ["not_running", "not_ok", "recovery"]);
    }

    #[test]
    fn a_daemon_that_does_not_answer_is_not_ready() {
        let silent = Err(Unavailable {
            cause: Cause::TimedOut,
            text: "silent".to_owned(),
        });
        assert_eq!(codes(&silent), ["timed_out"]);
        assert_eq!(document(&silent)["pnn"], Value::Null);
    }

    #[test]
    fn a_deleted_node_is_not_ready() {
        let mut snapshot = snapshot();
        snapshot.nodes.remove(1);
        assert_eq!(codes(&Ok(snapshot)), ["deleted"]);
    }
}
