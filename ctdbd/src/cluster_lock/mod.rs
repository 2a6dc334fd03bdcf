//! The cluster lock: a lock that at most one node holds, taken by a helper program so that a
//! wedged file system wedges nobody else.
//!
//! The lock is named by a file, which `ctdb_mutex_fcntl_helper` locks ([`fcntl_helper`]), or by
//! `!` and a command. The helper writes one character to its standard output (0 held, 1
//! contended, 2 timed out, 3 error), then holds the lock as long as it lives; SIGTERM makes it
//! let go.

pub mod etcd_lock;
pub mod fcntl_helper;
mod parent;
pub mod rados_helper;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ctdb_config::Paths;
use ctdb_protocol::LockAnswer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};

/// Why a helper cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum MutexError {
    /// `!` with nothing behind it.
    #[error("Mutex helper command is empty \"{0}\"")]
    Empty(String),
    /// The program for lock files is not there.
    #[error("Unable to set cluster mutex helper \"{program}\" - {reason}")]
    Helper {
        /// The program.
        program: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refuses to start it.
    #[error("{program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
}

/// A helper's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    program: String,
    arguments: Vec<String>,
}

impl Helper {
    /// The helper for the lock `lock`, as the option `cluster lock` has it. A command is split
    /// at blanks and tabs; there is no quoting.
    ///
    /// # Errors
    /// The command is empty, or the program for lock files cannot be run.
    pub fn new(lock: &str, paths: &Paths) -> Result<Self, MutexError> {
        if let Some(command) = lock.strip_prefix('!') {
            let mut words = command.split([' ', '\t']).filter(|word| !word.is_empty());
            let program = words
                .next()
                .ok_or_else(|| MutexError::Empty(command.to_owned()))?;
            return Ok(Self {
                program: program.to_owned(),
                arguments: words.map(str::to_owned).collect(),
            });
        }
        let path = paths.helper("CTDB_CLUSTER_MUTEX_HELPER", "ctdb_mutex_fcntl_helper");
        check_executable(&path)?;
        Ok(Self {
            program: path.to_string_lossy().into_owned(),
            arguments: vec![lock.to_owned()],
        })
    }

    /// Starts an attempt to take the lock.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(&self) -> Result<Attempt, MutexError> {
        // Between fork and exec all signals are blocked and dispositions are reset, so a SIGTERM
        // that comes at once is not lost in a handler of ours.
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| MutexError::Start {
                program: self.program.clone(),
                source,
            })?;
        let output = child.stdout.take().expect("piped just above");
        Ok(Attempt {
            running: Running { child, output },
            started: Instant::now(),
        })
    }
}

fn check_executable(path: &Path) -> Result<(), MutexError> {
    let wrong = |reason: String| MutexError::Helper {
        program: path.display().to_string(),
        reason,
    };
    let mode = std::fs::metadata(path)
        .map_err(|e| wrong(e.to_string()))?
        .permissions()
        .mode();
    if mode & 0o100 == 0 {
        return Err(wrong("not executable".to_owned()));
    }
    Ok(())
}

/// A helper process. Dropping it ends it, and with it the lock.
#[derive(Debug)]
struct Running {
    child: Child,
    output: ChildStdout,
}

impl Running {
    /// The next byte of output; `None` at the end of it.
    async fn byte(&mut self) -> Option<u8> {
        self.output.read_u8().await.ok()
    }

    fn terminate(&self) {
        // The id is there until the process has been waited for.
        if let Some(id) = self.child.id() {
            let _ = kill(Pid::from_raw(id.cast_signed()), Signal::SIGTERM);
        }
    }

    async fn end(mut self) {
        self.terminate();
        let _ = self.child.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The runtime waits for the process in the background.
        self.terminate();
    }
}

/// An attempt under way. Dropping it cancels it.
#[derive(Debug)]
pub struct Attempt {
    running: Running,
    started: Instant,
}

/// What came of an attempt.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: LockAnswer,
    /// How long it took.
    pub latency: Duration,
    /// The lock, if the answer is [`LockAnswer::Held`].
    pub lock: Option<Lock>,
}

impl Attempt {
    /// Waits for the answer, for at most `limit`. Unless the lock is held the helper has ended
    /// when this returns, or has been told to.
    pub async fn outcome(mut self, limit: Duration) -> Outcome {
        let answer = match tokio::time::timeout(limit, self.running.byte()).await {
            Ok(byte) => LockAnswer::from_output(byte),
            Err(_) => LockAnswer::TimedOut,
        };
        let latency = self.started.elapsed();
        let lock = match answer {
            LockAnswer::Held => Some(Lock {
                running: self.running,
            }),
            LockAnswer::TimedOut => None,
            LockAnswer::Contended | LockAnswer::Failed => {
                self.running.end().await;
                None
            }
        };
        Outcome {
            answer,
            latency,
            lock,
        }
    }

    /// Gives up and waits for the helper's end.
    pub async fn cancel(self) {
        self.running.end().await;
    }
}

/// The lock, held. Dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    running: Running,
}

impl Lock {
    /// Returns when the lock is lost: the helper has ended. Further output means nothing.
    pub async fn lost(&mut self) {
        while self.running.byte().await.is_some() {}
    }

    /// Lets go and waits until it is so.
    pub async fn release(self) {
        self.running.end().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Helper {
        Helper::new(text, &Paths::below("/nonexistent".as_ref())).unwrap()
    }

    fn run<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test)
    }

    #[test]
    fn commands_are_split_at_blanks() {
        let helper = command("! /bin/x  'a b'\tc");
        assert_eq!(helper.program, "/bin/x");
        assert_eq!(helper.arguments, ["'a", "b'", "c"]);
        let paths = Paths::below("/nonexistent".as_ref());
        assert!(matches!(
            Helper::new("! ", &paths),
            Err(MutexError::Empty(_))
        ));
    }

    #[test]
    fn answers_of_helpers() {
        let limit = Duration::from_secs(5);
        run(async {
            for (program, expected) in [
                ("!printf 1", LockAnswer::Contended),
                ("!printf 2", LockAnswer::TimedOut),
                ("!printf 3", LockAnswer::Failed),
                ("!printf x", LockAnswer::Failed),
                ("!true", LockAnswer::Failed),
            ] {
                let outcome = command(program).start().unwrap().outcome(limit).await;
                assert_eq!(outcome.answer, expected, "{program}");
                assert!(outcome.lock.is_none());
            }
        });
    }

    #[test]
    fn silence_is_a_timeout_and_the_end_is_a_loss() {
        run(async {
            let attempt = command("!sleep 60").start().unwrap();
            let outcome = attempt.outcome(Duration::from_millis(50)).await;
            assert_eq!(outcome.answer, LockAnswer::TimedOut);

            let attempt = command("!printf 0").start().unwrap();
            let outcome = attempt.outcome(Duration::from_secs(5)).await;
            assert_eq!(outcome.answer, LockAnswer::Held);
            outcome.lock.unwrap().lost().await;
        });
    }
}
