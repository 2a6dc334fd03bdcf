// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking nodes of ours what no control of the protocol tells; see [`ctdb_client::inquiry`].

use crate::failure::Failure;
use crate::session::Session;
use ctdb_client::inquiry::Question;
use ctdb_protocol::Srvid;
use ctdb_protocol::id::Pnn;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long nodes have to answer. A C node never does.
const LIMIT: Duration = Duration::from_secs(1);

/// Asks nodes, all at once; those that stay silent are left out of the answers.
pub async fn ask(
    session: &mut Session,
    nodes: &[Pnn],
    locks: bool,
) -> Result<BTreeMap<Pnn, Value>, Failure> {
    let (srvid, mut inbox) = session.listen().await?;
    let question = Question {
        asker: session.pnn,
        answer_to: srvid,
        locks,
    };
    for node in nodes {
        session
            .client
            .send_message(*node, Srvid::INQUIRY, question.to_bytes());
    }
    let mut answers = BTreeMap::new();
    let listen = async {
        while answers.len() < nodes.len() {
            let Some(message) = inbox.recv().await else {
                return;
            };
            let document: Option<Value> = serde_json::from_slice(&message.data).ok();
            let Some(document) = document else { continue };
            let pnn = document["pnn"].as_u64();
            let from = nodes.iter().find(|node| Some(u64::from(node.0)) == pnn);
            if let Some(from) = from {
                answers.insert(*from, document);
            }
        }
    };
    // those who have not answered by then will not
    let _ = timeout(session.limit().min(LIMIT), listen).await;
    session.unlisten(srvid).await;
    Ok(answers)
}
