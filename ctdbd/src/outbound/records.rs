//! Scans, updates and repacks of database files, done by a few helper processes that live on. Work beyond
//! what they can do at once waits in a queue, which costs nothing when nobody wants it any more.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use ctdb_core::Input;
use ctdb_core::effect::Ticket;
use tokio::net::UnixStream;

use super::helper::{self, Helper, HelperId, Said};
use crate::log;
use crate::news::{News, ToLoop};
use crate::record_helper::frame::{Answer, GO_ON, Job, STOP, Work};

/// Idle helpers that are kept for the next job.
const IDLE_KEPT: usize = 2;
/// Most scans and repacks at once. Updates are not counted: a commit waits for nobody's scan.
const AT_ONCE: usize = 8;
/// Most of them in one file: a lock in it that is not given back shall not stop those of other files.
const AT_ONCE_PER_FILE: usize = 4;
/// Helpers that may end a scan nobody wants in their own time, before they are killed in the middle of it.
const WINDING_DOWN: usize = 8;
const CHUNK_BYTES: usize = 64 << 10;

/// All record helpers.
#[derive(Debug)]
pub struct Records {
    program: PathBuf,
    to_loop: ToLoop,
    helpers: BTreeMap<HelperId, Worker>,
    /// Work that waits for a helper; names ascend, so the oldest comes first.
    queue: BTreeMap<Ticket, (Task, Job)>,
    /// The helper that does the work of a name.
    at_work: BTreeMap<Ticket, HelperId>,
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
    /// Nobody wants it any more.
    cancelled: bool,
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
    pub fn new(program: PathBuf, to_loop: ToLoop) -> Self {
        Self {
            program,
            to_loop,
            helpers: BTreeMap::new(),
            queue: BTreeMap::new(),
            at_work: BTreeMap::new(),
            next_id: 0,
        }
    }

    /// Takes a job on.
    pub fn start(&mut self, ticket: Ticket, job: Job, inputs: &mut Vec<Input>) {
        let kind = match job.work {
            Work::Scan(_) => Kind::Scan,
            Work::Update(..) => Kind::Update,
            Work::Repack(_) => Kind::Repack,
        };
        let task = Task {
            ticket,
            path: job.path.clone(),
            kind,
            cancelled: false,
        };
        self.queue.insert(ticket, (task, job));
        self.dispatch(inputs);
    }

    /// Gives waiting jobs to helpers as far as there may be more at work.
    fn dispatch(&mut self, inputs: &mut Vec<Input>) {
        while let Some((task, job)) = self.next_due() {
            let idle = self
                .helpers
                .iter()
                .find(|(_, w)| w.task.is_none())
                .map(|(id, _)| *id);
            match idle.map_or_else(|| self.spawn(), Ok) {
                Ok(id) => self.assign(id, task, &job),
                Err(e) => finish(
                    &task,
                    &format!("cannot start {}: {e}", self.program.display()),
                    inputs,
                ),
            }
        }
    }

    /// Takes the oldest job that may begin now out of the queue.
    fn next_due(&mut self) -> Option<(Task, Job)> {
        let at_work = || self.helpers.values().filter_map(|w| w.task.as_ref());
        let counted = |task: &&Task| task.kind != Kind::Update && !task.cancelled;
        let full = at_work().filter(counted).count() >= AT_ONCE;
        let free_file = |path: &str| {
            let same = |task: &&Task| counted(task) && task.path == path;
            at_work().filter(same).count() < AT_ONCE_PER_FILE
        };
        // Thousands may wait for one file: it is asked about once.
        let mut busy: Option<&str> = None;
        let due = self.queue.values().find(|(task, _)| {
            if task.kind == Kind::Update {
                return true;
            }
            if full || busy == Some(task.path.as_str()) {
                return false;
            }
            let free = free_file(&task.path);
            if !free {
                busy = Some(&task.path);
            }
            free
        });
        let ticket = due?.0.ticket;
        self.queue.remove(&ticket)
    }

    fn assign(&mut self, id: HelperId, task: Task, job: &Job) {
        let worker = self
            .helpers
            .get_mut(&id)
            .expect("it is idle or was just started");
        self.at_work.insert(task.ticket, id);
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
        let to_loop = self.to_loop.clone();
        let tell = move |said| to_loop.tell(News::Records(id, said));
        tokio::task::spawn_local(helper::listen(
            helper.stream(),
            CHUNK_BYTES,
            Answer::take,
            tell,
        ));
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

    /// Ends a scan; nothing more is told about it. Its helper is told when it asks whether to go on.
    pub fn cancel(&mut self, ticket: Ticket, inputs: &mut Vec<Input>) {
        let Some(id) = self.at_work.remove(&ticket) else {
            self.queue.remove(&ticket);
            return;
        };
        let winding_down = self
            .helpers
            .values()
            .filter(|w| w.task.as_ref().is_some_and(|task| task.cancelled));
        if winding_down.count() >= WINDING_DOWN {
            self.helpers.remove(&id);
        } else if let Some(task) = self.helpers.get_mut(&id).and_then(|w| w.task.as_mut()) {
            task.cancelled = true;
        }
        self.dispatch(inputs);
    }

    /// Takes what a helper said.
    pub fn said(&mut self, id: HelperId, said: Said<Answer>, inputs: &mut Vec<Input>) {
        let Some(worker) = self.helpers.get_mut(&id) else {
            return;
        };
        match said {
            Said::Frame(Answer::Records(records)) => {
                let Some(task) = &worker.task else { return };
                let answer = if task.cancelled { STOP } else { GO_ON };
                if !task.cancelled {
                    inputs.push(Input::ScanRecords {
                        ticket: task.ticket,
                        records,
                    });
                }
                if !worker.helper.send(&[answer]) {
                    self.ended(id, "it takes no more requests", inputs);
                }
            }
            Said::Frame(Answer::Done(reason)) => {
                if let Some(task) = worker.task.take() {
                    self.at_work.remove(&task.ticket);
                    finish(&task, &reason, inputs);
                }
                self.dispatch(inputs);
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
            self.at_work.remove(&task.ticket);
            finish(&task, &format!("the record helper ended: {reason}"), inputs);
        }
        self.dispatch(inputs);
    }
}

/// Tells the core the end of a job; `reason` is empty if all went well.
fn finish(task: &Task, reason: &str, inputs: &mut Vec<Input>) {
    if task.cancelled {
        return;
    }
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
