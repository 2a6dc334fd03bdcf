//! The program `ctdb_etcd_lock`: holds the cluster lock as a key in etcd.
//!
//! ```text
//! ctdb_etcd_lock [-v...] [-c FILE]
//! ```
//! The key is created under a lease if nobody has it. The lease is renewed every `refresh`
//! seconds; when it was not renewed for `lock_ttl` seconds, it may be somebody else's, so the
//! program ends before that, and the daemon knows that the lock is lost. SIGTERM, and the end of
//! the daemon, give the lease back.
//!
//! Unlike the C distribution's Python program of this name it speaks version 3 of etcd's API
//! (which since etcd 3.4 is the only one on by default). The two do not exclude each other: all
//! nodes of a cluster must use the same one. Where etcd still has version 2, this one at least
//! does not take the lock while the other program holds it.

mod gateway;
mod settings;
mod tls;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::parent::Parent;
use crate::log::say;
use gateway::{Gateway, GatewayError, Lease};
use settings::{Arguments, Settings};

/// How often the parent is looked for.
const PARENT_CHECK: Duration = Duration::from_secs(1);

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let parent = Parent::of_this_process();
    let base = std::env::var_os("CTDB_BASE").unwrap_or_else(|| "/etc/ctdb".into());
    let Some(arguments) = Arguments::parse(std::env::args().skip(1), base.as_ref()) else {
        say("Usage: ctdb_etcd_lock [-v...] [-c FILE]");
        return ExitCode::FAILURE;
    };
    match Holder::new(&arguments, parent) {
        Ok(holder) => holder.run(),
        Err(text) => {
            say(format_args!("ctdb_etcd_lock: {text}"));
            answer(b'3');
            ExitCode::FAILURE
        }
    }
}

struct Holder {
    settings: Settings,
    gateway: Gateway,
    key: String,
    verbose: usize,
    parent: Parent,
    terminated: Receiver<()>,
}

impl Holder {
    fn new(arguments: &Arguments, parent: Parent) -> Result<Self, String> {
        let terminated = await_sigterm()?;
        let file = arguments.file.display();
        let text = match std::fs::read_to_string(&arguments.file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound && !arguments.named => String::new(),
            Err(e) => return Err(format!("{file}: {e}")),
        };
        let settings = Settings::parse(&text).map_err(|text| format!("{file}: {text}"))?;
        for note in &settings.notes {
            say(format_args!("ctdb_etcd_lock: {file}: {note}"));
        }
        let tls = settings.tls.as_ref().map(tls::configure).transpose()?;
        let step = settings.step();
        let timeout = match settings.read_timeout_s {
            Some(timeout_s) => step.min(Duration::from_secs(timeout_s)),
            None => step,
        };
        Ok(Self {
            gateway: Gateway::new(&settings, tls, timeout),
            key: format!("/_locks/{}/{}", settings.locks_dir, cluster_name()),
            settings,
            verbose: arguments.verbose,
            parent,
            terminated,
        })
    }

    fn run(&self) -> ExitCode {
        match self.take() {
            Ok(Some((lease, granted))) => {
                answer(b'0');
                self.hold(&lease, granted);
                ExitCode::SUCCESS
            }
            Ok(None) => {
                self.tell(2, format_args!("{} is held by somebody else", self.key));
                answer(b'1');
                ExitCode::SUCCESS
            }
            Err(e) => {
                say(format_args!("ctdb_etcd_lock: {e}"));
                answer(b'3');
                ExitCode::FAILURE
            }
        }
    }

    fn take(&self) -> Result<Option<(Lease, Instant)>, GatewayError> {
        let ttl = Duration::from_secs(self.settings.lock_ttl_s);
        let until = Instant::now() + ttl;
        if self.settings.ask_members
            && let Err(e) = self.gateway.add_members(until)
        {
            self.tell(1, format_args!("{e}"));
        }
        if self.gateway.has_v2_lock(&self.key, until)? {
            say(format_args!(
                "ctdb_etcd_lock: {} is held by C CTDB's program of this name (version 2 of etcd's API)",
                self.key
            ));
            return Ok(None);
        }
        // etcd counts the lease's life from a later moment.
        let asked = Instant::now();
        let until = asked + ttl - self.settings.step();
        let lease = self.gateway.grant(self.settings.lock_ttl_s, until)?;
        let host = nix::unistd::gethostname().unwrap_or_default();
        let owner = format!("{}:{}", host.to_string_lossy(), std::process::id());
        let created = self.gateway.create(&self.key, &owner, &lease, until);
        if !matches!(created, Ok(true)) {
            // Not ours, or nobody knows: it must not stay there for a whole lifetime.
            self.give_back(&lease);
        }
        Ok(created?.then_some((lease, asked)))
    }

    /// Until the lock is lost, the parent is gone or SIGTERM comes. `renewed`: before the last
    /// request that renewed the lease was sent; etcd counts from a later moment.
    fn hold(&self, lease: &Lease, mut renewed: Instant) {
        let refresh = Duration::from_secs(self.settings.refresh_s);
        let lifetime = Duration::from_secs(self.settings.lock_ttl_s);
        let mut due = renewed + refresh;
        loop {
            let wait = due
                .saturating_duration_since(Instant::now())
                .min(PARENT_CHECK);
            match self.terminated.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if !self.parent.is_there() {
                self.tell(1, format_args!("the daemon is gone"));
                break;
            }
            let now = Instant::now();
            if now < due {
                continue;
            }
            // Whatever the servers do, a step is left to give the lease back while it lives.
            match self.renew(lease, renewed + lifetime - self.settings.step()) {
                Ok(true) => renewed = now,
                Ok(false) => {
                    say(format_args!("ctdb_etcd_lock: lock lost - {}", self.key));
                    break;
                }
                Err(e) => say(format_args!("ctdb_etcd_lock: {e}")),
            }
            due = now + refresh;
            // Another step like this one must still end within the lease's life.
            if Instant::now() + refresh >= renewed + lifetime {
                say("ctdb_etcd_lock: lock lost - etcd did not renew it in time");
                break;
            }
        }
        self.give_back(lease);
    }

    fn give_back(&self, lease: &Lease) {
        let until = Instant::now() + self.settings.step();
        if let Err(e) = self.gateway.revoke(lease, until) {
            self.tell(1, format_args!("{e}"));
        }
    }

    /// Renews the lease and looks whether the key is still there under it.
    fn renew(&self, lease: &Lease, until: Instant) -> Result<bool, GatewayError> {
        Ok(
            self.gateway.keep_alive(lease, until)?
                && self.gateway.holds(&self.key, lease, until)?,
        )
    }

    fn tell(&self, level: usize, text: std::fmt::Arguments<'_>) {
        if self.verbose >= level {
            say(format_args!("ctdb_etcd_lock: {text}"));
        }
    }
}

/// The answer that the daemon waits for. If nobody reads it, the check of the parent finds that.
fn answer(character: u8) {
    let mut out = io::stdout();
    let _ = out.write_all(&[character]).and_then(|()| out.flush());
}

/// Blocks SIGTERM and waits for it in a thread: a message on the channel says that it came.
fn await_sigterm() -> Result<Receiver<()>, String> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals
        .thread_block()
        .map_err(|e| format!("SIGTERM cannot be blocked: {e}"))?;
    let (sender, receiver): (Sender<()>, _) = channel();
    std::thread::spawn(move || {
        if signals.wait().is_ok() {
            // The holder may have ended already.
            let _ = sender.send(());
        }
    });
    Ok(receiver)
}

/// The cluster's name: what Samba's configuration has as `netbios name`. Without Samba, the
/// same word on every node.
fn cluster_name() -> String {
    let output = std::process::Command::new("testparm")
        .args(["-s", "--parameter-name", "netbios name"])
        .stderr(std::process::Stdio::null())
        .output();
    let name = output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    if name.is_empty() {
        "ctdb".to_owned()
    } else {
        name
    }
}
