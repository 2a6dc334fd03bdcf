// SPDX-License-Identifier: GPL-3.0-or-later
//! The status page: its files, and what it shows, as a stream of events. The daemon is asked while somebody looks,
//! once for all who do.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ctdb_protocol::types::NodeFlags;
use ctdb_tool::args::Options as ToolOptions;
use ctdb_tool::command::address;
use ctdb_tool::command::top::sample::{Rates, Sample};
use ctdb_tool::failure::Failure;
use ctdb_tool::output::Report as _;
use ctdb_tool::reasons;
use ctdb_tool::session::Session;
use futures_util::stream::{Stream, unfold};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::changes::wall_s;
use crate::watch::{Watcher, lines_of};

/// The page.
pub const HTML: &str = include_str!("page.html");
/// Its style sheet.
pub const CSS: &str = include_str!("page.css");
/// Its script.
pub const JS: &str = include_str!("page.js");

/// The time between two events.
const EVERY: Duration = Duration::from_secs(2);
/// How long another node may take: one that is frozen shall not hide the others.
const STEP_S: i32 = 1;
/// How long one look may take; the page calls the contact lost after twelve seconds of silence.
const LIMIT: Duration = Duration::from_secs(8);
/// Pages that are open at the same time.
const MOST_PAGES: usize = 16;
/// Looks from one search for problems to the next, while all nodes are OK.
const PROBLEMS_EVERY: u32 = 5;
/// How long two samples are apart before there is an older one.
const FIRST_INTERVAL: Duration = Duration::from_millis(300);

/// Who looks, and what they see.
pub struct Live {
    watcher: Rc<Watcher>,
    event: watch::Sender<Option<Bytes>>,
    wanted: Notify,
}

impl Live {
    /// Nobody looks yet.
    #[must_use]
    pub fn new(watcher: Rc<Watcher>) -> Self {
        Self {
            watcher,
            event: watch::Sender::new(None),
            wanted: Notify::new(),
        }
    }

    /// The events for one more page; none if there are too many.
    pub fn events(&self) -> Option<impl Stream<Item = Bytes> + use<>> {
        if self.event.receiver_count() >= MOST_PAGES {
            return None;
        }
        let mut receiver = self.event.subscribe();
        // what the others see already
        receiver.mark_changed();
        self.wanted.notify_one();
        Some(unfold(receiver, async |mut receiver| {
            loop {
                receiver.changed().await.ok()?;
                let event = receiver.borrow_and_update().clone();
                if let Some(event) = event {
                    return Some((event, receiver));
                }
            }
        }))
    }

    /// Looks while somebody wants to see. Never ends.
    pub async fn look(&self) {
        let mut looker = Looker::default();
        loop {
            if self.event.receiver_count() == 0 {
                looker = Looker::default();
                self.event.send_replace(None);
                self.wanted.notified().await;
            }
            let document = looker.document(&self.watcher).await;
            let event = format!("retry: 2000\ndata: {document}\n\n");
            self.event.send_replace(Some(event.into()));
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// What one look leaves for the next.
#[derive(Default)]
struct Looker {
    session: Option<Session>,
    before: Option<Sample>,
    looks: u32,
    reasons: Vec<(u32, String)>,
    problems: Vec<String>,
}

impl Looker {
    async fn document(&mut self, watcher: &Watcher) -> Value {
        let seen = watcher.now().await;
        let mut document = match &seen.node {
            Err(unavailable) => {
                self.session = None;
                json!({ "error": unavailable.text })
            }
            Ok(_) => match timeout(LIMIT, self.look(watcher)).await {
                Ok(Ok(document)) => document,
                Ok(Err(text)) => {
                    self.session = None;
                    json!({ "error": text })
                }
                Err(_) => {
                    self.session = None;
                    json!({ "error": format!("no answer within {} s", LIMIT.as_secs()) })
                }
            },
        };
        document["at"] = json!(wall_s());
        document["changes"] = watcher.changes();
        document
    }

    async fn look(&mut self, watcher: &Watcher) -> Result<Value, String> {
        if self.session.as_ref().is_none_or(|s| s.client.is_closed()) {
            self.before = None;
            let session = watcher.session(&ToolOptions::default(), "top", true).await;
            let mut session = session.map_err(|e| e.text)?;
            session.console.options.timelimit_s = STEP_S;
            // the first word of the leader
            let _ = timeout(EVERY, session.leader()).await;
            self.session = Some(session);
        }
        let mut session = self.session.take().expect("it was just made");
        let looked = self.ask(&mut session).await;
        self.session = looked.is_ok().then_some(session);
        looked.map_err(|failure| lines_of(&failure).join("; "))
    }

    async fn ask(&mut self, session: &mut Session) -> Result<Value, Failure> {
        session.forget();
        let before = match self.before.take() {
            Some(before) => before,
            None => {
                let before = Sample::take(session).await?;
                tokio::time::sleep(FIRST_INTERVAL).await;
                before
            }
        };
        let rates = Rates::between(&before, Sample::take(session).await?);
        let addresses = addresses(session).await;
        self.find_problems(session, &rates.now).await?;
        let mut document = rates.json();
        document["node"] = json!(session.pnn.0);
        if session.recent_leader(session.silence()).is_none() {
            document["leader"] = Value::Null;
        }
        for node in document["nodes"].as_array_mut().into_iter().flatten() {
            let pnn = node["pnn"].clone();
            let own = self.reasons.iter().filter(|(of, _)| json!(of) == pnn);
            node["reasons"] = own.map(|(_, reason)| reason.as_str()).collect();
        }
        document["problems"] = json!(self.problems);
        document["addresses"] = addresses;
        self.before = Some(rates.now);
        Ok(document)
    }

    /// Why nodes are not OK, and what else is wrong.
    async fn find_problems(&mut self, session: &mut Session, now: &Sample) -> Result<(), Failure> {
        let well = now.nodes.iter().all(|node| {
            node.flags.difference(NodeFlags::DELETED).is_empty() && !node.partially_online
        });
        let due = self.looks.is_multiple_of(PROBLEMS_EVERY) || !well || !self.reasons.is_empty();
        self.looks = self.looks.wrapping_add(1);
        if !due {
            return Ok(());
        }
        let map = session.nodemap().await?;
        self.reasons = reasons::by_node(session, &map, &now.nodes).await;
        self.problems = reasons::of_cluster(session)
            .await
            .unwrap_or_else(|failure| lines_of(&failure));
        Ok(())
    }
}

/// As all nodes know them, or as this one does while others are silent.
async fn addresses(session: &mut Session) -> Value {
    let own = session.pnn;
    let list = match address::list(session, None).await {
        Ok(list) => Ok(list),
        Err(_) => address::list(session, Some(own)).await,
    };
    list.map_or_else(|_| json!([]), |list| list.json()["public_ips"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_takes_nothing_from_elsewhere_and_sets_no_markup() {
        for text in [HTML, CSS, JS] {
            assert!(
                !text.contains("//") || !text.contains("http"),
                "an address of elsewhere"
            );
        }
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!JS.contains(word), "{word}");
        }
        // what the content security policy would refuse
        assert!(!HTML.contains("style=") && !HTML.contains("onclick"));
    }
}
