//! Waiting for locks: a small set of processes that are told what to wait for.
//!
//! The daemon must not block, and fcntl locks belong to a process, so `ctdb_lock_helper` waits in its
//! place. Helpers live on and serve one lock after the other; the daemon then marks what a helper
//! holds as its own. Upstream starts a process for each wait.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ctdb_core::Input;
use ctdb_core::effect::{LockScope, Ticket};

use super::helper::{self, Helper, HelperId, Said};
use super::script;
use crate::lock_helper::frame::{Frame as _, Reply, Request, What};
use crate::log;
use crate::news::{News, ToLoop};

/// Idle helpers that are kept for the next contention.
const IDLE_KEPT: usize = 16;
/// A wait is reported, and the debug script run, each time it has lasted so much longer.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// Bytes of a key that the log shows.
const KEY_SHOWN: usize = 64;
/// Bytes of a helper that are read at once.
const CHUNK_BYTES: usize = 4096;
/// How often waits are looked at.
const TICK: Duration = Duration::from_secs(1);

/// A lock that is wanted.
#[derive(Debug, Clone)]
pub struct Job {
    /// Names it.
    pub ticket: Ticket,
    /// The file.
    pub path: String,
    /// How to open it.
    pub open_flags: i32,
    /// What to lock.
    pub scope: LockScope,
    /// How many records of the file may be waited for at the same time; whole files are not limited.
    pub at_most: usize,
}

impl Job {
    fn kind(&self) -> &'static str {
        match self.scope {
            LockScope::Record(_) => "RECORD",
            LockScope::Database => "DB",
        }
    }

    /// The record that is wanted, for the log.
    fn key(&self) -> String {
        match &self.scope {
            LockScope::Record(key) => {
                let start = &key[..key.len().min(KEY_SHOWN)];
                format!(", wanted for key \"{}\",", start.escape_ascii())
            }
            LockScope::Database => String::new(),
        }
    }

    fn request(&self, id: u32) -> Request {
        Request::Wait {
            id,
            flags: self.open_flags.cast_unsigned(),
            path: self.path.clone(),
            what: match &self.scope {
                LockScope::Record(key) => What::Record(key.to_vec()),
                LockScope::Database => What::Database,
            },
        }
    }
}

/// All helpers and all waits.
#[derive(Debug)]
pub struct Locks {
    program: PathBuf,
    debug_script: PathBuf,
    to_loop: ToLoop,
    /// Most helpers that wait for records; whole databases are not limited, as a recovery freezes
    /// all of them at once.
    limit: usize,
    helpers: BTreeMap<HelperId, Worker>,
    /// Jobs without a helper, oldest first; whole databases before records.
    queue: VecDeque<Job>,
    next_id: u32,
}

#[derive(Debug)]
struct Worker {
    helper: Helper,
    work: Option<Work>,
}

#[derive(Debug)]
struct Work {
    job: Job,
    id: u32,
    held: bool,
    since: Instant,
    reported: u32,
}

impl Locks {
    /// No helpers yet. `program` is the lock helper, `debug_script` is run for long waits.
    #[must_use]
    pub fn new(program: PathBuf, debug_script: PathBuf, limit: usize, to_loop: ToLoop) -> Self {
        Self {
            program,
            debug_script,
            to_loop,
            limit,
            helpers: BTreeMap::new(),
            queue: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Tells the loop regularly to look at long waits.
    pub async fn tick(to_loop: ToLoop) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            to_loop.tell(News::LookAtLocks);
        }
    }

    /// Begins to wait for a lock.
    pub fn await_lock(&mut self, job: Job, inputs: &mut Vec<Input>) {
        if job.scope == LockScope::Database {
            let first_record = self
                .queue
                .iter()
                .position(|j| j.scope != LockScope::Database);
            self.queue
                .insert(first_record.unwrap_or(self.queue.len()), job);
        } else {
            self.queue.push_back(job);
        }
        self.dispatch(inputs);
    }

    /// Gives a lock back, or stops waiting for it.
    pub fn release(&mut self, ticket: Ticket, inputs: &mut Vec<Input>) {
        self.queue.retain(|job| job.ticket != ticket);
        let found = self
            .helpers
            .iter_mut()
            .find(|(_, worker)| worker.work.as_ref().is_some_and(|w| w.job.ticket == ticket));
        let Some((&id, worker)) = found else { return };
        let kept = match worker.work.take() {
            Some(work) if work.held => worker
                .helper
                .send(&Request::Release { id: work.id }.encode()),
            // A wait ends only with its process.
            _ => false,
        };
        if !kept || self.idle() > IDLE_KEPT {
            self.helpers.remove(&id);
        }
        self.dispatch(inputs);
    }

    /// Lets go of a file in every helper, before a database is detached.
    pub fn close(&mut self, path: &str) {
        let frame = Request::Close {
            path: path.to_owned(),
        }
        .encode();
        self.helpers
            .retain(|_, worker| worker.work.is_some() || worker.helper.send(&frame));
    }

    fn idle(&self) -> usize {
        self.helpers
            .values()
            .filter(|worker| worker.work.is_none())
            .count()
    }

    fn dispatch(&mut self, inputs: &mut Vec<Input>) {
        while let Some(job) = self.take_startable() {
            let idle = self
                .helpers
                .iter()
                .find(|(_, w)| w.work.is_none())
                .map(|(id, _)| *id);
            let id = match idle {
                Some(id) => id,
                None if job.scope == LockScope::Database || self.helpers.len() < self.limit => {
                    match self.start() {
                        Ok(id) => id,
                        Err(e) => {
                            let reason = format!("cannot start {}: {e}", self.program.display());
                            log::error!("Failed to lock {}: {reason}", job.path);
                            inputs.push(Input::LockLost {
                                ticket: job.ticket,
                                reason,
                            });
                            continue;
                        }
                    }
                }
                None => return self.queue.push_front(job),
            };
            self.assign(id, job, inputs);
        }
    }

    /// The oldest job whose file has not as many waits for records as it may have.
    fn take_startable(&mut self) -> Option<Job> {
        let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
        let working = self.helpers.values().filter_map(|w| w.work.as_ref());
        for work in working.filter(|work| work.job.scope != LockScope::Database) {
            *waits.entry(&work.job.path).or_default() += 1;
        }
        let startable = |job: &Job| {
            job.scope == LockScope::Database
                || waits
                    .get(job.path.as_str())
                    .is_none_or(|&n| n < job.at_most)
        };
        let index = self.queue.iter().position(startable)?;
        self.queue.remove(index)
    }

    fn assign(&mut self, id: HelperId, job: Job, inputs: &mut Vec<Input>) {
        self.next_id += 1;
        let work = Work {
            id: self.next_id,
            held: false,
            since: Instant::now(),
            reported: 0,
            job,
        };
        let Some(worker) = self.helpers.get_mut(&id) else {
            return;
        };
        if worker.helper.send(&work.job.request(work.id).encode()) {
            worker.work = Some(work);
        } else {
            let reason = "the lock helper takes no more requests".to_owned();
            inputs.push(Input::LockLost {
                ticket: work.job.ticket,
                reason,
            });
            self.helpers.remove(&id);
        }
    }

    fn start(&mut self) -> std::io::Result<HelperId> {
        let pid = std::process::id().to_string();
        let helper = Helper::start(&self.program, &["--serve", &pid])?;
        self.next_id += 1;
        let id = HelperId(self.next_id);
        let to_loop = self.to_loop.clone();
        let tell = move |said| to_loop.tell(News::Lock(id, said));
        tokio::task::spawn_local(helper::listen(
            helper.stream(),
            CHUNK_BYTES,
            Reply::take,
            tell,
        ));
        self.helpers.insert(id, Worker { helper, work: None });
        Ok(id)
    }

    /// Takes what a helper said.
    pub fn said(&mut self, id: HelperId, said: Said<Reply>, inputs: &mut Vec<Input>) {
        match said {
            Said::Frame(reply) => self.replied(id, reply, inputs),
            Said::Ended(reason) => {
                if let Some(Worker {
                    work: Some(work), ..
                }) = self.helpers.remove(&id)
                {
                    log::error!("Lock helper for {} ended: {reason}", work.job.path);
                    inputs.push(Input::LockLost {
                        ticket: work.job.ticket,
                        reason,
                    });
                }
                self.dispatch(inputs);
            }
        }
    }

    fn replied(&mut self, id: HelperId, reply: Reply, inputs: &mut Vec<Input>) {
        let Some(worker) = self.helpers.get_mut(&id) else {
            return;
        };
        let Some(work) = &mut worker.work else { return };
        match reply {
            Reply::Granted { id } if id == work.id => {
                work.held = true;
                inputs.push(Input::LockGranted {
                    ticket: work.job.ticket,
                });
            }
            Reply::Failed { id, errno } if id == work.id => {
                let reason = std::io::Error::from_raw_os_error(errno).to_string();
                log::error!("Failed to lock {}: {reason}", work.job.path);
                inputs.push(Input::LockLost {
                    ticket: work.job.ticket,
                    reason,
                });
                worker.work = None;
                self.dispatch(inputs);
            }
            Reply::Freed {
                thread,
                program,
                mutex,
                ..
            } => log::warning!(
                "Lock on {mutex} of {}{} belonged to thread {thread} which has ended{}; freed it",
                work.job.path,
                work.job.key(),
                if program.is_empty() {
                    String::new()
                } else {
                    format!(" (now {program})")
                },
            ),
            Reply::Granted { .. } | Reply::Failed { .. } => {}
        }
    }

    /// Reports waits that have become long.
    pub fn report_long_waits(&mut self) {
        for worker in self.helpers.values_mut() {
            let Some(work) = worker.work.as_mut().filter(|work| !work.held) else {
                continue;
            };
            let waited = work.since.elapsed();
            if waited < REPORT_EVERY * (work.reported + 1) {
                continue;
            }
            work.reported += 1;
            let (kind, path) = (work.job.kind(), &work.job.path);
            log::warning!(
                "Unable to get {kind} lock on database {} for {} seconds",
                path.rsplit('/').next().unwrap_or(path),
                waited.as_secs()
            );
            let mutexes = tdb::TdbFlags::from_bits_retain(work.job.open_flags.cast_unsigned())
                .contains(tdb::TdbFlags::MUTEX_LOCKING);
            let way = if mutexes { "MUTEX" } else { "FCNTL" };
            script::run(
                &self.debug_script,
                &[&worker.helper.pid().to_string(), kind, path, way],
            );
        }
    }
}
