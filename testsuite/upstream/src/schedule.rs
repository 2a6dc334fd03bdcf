// SPDX-License-Identifier: GPL-3.0-or-later
//! Hands tests to workers. INTEGRATION tests wait most of the time, so many of them run at once
//! while a few workers take the UNIT tests, which keep a processor busy.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::catalogue::Test;
use crate::options::Options;
use crate::place::{Namespace, Workplace};
use crate::report::{Outcome, Report};

/// Started first, so that a run does not end with one long test alone.
const LONG: [&str; 9] = [
    "INTEGRATION/database/recovery.002",
    "INTEGRATION/database/fetch.",
    "INTEGRATION/database/transaction.",
    "INTEGRATION/database/vacuum.",
    "INTEGRATION/failover/pubips.050",
    "INTEGRATION/simple/eventscripts.090",
    "INTEGRATION/simple/cluster.",
    "UNIT/cunit/",
    "UNIT/takeover_helper/2",
];

/// Tests still to be run, each with the number of its repetition (from 1).
type Queue = Mutex<VecDeque<(Test, usize)>>;

/// Runs `tests` and tells `report` of each result.
pub(crate) fn run_all(
    options: &Options,
    root: &Path,
    workplace: &Workplace,
    tests: Vec<Test>,
    report: &Report<'_>,
) -> Result<()> {
    let (integration, unit) = queues(options, tests);
    let (integration_jobs, unit_jobs) = match Namespace::available() {
        true => (options.jobs, options.unit_jobs),
        false => {
            eprintln!(
                "upstream-suite: no network namespaces here (root and iproute2 needed): one test at a time"
            );
            (1, 0)
        }
    };
    let alone = unit_jobs == 0;
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for number in 0..integration_jobs + unit_jobs {
            let (first, second) = match number < unit_jobs {
                true => (&unit, &integration),
                false => (&integration, &unit),
            };
            // A worker for UNIT tests turns to INTEGRATION ones at the end, but not the other
            // way round: that would start as many UNIT tests as there are workers.
            let helps = number < unit_jobs || alone;
            let state = workplace.path().join(number.to_string());
            workers.push(scope.spawn(move || -> Result<()> {
                let namespace = if alone {
                    None
                } else {
                    Some(Namespace::create(number)?)
                };
                let worker = Worker {
                    options,
                    root,
                    state,
                    namespace,
                };
                while !report.is_over() {
                    let next = take(first).or_else(|| if helps { take(second) } else { None });
                    let Some((test, round)) = next else { break };
                    worker.run(&test, round, report)?;
                }
                Ok(())
            }));
        }
        for worker in workers {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        Ok(())
    })
}

fn queues(options: &Options, tests: Vec<Test>) -> (Queue, Queue) {
    let rank = |test: &Test| {
        LONG.iter()
            .position(|long| test.name.starts_with(long))
            .unwrap_or(LONG.len())
    };
    let mut tests = tests;
    tests.sort_by_key(|test| (rank(test), test.name.clone()));
    let mut integration = VecDeque::new();
    let mut unit = VecDeque::new();
    for round in 1..=options.repeat {
        for test in &tests {
            let queue = if test.is_integration() {
                &mut integration
            } else {
                &mut unit
            };
            queue.push_back((test.clone(), round));
        }
    }
    (Mutex::new(integration), Mutex::new(unit))
}

fn take(queue: &Queue) -> Option<(Test, usize)> {
    queue
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
        .pop_front()
}

struct Worker<'a> {
    options: &'a Options,
    root: &'a Path,
    state: PathBuf,
    namespace: Option<Namespace>,
}

impl Worker<'_> {
    fn run(&self, test: &Test, round: usize, report: &Report<'_>) -> Result<()> {
        if report.leaves_out(test) {
            return Ok(());
        }
        let log_path = report.log_path(test, round);
        let log =
            File::create(&log_path).with_context(|| format!("making {}", log_path.display()))?;
        let started = Instant::now();
        let mut child = self
            .command(test, &log)?
            .spawn()
            .context("starting a test")?;
        let in_time = wait(&mut child, Duration::from_secs(self.options.timeout + 60))?;
        let seconds = started.elapsed().as_secs_f64();
        let left = self
            .namespace
            .as_ref()
            .map(Namespace::sweep)
            .unwrap_or_default();
        for line in &left {
            writeln!(&log, "left behind: {line}")?;
        }
        let text = String::from_utf8_lossy(&fs::read(&log_path)?).into_owned();
        let outcome = if in_time {
            Outcome::of_log(&text)
        } else {
            Outcome::TimedOut
        };
        if outcome.is_failure() {
            let suite = test.name.rsplit_once('/').map_or("", |(suite, _)| suite);
            keep_daemon_logs(&self.state.join(suite), &log_path);
        }
        report.done(test, outcome, seconds, &left, (&log_path, &text))
    }

    fn command(&self, test: &Test, log: &File) -> Result<Command> {
        let script = "tests/run_tests.sh";
        let mut command = match &self.namespace {
            Some(namespace) => namespace.command(script),
            None => Command::new(script),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CTDB_") {
                command.env_remove(name);
            }
        }
        // Where releases contradict each other, our programs answer as this one.
        command.env("CTDB_SAMBA_RELEASE", self.options.spoken().name());
        command
            .args(["-N", "-L", "-T", &self.options.timeout.to_string(), "-V"])
            .arg(&self.state);
        command
            .arg(test.file())
            .current_dir(self.root)
            .process_group(0);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?);
        Ok(command)
    }
}

/// False if the child had to be ended.
fn wait(child: &mut Child, limit: Duration) -> Result<bool> {
    let started = Instant::now();
    loop {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        if started.elapsed() > limit {
            let group = Pid::from_raw(i32::try_from(child.id()).context("a process id")?);
            let _ = killpg(group, Signal::SIGKILL);
            child.wait()?;
            return Ok(false);
        }
        sleep(Duration::from_millis(20));
    }
}

/// Puts the logs of a failed test's daemons beside the test's own log. The folder is that of the
/// test's suite: beside it are those of other suites' tests.
fn keep_daemon_logs(state: &Path, log_path: &Path) {
    let mut folders = vec![state.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let depth = path
                .strip_prefix(state)
                .map_or(0, |rest| rest.components().count());
            if path.is_dir() && depth < 4 {
                folders.push(path);
            } else if entry.file_name() == "log.ctdb" {
                let node = folder
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let _ = fs::copy(&path, log_path.with_extension(node));
            }
        }
    }
}
