// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking the daemon: one question at a time, however many want to know.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ctdb_client::{Client, ConnectError};
use ctdb_protocol::id::Pnn;
use ctdb_tool::args::Options as ToolOptions;
use ctdb_tool::failure::Failure;
use ctdb_tool::session::{Console, Session};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::changes::Changes;
use crate::options::Options;
use crate::say;
use crate::snapshot::{Names, Snapshot};

/// How long an answer is good for everybody who asks.
const FRESH: Duration = Duration::from_millis(500);
/// How long a new connection waits to hear of a leader, who speaks every second.
const FIRST_WORD: Duration = Duration::from_millis(1500);
/// How often a connection that nobody uses is looked after.
const TICK: Duration = Duration::from_secs(1);

/// Why the daemon could not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nobody listens at the socket, or we may not connect.
    Unreachable,
    /// It did not answer in time.
    TimedOut,
    /// It refused a question, or left in the middle.
    Failed,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::Unreachable, Self::TimedOut, Self::Failed];

    /// Its value of the label `reason`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }
}

/// The daemon could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unavailable {
    /// The kind.
    pub cause: Cause,
    /// In words.
    pub text: String,
}

impl Unavailable {
    fn new(cause: Cause, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cause, text }
    }

    fn timed_out(limit: Duration) -> Self {
        let text = format!("ctdbd does not answer within {} s", limit.as_secs());
        Self::new(Cause::TimedOut, text)
    }
}

/// The answer to one question, and how long it took.
#[derive(Debug)]
pub struct Seen {
    /// The node, or why it is not known.
    pub node: Result<Snapshot, Unavailable>,
    /// How long the daemon was waited for.
    pub took: Duration,
    /// How often it could not be asked so far, in the order of [`Cause::ALL`].
    pub failures: [u64; 3],
}

/// Whom everybody here asks.
pub struct Watcher {
    base: Console,
    socket: PathBuf,
    limit: Duration,
    state: Mutex<State>,
    failures: Cell<[u64; 3]>,
    changes: RefCell<Changes>,
    /// Whether the daemon answered the last time; nothing before the first one.
    answers: Cell<Option<bool>>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    names: Names,
    last: Option<(Instant, Arc<Seen>)>,
}

impl Watcher {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn new(options: &Options) -> Result<Self, String> {
        let base = Console::open(ToolOptions::default()).map_err(|f| lines_of(&f).join("; "))?;
        let socket = options
            .socket
            .clone()
            .unwrap_or_else(|| base.paths.socket("ctdbd"));
        Ok(Self {
            base,
            socket,
            limit: options.limit(),
            state: Mutex::new(State::default()),
            failures: Cell::new([0; 3]),
            changes: RefCell::default(),
            answers: Cell::new(None),
        })
    }

    /// The node as it is now, or was a moment ago.
    pub async fn now(&self) -> Arc<Seen> {
        let mut state = self.state.lock().await;
        if let Some((at, seen)) = &state.last
            && at.elapsed() < FRESH
        {
            return Arc::clone(seen);
        }
        let started = Instant::now();
        let node = match timeout(self.limit, self.take(&mut state)).await {
            Ok(answer) => answer,
            Err(_) => Err(Unavailable::timed_out(self.limit)),
        };
        if let Err(unavailable) = &node {
            state.session = None;
            self.count(unavailable.cause);
        }
        self.tell_change(&node);
        self.changes.borrow_mut().note(&node);
        let seen = Arc::new(Seen {
            node,
            took: started.elapsed(),
            failures: self.failures.get(),
        });
        state.last = Some((Instant::now(), Arc::clone(&seen)));
        seen
    }

    async fn take(&self, state: &mut State) -> Result<Snapshot, Unavailable> {
        let mut wait = Duration::ZERO;
        if state.session.as_ref().is_none_or(|s| s.client.is_closed()) {
            state.session = Some(
                self.session(&ToolOptions::default(), "status", true)
                    .await?,
            );
            wait = FIRST_WORD;
        }
        let session = state.session.as_mut().expect("it was just made");
        let mut snapshot = Snapshot::take(session, &mut state.names)
            .await
            .map_err(|f| unavailable(&f))?;
        snapshot.cluster.leader = leader(session, wait).await.map(|pnn| pnn.0);
        Ok(snapshot)
    }

    /// What was seen to change so far.
    #[must_use]
    pub fn changes(&self) -> Value {
        self.changes.borrow().json()
    }

    /// A session of its own, for a command of the tool; `anywhere` says whether it may ask other nodes.
    ///
    /// # Errors
    /// When the daemon is not there or silent.
    pub async fn session(
        &self,
        options: &ToolOptions,
        command: &str,
        anywhere: bool,
    ) -> Result<Session, Unavailable> {
        let console = self.console(options);
        let client = self.connect().await?;
        let session = Session::over(console, client, command, anywhere);
        match timeout(self.limit, session).await {
            Ok(session) => session.map_err(|f| unavailable(&f)),
            Err(_) => Err(Unavailable::timed_out(self.limit)),
        }
    }

    /// What a command of the tool works with here: it answers in JSON, and what it prints is kept.
    #[must_use]
    pub fn console(&self, options: &ToolOptions) -> Console {
        self.base.keeping(ToolOptions {
            timelimit_s: i32::try_from(self.limit.as_secs()).unwrap_or(i32::MAX),
            json: true,
            ..options.clone()
        })
    }

    async fn connect(&self) -> Result<Client, Unavailable> {
        match timeout(self.limit, Client::connect(&self.socket)).await {
            Ok(Ok(client)) => Ok(client),
            Ok(Err(error)) => Err(self.not_connected(&error)),
            Err(_) => Err(Unavailable::timed_out(self.limit)),
        }
    }

    fn not_connected(&self, error: &ConnectError) -> Unavailable {
        match error {
            ConnectError::Socket { source, .. } => {
                let text = format!("ctdbd is not there: {}: {source}", self.socket.display());
                Unavailable::new(Cause::Unreachable, text)
            }
            ConnectError::Pnn(error) => Unavailable::new(Cause::Failed, error.to_string()),
        }
    }

    /// Whether the daemon answers at all, if only to refuse.
    ///
    /// # Errors
    /// When it does not.
    pub async fn alive(&self) -> Result<(), Unavailable> {
        match &self.now().await.node {
            Ok(_) => Ok(()),
            // it tells its number to whom it tells nothing else
            Err(unavailable) if unavailable.cause == Cause::Failed => {
                self.connect().await.map(|_| ())
            }
            Err(unavailable) => Err(unavailable.clone()),
        }
    }

    fn count(&self, cause: Cause) {
        let mut failures = self.failures.get();
        for (count, counted) in failures.iter_mut().zip(Cause::ALL) {
            *count += u64::from(counted == cause);
        }
        self.failures.set(failures);
    }

    /// A line for each change, and none for what stays as it is.
    fn tell_change(&self, node: &Result<Snapshot, Unavailable>) {
        if self.answers.replace(Some(node.is_ok())) == Some(node.is_ok()) {
            return;
        }
        match node {
            Ok(snapshot) => say(&format!("ctdbd of node {} answers", snapshot.pnn)),
            Err(unavailable) => say(&unavailable.text),
        }
    }

    /// Keeps what arrives on a connection that nobody uses from piling up, and closes it when the daemon has
    /// ended. Never ends.
    pub async fn look_after(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            // whoever has it at the moment looks after it
            let Ok(mut state) = self.state.try_lock() else {
                continue;
            };
            if let Some(session) = &mut state.session {
                session.last_leader();
                if session.client.is_closed() {
                    state.session = None;
                }
            }
        }
    }
}

/// The leader, if it still speaks; a new session waits for its first word.
async fn leader(session: &mut Session, wait: Duration) -> Option<Pnn> {
    match session.recent_leader(session.silence()) {
        None if wait > Duration::ZERO => timeout(wait, session.leader()).await.ok().flatten(),
        known => known,
    }
}

fn unavailable(failure: &Failure) -> Unavailable {
    let kind = std::io::Error::from_raw_os_error(failure.status()).kind();
    let cause = match kind {
        std::io::ErrorKind::TimedOut => Cause::TimedOut,
        _ => Cause::Failed,
    };
    Unavailable::new(cause, lines_of(failure).join("; "))
}

/// What a failure of the tool would have said.
pub(crate) fn lines_of(failure: &Failure) -> Vec<String> {
    match failure {
        Failure::Usage => vec!["wrong arguments".to_owned()],
        Failure::Stop { status, lines } if lines.is_empty() => {
            vec![format!("ctdbd is gone or refused (status {status})")]
        }
        Failure::Stop { lines, .. } => lines.clone(),
    }
}
