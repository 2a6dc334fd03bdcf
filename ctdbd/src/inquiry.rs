// SPDX-License-Identifier: GPL-3.0-or-later
//! Answers the questions of `ctdb health`, `ctdb status -v`, `ctdb locks`, `ctdb version -v` and
//! `ctdb upgrade-check`: see [`ctdb_client::inquiry`]. The loop gives what it knows, the event daemon how
//! the last monitor event ended; files are looked at by a helper process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ctdb_client::Client;
use ctdb_client::inquiry::{Question, monitor_line};
use ctdb_core::{Node, Now};
use ctdb_protocol::Srvid;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::lock_helper::holders::{self, Database, Wait};
use crate::log;
use crate::news::{News, ToLoop};
use crate::outbound::{addresses, events};

/// How long the event daemon may take, which answers from memory. Askers wait for a second in all.
const EVENTD_LIMIT: Duration = Duration::from_millis(300);

/// What the loop knows at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The document, without locks.
    node: Value,
    databases: Vec<Database>,
}

/// Where the loop puts its answer.
pub type Answer = oneshot::Sender<Snapshot>;

impl Snapshot {
    /// The moment `now` of a node.
    #[must_use]
    pub fn take(node: &Node, now: Now) -> Self {
        let age_s = |since_us| now.seconds_since(since_us);
        let peers: Vec<Value> = node
            .peers()
            .map(|m| {
                json!({
                    "pnn": m.pnn.0,
                    "heard": m.version.map(version),
                    "last_heard_s": (m.last_heard_us > 0).then(|| age_s(m.last_heard_us)),
                })
            })
            .collect();
        let databases = node.databases().map(|db| Database {
            name: db.name().to_owned(),
            path: db.path().to_owned(),
            waits: db
                .waits()
                .map(|wait| Wait {
                    chain: wait.chain,
                    key: wait.key.to_vec(),
                    age_s: age_s(wait.since_us),
                    requests: wait.requests,
                })
                .collect(),
        });
        let mut problems = missing_addresses(node);
        problems.extend(node.database_problems());
        let document = json!({
            "pnn": node.pnn().0,
            "program": concat!("ctdb-rs ", env!("CARGO_PKG_VERSION")),
            "protocol": ctdb_protocol::packet::VERSION,
            "speaks": version(node.settings().samba_version),
            "peers": peers,
            "problems": problems,
            "ban_reason": node.ban_reason(),
        });
        Self {
            node: document,
            databases: databases.collect(),
        }
    }
}

/// A line for each public address that was given to this node and is on no interface of it.
fn missing_addresses(node: &Node) -> Vec<String> {
    let hosted = node.hosted_addresses();
    if hosted.is_empty() || node.settings().test_mode {
        return Vec::new();
    }
    let here = addresses::local();
    let missing = hosted
        .iter()
        .filter(|hosted| !here.iter().any(|(address, _)| *address == hosted.addr));
    missing
        .map(|hosted| {
            format!(
                "public address {} was given to this node and is not on interface {}: the takeip event did \
                 not put it there. See ctdb event status legacy takeip; is 10.interface enabled \
                 (ctdb event script enable legacy 10.interface)?",
                hosted.addr, hosted.interface
            )
        })
        .collect()
}

/// `MAJOR.MINOR` of Samba from a keepalive's word.
fn version(word: u32) -> String {
    format!("{}.{}", word >> 16, word & 0xffff)
}

/// How the last monitor event ended; nothing where the event daemon does not tell.
async fn monitor(eventd: &Path) -> Value {
    match timeout(EVENTD_LIMIT, events::last_run(eventd, "monitor")).await {
        Ok(Ok(run)) => Value::from(monitor_line(run.as_ref())),
        Ok(Err(_)) | Err(_) => Value::Null,
    }
}

/// Serves the port until the daemon ends. `lock_helper` is the program that looks at files, `eventd`
/// the socket of the event daemon.
pub async fn serve(client: Client, to_loop: ToLoop, lock_helper: PathBuf, eventd: PathBuf) {
    let Ok(mut questions) = client.register(Srvid::INQUIRY).await else {
        return;
    };
    while let Some(message) = questions.recv().await {
        let Some(question) = Question::read(&message.data) else {
            continue;
        };
        let (answer, answered) = oneshot::channel();
        to_loop.tell(News::Inquiry(answer));
        let Ok(Snapshot {
            node: mut document,
            databases,
        }) = answered.await
        else {
            return;
        };
        document["monitor"] = monitor(&eventd).await;
        if question.locks {
            match holders::ask(&lock_helper, &databases).await {
                Ok(locks) => document["databases"] = locks,
                Err(reason) => log::warning!("Locks not told: {reason}"),
            }
        }
        // a message does not tell where it comes from
        client.send_message(question.asker, question.answer_to, document.to_string());
    }
}
