//! Runs events of one component: all its scripts in order, until one fails.
//!
//! One event runs at a time. `monitor` gives way: it is cancelled when another event comes, and
//! is not even started while another one runs. All other events wait their turn.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::SystemTime;

use nix::unistd::Pid;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::process::{self, End, Running};
use super::script::{self, Script};
use super::{capture, leftover};
use crate::log::{debug, error, notice, warning};

const MONITOR: &str = "monitor";

/// How a script's run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRun {
    /// The script.
    pub name: String,
    /// When it began.
    pub begin: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// Its exit code, or a negative error number: ENOEXEC for a disabled one.
    pub result: i32,
    /// What it wrote.
    pub output: Vec<u8>,
}

/// How an event's run went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventRun {
    /// 0, or the result of the script that failed, or -ECANCELED.
    pub summary: i32,
    /// The scripts that were reached.
    pub scripts: Vec<ScriptRun>,
    /// The names of those behind them, after a failure.
    pub unreached: Vec<String>,
}

impl EventRun {
    fn cancelled() -> Self {
        Self::without_scripts(libc::ECANCELED)
    }

    fn without_scripts(errno: i32) -> Self {
        Self {
            summary: -errno,
            ..Self::default()
        }
    }
}

/// An event to run.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Its arguments, with blanks between.
    pub arguments: String,
    /// When to stop waiting for a script.
    pub deadline: Option<Instant>,
    /// Go on after a failure.
    pub all: bool,
}

/// The event that runs now.
struct Current {
    monitor: bool,
    cancel: Option<oneshot::Sender<()>>,
}

/// Runs the events of one directory of scripts.
pub struct Runner {
    directory: PathBuf,
    debug_script: RefCell<Option<PathBuf>>,
    debug_running: Cell<bool>,
    /// Whose turn it is, in the order of asking.
    turn: tokio::sync::Mutex<()>,
    current: RefCell<Option<Current>>,
}

impl Runner {
    /// A runner for a directory; `debug_script` is run when a script hangs.
    #[must_use]
    pub fn new(directory: PathBuf, debug_script: Option<PathBuf>) -> Self {
        Self {
            directory,
            debug_script: RefCell::new(debug_script),
            debug_running: Cell::new(false),
            turn: tokio::sync::Mutex::new(()),
            current: RefCell::new(None),
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Sets the program that is run when a script hangs.
    pub fn set_debug_script(&self, program: Option<PathBuf>) {
        *self.debug_script.borrow_mut() = program;
    }

    /// Runs an event when its turn comes.
    ///
    /// # Errors
    /// An error number if the directory cannot be read.
    pub async fn run(self: &Rc<Self>, event: &Event) -> Result<EventRun, i32> {
        if !self.may_queue(event) {
            return Ok(EventRun::cancelled());
        }
        let Some(_turn) = self.await_turn(event).await else {
            return Ok(EventRun::without_scripts(libc::ETIMEDOUT));
        };
        debug!(
            "Running event {} with args \"{}\"",
            event.name, event.arguments
        );
        let scripts = script::list(&self.directory).map_err(|e| {
            warning!(
                "failed to get script list for {}: {e}",
                self.directory.display()
            );
            e.raw_os_error().unwrap_or(libc::EIO)
        })?;
        if scripts.is_empty() {
            return Ok(EventRun::default());
        }
        let (cancel, cancelled) = oneshot::channel();
        *self.current.borrow_mut() = Some(Current {
            monitor: event.name == MONITOR,
            cancel: Some(cancel),
        });
        let result = tokio::select! {
            result = self.run_scripts(event, &scripts) => result,
            Ok(()) = cancelled => EventRun::cancelled(),
        };
        *self.current.borrow_mut() = None;
        Ok(result)
    }

    /// Waits for the events that were asked for earlier, but not longer than the asker waits.
    async fn await_turn(&self, event: &Event) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let Some(deadline) = event.deadline else {
            return Some(self.turn.lock().await);
        };
        let turn = tokio::time::timeout_at(deadline, self.turn.lock())
            .await
            .ok();
        if turn.is_none() {
            error!(
                "{} event timed out while it waited for another one",
                event.name
            );
        }
        turn
    }

    /// Makes way for an event, or says that it has to give way itself.
    fn may_queue(&self, event: &Event) -> bool {
        match self.current.borrow_mut().as_mut() {
            Some(current) if current.monitor => {
                if let Some(cancel) = current.cancel.take() {
                    // It may just have ended.
                    let _ = cancel.send(());
                }
                true
            }
            Some(_) => event.name != MONITOR,
            None => true,
        }
    }

    async fn run_scripts(self: &Rc<Self>, event: &Event, scripts: &[Script]) -> EventRun {
        let mut done = EventRun::default();
        for (place, script) in scripts.iter().enumerate() {
            let (run, left) = run_script(event, script).await;
            let result = run.result;
            done.scripts.push(run);
            if result == 0 || result == -libc::ENOEXEC {
                continue;
            }
            done.summary = result;
            let timed_out = result == -libc::ETIMEDOUT;
            if let Some(left) = left {
                let runner = Rc::clone(self);
                let (name, script) = (event.name.clone(), script.name.clone());
                // Its time-out is told at once: the debug script may ask for our status.
                spawn_local(async move { runner.clear_away(left, &name, &script).await });
            }
            if !event.all {
                let how = if timed_out { "timed out" } else { "failed" };
                notice!("{} event {how}", event.name);
                let behind = scripts.iter().skip(place + 1);
                done.unreached = behind.map(|script| script.name.clone()).collect();
                break;
            }
        }
        done
    }

    /// Looks at a hung script with the debug script, then ends it.
    async fn clear_away(&self, mut left: Running, event: &str, script: &str) {
        let program = self.debug_script.borrow().clone();
        if let (Some(program), Some(pid), false) = (program, left.pid(), self.debug_running.get()) {
            self.debug_running.set(true);
            run_debug(&program, pid, event).await;
            self.debug_running.set(false);
        }
        if let Some(group) = left.pid() {
            let whose = format!("{script} of event {event}");
            spawn_local(leftover::report(Pid::from_raw(group), whose, true));
        }
        left.terminate();
        // A failure here leaves a process that nobody waits for; there is nothing to be done.
        let _ = left.wait().await;
    }
}

async fn run_script(event: &Event, script: &Script) -> (ScriptRun, Option<Running>) {
    let begin = SystemTime::now();
    let words = event.arguments.split(' ').filter(|word| !word.is_empty());
    let arguments: Vec<String> = [script.name.as_str(), &event.name]
        .into_iter()
        .chain(words)
        .map(str::to_owned)
        .collect();
    debug!(
        "Running {} with args \"{}\"",
        script.path.display(),
        arguments.join(" ")
    );
    let finished = process::run(&script.path, &arguments, None, event.deadline).await;
    log_lines(&finished.output, &script.name);
    debug!("Script {} finished: {:?}", script.name, finished.end);
    if let Some(group) = finished.behind {
        let whose = format!("{} of event {}", script.name, event.name);
        spawn_local(leftover::report(group, whose, false));
    }
    let run = ScriptRun {
        name: script.name.clone(),
        begin,
        end: SystemTime::now(),
        result: result(finished.end),
        output: finished.output,
    };
    (run, finished.left)
}

fn result(end: End) -> i32 {
    match end {
        End::Status(status) => status,
        End::Signal(_) => -libc::EINTR,
        // Not executable, or gone since the directory was read: disabled, both.
        End::Error(libc::EACCES | libc::ENOENT) => -libc::ENOEXEC,
        End::Error(error) => -error,
    }
}

async fn run_debug(program: &Path, pid: i32, event: &str) {
    let arguments = [
        program.to_string_lossy().into_owned(),
        pid.to_string(),
        event.to_owned(),
    ];
    debug!(
        "Running debug {} with args \"{pid} {event}\"",
        program.display()
    );
    let finished = process::run(program, &arguments, None, None).await;
    if let End::Error(error) = finished.end {
        error!("Running debug failed, ret={error}");
    }
    log_lines(&finished.output, "event_debug");
}

/// Logs what a program wrote, line by line.
fn log_lines(output: &[u8], name: &str) {
    for line in capture::lines_to_log(output) {
        error!("{name}: {line}");
    }
}
