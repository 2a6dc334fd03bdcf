//! Scans, updates and repacks of database files, done by helper processes that live on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use bytes::BytesMut;
use ctdb_core::Input;
use ctdb_core::effect::Ticket;
use tokio::net::UnixStream;

use super::helper::Helper;
use crate::feed::{Feed, News};
use crate::log;
use crate::record_helper::frame::{Answer, GO_ON, Job, Work};

/// Idle helpers that are kept for the next job.
const IDLE_KEPT: usize = 2;
const CHUNK_BYTES: usize = 64 << 10;

/// Names one helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HelperId(u32);

/// What came from a helper.
#[derive(Debug)]
pub enum Said {
    /// A frame.
    Answer(Answer),
    /// Its end, with the reason in words.
    Ended(String),
}

/// All record helpers.
#[derive(Debug)]
pub struct Records {
    program: PathBuf,
    feed: Feed,
    helpers: BTreeMap<HelperId, Worker>,
    next_id: u32,
}

#[derive(Debug)]
struct Worker {
    helper: Helper,
    task: Option<Task>,
    /// To the task that writes jobs, which may be longer than the socket takes at once.
    jobs: tokio::sync::mpsc::UnboundedSender<Vec<u8>>,
}

#[derive(Debug)]
struct Task {
    ticket: Ticket,
    path: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scan,
    Update,
    Repack,
}

impl Records {
    /// No helpers yet. `program` is the record helper.
    #[must_use]
    pub fn new(program: PathBuf, feed: Feed) -> Self {
        Self {
            program,
            feed,
            helpers: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Starts a job.
    pub fn start(&mut self, ticket: Ticket, job: &Job, inputs: &mut Vec<Input>) {
        let kind = match job.work {
            Work::Scan(_) => Kind::Scan,
            Work::Update(..) => Kind::Update,
            Work::Repack(_) => Kind::Repack,
        };
        let task = Task {
            ticket,
            path: job.path.clone(),
            kind,
        };
        let idle = self
            .helpers
            .iter()
            .find(|(_, w)| w.task.is_none())
            .map(|(id, _)| *id);
        let worker = match idle.map_or_else(|| self.spawn(), Ok) {
            Ok(id) => self
                .helpers
                .get_mut(&id)
                .expect("it is idle or was just started"),
            Err(e) => {
                return finish(
                    &task,
                    &format!("cannot start {}: {e}", self.program.display()),
                    inputs,
                );
            }
        };
        worker.task = Some(task);
        // If its writer has ended, so has the helper, and the reader tells.
        let _ = worker.jobs.send(job.encode());
    }

    fn spawn(&mut self) -> std::io::Result<HelperId> {
        let pid = std::process::id().to_string();
        let helper = Helper::start(&self.program, &["--serve", &pid])?;
        self.next_id += 1;
        let id = HelperId(self.next_id);
        let (jobs, waiting) = tokio::sync::mpsc::unbounded_channel();
        tokio::task::spawn_local(listen(id, helper.stream(), self.feed.clone()));
        tokio::task::spawn_local(speak(helper.stream(), waiting));
        self.helpers.insert(
            id,
            Worker {
                helper,
                task: None,
                jobs,
            },
        );
        Ok(id)
    }

    /// Ends a scan; nothing more is told about it.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.helpers.retain(|_, worker| {
            worker
                .task
                .as_ref()
                .is_none_or(|task| task.ticket != ticket)
        });
    }

    /// Takes what a helper said.
    pub fn said(&mut self, id: HelperId, said: Said, inputs: &mut Vec<Input>) {
        let Some(worker) = self.helpers.get_mut(&id) else {
            return;
        };
        match said {
            Said::Answer(Answer::Records(records)) => {
                let Some(task) = &worker.task else { return };
                inputs.push(Input::ScanRecords {
                    ticket: task.ticket,
                    records,
                });
                if !worker.helper.send(&[GO_ON]) {
                    self.ended(id, "it takes no more requests", inputs);
                }
            }
            Said::Answer(Answer::Done(reason)) => {
                if let Some(task) = worker.task.take() {
                    finish(&task, &reason, inputs);
                }
                if self.helpers.values().filter(|w| w.task.is_none()).count() > IDLE_KEPT {
                    self.helpers.remove(&id);
                }
            }
            Said::Ended(reason) => self.ended(id, &reason, inputs),
        }
    }

    fn ended(&mut self, id: HelperId, reason: &str, inputs: &mut Vec<Input>) {
        if let Some(Worker {
            task: Some(task), ..
        }) = self.helpers.remove(&id)
        {
            finish(&task, &format!("the record helper ended: {reason}"), inputs);
        }
    }
}

/// Tells the core the end of a job; `reason` is empty if all went well.
fn finish(task: &Task, reason: &str, inputs: &mut Vec<Input>) {
    if !reason.is_empty() {
        log::error!("{:?} of {} failed: {reason}", task.kind, task.path);
    }
    let ticket = task.ticket;
    inputs.push(match task.kind {
        Kind::Scan => Input::ScanDone {
            ticket,
            complete: reason.is_empty(),
        },
        Kind::Update => Input::UpdateDone {
            ticket,
            status: if reason.is_empty() { 0 } else { -1 },
        },
        Kind::Repack => Input::RepackDone { ticket },
    });
}

async fn speak(stream: Rc<UnixStream>, mut jobs: tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(job) = jobs.recv().await {
        let mut rest = &job[..];
        while !rest.is_empty() {
            if stream.writable().await.is_err() {
                return;
            }
            match stream.try_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

async fn listen(id: HelperId, stream: Rc<UnixStream>, feed: Feed) {
    let mut received = BytesMut::new();
    let reason = loop {
        if let Err(e) = stream.readable().await {
            break e.to_string();
        }
        received.reserve(CHUNK_BYTES);
        match stream.try_read_buf(&mut received) {
            Ok(0) => break "its connection closed".to_owned(),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(e) => break e.to_string(),
        }
        loop {
            match Answer::take(&mut received) {
                Ok(Some(answer)) => feed.tell(News::Records(id, Said::Answer(answer))),
                Ok(None) => break,
                Err(e) => return feed.tell(News::Records(id, Said::Ended(e.to_string()))),
            }
        }
    };
    feed.tell(News::Records(id, Said::Ended(reason)));
}
