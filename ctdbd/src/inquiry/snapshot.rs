//! What the loop knows at one moment, for those who inquire.

use ctdb_core::{Node, Now};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::lock_helper::holders::{Database, Wait};
use crate::outbound::addresses;

/// What the loop knows at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// The document, without locks.
    pub(super) node: Value,
    pub(super) databases: Vec<Database>,
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
