//! The program `ctdb_mutex_ceph_rados_helper`: holds the cluster lock as an exclusive lock on an
//! object in a Ceph pool.
//!
//! ```text
//! ctdb_mutex_ceph_rados_helper <cluster> <user> <pool> <object> [seconds] [-n namespace] [-R]
//! ```
//! The lock lives for `seconds` (10; 0: for ever) and is renewed every half of that. The program
//! ends, and the daemon knows that the lock is lost, when a renewal fails, and at nine tenths of
//! the lock's life when no answer comes: calls into librados wait for a dead server without end.
//! SIGTERM, SIGINT and the end of the daemon give the lock back.
//!
//! Name, cookie and messages are those of the C program, so that both exclude each other.

mod arguments;
mod holder;
mod lease;
mod store;

use std::ffi::{CString, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use super::parent::Parent;
use crate::log::say;
use crate::sys::process::end_at_once;
use arguments::{Arguments, Wrong};
use holder::{Event, Holder, Surroundings};

/// How often the parent is looked for.
const PARENT_CHECK: Duration = Duration::from_secs(5);

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let mut process = Process {
        parent: Parent::of_this_process(),
    };
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let arguments = match Arguments::parse(words.map(without_nul).collect()) {
        Ok(arguments) => arguments,
        Err(Wrong::Usage(text)) => {
            if let Some(text) = text {
                say(format_args!("{name}: {text}"));
            }
            usage(&name);
            return ExitCode::FAILURE;
        }
        Err(Wrong::Life) => {
            process.answer(b'3');
            return ExitCode::FAILURE;
        }
    };
    run(&name, arguments, &mut process)
}

fn run(name: &str, arguments: Arguments, process: &mut Process) -> ExitCode {
    let events = channel();
    if let Err(text) = await_signals(events.0.clone()) {
        say(format_args!("{name}: {text}"));
        process.answer(b'3');
        return ExitCode::FAILURE;
    }
    let holder = Holder {
        name: name.to_owned(),
        object: arguments.object.to_string_lossy().into_owned(),
        life: arguments.life,
        parent_check: PARENT_CHECK,
    };
    let name = name.to_owned();
    let ending = holder.run(process, events, move |renewals, events| {
        let worked = store::with_ceph(&name, &arguments, |store| {
            holder::work(store, arguments.life, renewals, events);
        });
        if let Err(text) = worked {
            let _ = events.send(Event::Unreachable(text));
        }
    });
    if !ending.worker_ended {
        // librados' own threads would not survive its destructors, nor these the hanging call.
        end_at_once(ending.code);
    }
    ExitCode::from(ending.code)
}

fn usage(name: &str) {
    say(format_args!(
        "Usage: {name} <Ceph Cluster> <Ceph user> <RADOS pool> <RADOS object> \
         [lock duration secs] [-n RADOS namespace]"
    ));
}

fn without_nul(word: OsString) -> CString {
    CString::new(word.into_vec()).expect("an argument of a process ends at its first NUL")
}

struct Process {
    parent: Parent,
}

impl Surroundings for Process {
    fn answer(&mut self, character: u8) {
        // If nobody reads it, the check of the parent finds that.
        let mut out = io::stdout();
        let _ = out.write_all(&[character]).and_then(|()| out.flush());
    }

    fn has_parent(&self) -> bool {
        self.parent.is_there()
    }
}

/// Blocks SIGTERM and SIGINT, in later threads as well, and waits for them in a thread.
fn await_signals(events: Sender<Event>) -> Result<(), String> {
    let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
    signals
        .thread_block()
        .map_err(|e| format!("SIGTERM cannot be blocked: {e}"))?;
    std::thread::spawn(
        move || {
            while signals.wait().is_ok() && events.send(Event::Terminated).is_ok() {}
        },
    );
    Ok(())
}
