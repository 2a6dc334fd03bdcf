//! A daemon that runs by itself, and its children: regression scenarios R40 and R50 of upstream's bugs.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);
const EVENT_SCRIPT: &str = "#!/bin/sh\n[ \"$1\" != setup ] || echo \"said in setup\"\n";
const LOCK_HELPER: &str =
    "#!/bin/sh\necho \"talking_helper: said while locking\" >&2\nprintf 0\nexec sleep 100\n";

/// A node alone, below a folder of its own.
struct Node(PathBuf);

impl Node {
    /// Starts the daemon, which goes into the background. Each test has an address of its own.
    fn start(name: &str, last: u8) -> Self {
        let node = Self(std::env::temp_dir().join(format!("{name}-{}", std::process::id())));
        let base = node.0.display().to_string();
        for folder in ["run", "var", "events/legacy", "db"] {
            fs::create_dir_all(node.0.join(folder)).unwrap();
        }
        let address = format!("127.9.{}.{last}", std::process::id() as u8);
        program(&node.0.join("events/legacy/50.talker.script"), EVENT_SCRIPT);
        program(&node.0.join("talking_helper"), LOCK_HELPER);
        fs::write(node.0.join("nodes"), format!("{address}\n")).unwrap();
        let configuration = format!(
            "[logging]\nlocation = file:{base}/log\n[cluster]\nnode address = {address}\n\
             cluster lock = !{base}/talking_helper\n[database]\n\
             volatile database directory = {base}/db\npersistent database directory = {base}/db\n\
             state database directory = {base}/db\n"
        );
        fs::write(node.0.join("ctdb.conf"), configuration).unwrap();
        let daemon = Path::new(env!("CARGO_BIN_EXE_ctdbd"));
        let started = Command::new(daemon)
            .env("CTDB_TEST_MODE", "yes")
            .env("CTDB_BASE", &node.0)
            .env("CTDB_TEST_HELPER_BINDIR", daemon.parent().unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(started.unwrap().success(), "{}", node.log());
        node
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }

    fn logs(&self, what: &str) {
        until(
            || self.log().contains(what),
            || format!("no \"{what}\" in {}", self.log()),
        );
    }

    /// The process that a pid file names, once there is one.
    fn pid(&self, daemon: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.0.join(format!("run/{daemon}.pid")));
        text.ok()?.trim().parse().ok().map(Pid::from_raw)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(daemon) = self.pid("ctdbd") {
            let _ = kill(daemon, Signal::SIGTERM);
            let end = Instant::now() + LIMIT;
            while lives(daemon) && Instant::now() < end {
                sleep(Duration::from_millis(50));
            }
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

fn until(done: impl Fn() -> bool, otherwise: impl Fn() -> String) {
    let end = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < end, "{}", otherwise());
        sleep(Duration::from_millis(50));
    }
}

/// Whether a process runs: one that has ended and that nobody has waited for has no command line.
fn lives(pid: Pid) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| !words.is_empty())
}

#[test]
fn r40_the_daemon_ends_with_its_event_daemon() {
    let node = Node::start("r40", 40);
    // Its first event has ended, so the event daemon had said that it was ready.
    node.logs("50.talker: said in setup");
    let daemon = node.pid("ctdbd").unwrap();
    let event_daemon = node.pid("eventd").unwrap();
    assert!(lives(daemon) && lives(event_daemon));
    kill(event_daemon, Signal::SIGKILL).unwrap();
    until(|| !lives(daemon), || node.log());
    node.logs("Eventd went away - exiting");
}

#[test]
fn r50_what_children_write_is_in_the_log_under_their_name() {
    let node = Node::start("r50", 50);
    node.logs("50.talker: said in setup");
    node.logs("talking_helper: said while locking");
}
