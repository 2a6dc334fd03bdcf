// SPDX-License-Identifier: GPL-3.0-or-later
//! Answers the questions of `ctdb health`, `ctdb status -v`, `ctdb locks`, `ctdb version -v` and
//! `ctdb upgrade-check`: see [`ctdb_client::inquiry`]. The loop gives what it knows, the event daemon how
//! the last monitor event ended; files are looked at by a helper process.

pub mod snapshot;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ctdb_client::Client;
use ctdb_client::inquiry::{Question, monitor_line};
use ctdb_protocol::Srvid;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::lock_helper::holders;
use crate::log;
use crate::news::{News, ToLoop};
use crate::outbound::events;
use snapshot::Snapshot;

/// How long the event daemon may take, which answers from memory. Askers wait for a second in all.
const EVENTD_LIMIT: Duration = Duration::from_millis(300);

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
