//! Runs one program in a process group of its own and collects what it writes.

use std::io::{self, pipe};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep_until};

use super::capture::Capture;
use super::leftover;

const CHUNK_BYTES: usize = 64 << 10;
/// Half a megabyte before others get their turn.
const CHUNKS_PER_TURN: usize = 8;
/// A megabyte, the most that a pipe can be made to hold.
const CHUNKS_PER_PIPE: usize = 16;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// It could not be run, or took too long (ETIMEDOUT).
    Error(i32),
}

impl End {
    /// Exit codes from 64 to 254 are errors that the program's start ran into, as upstream's
    /// event daemon has it.
    fn from_status(status: ExitStatus) -> Self {
        match (status.signal(), status.code()) {
            (Some(signal), _) => Self::Signal(signal),
            (None, Some(code @ 64..255)) => Self::Error(code - 64),
            (None, Some(code)) => Self::Status(code),
            (None, None) => Self::Error(libc::EIO),
        }
    }
}

/// A program that has ended, or that we stopped waiting for.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub end: End,
    /// What it wrote to standard output and standard error.
    pub output: Vec<u8>,
    /// The program, if it still runs.
    pub left: Option<Running>,
    /// Its process group, if it has ended and others of the group have not.
    pub behind: Option<Pid>,
}

/// A running program. Dropping it kills its process group.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Option<Pid>,
}

impl Running {
    /// Its process id, if it has not been waited for.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.group.map(Pid::as_raw)
    }

    /// Asks its process group to end.
    pub fn terminate(&self) {
        if let Some(group) = self.group {
            // It may have gone meanwhile.
            let _ = killpg(group, Signal::SIGTERM);
        }
    }

    /// Kills its process group.
    pub fn kill(&self) {
        if let Some(group) = self.group {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The system cannot tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        // From here on the number may be another process's.
        self.group = None;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs `path` with `arguments` (the first is what the program is told it is called) until it
/// ends or until `deadline`. Dropping the future kills it.
pub async fn run(
    path: &Path,
    arguments: &[String],
    stdin: Option<OwnedFd>,
    deadline: Option<Instant>,
) -> Finished {
    let failed = |e: io::Error| Finished {
        end: End::Error(e.raw_os_error().unwrap_or(libc::EIO)),
        output: Vec::new(),
        left: None,
        behind: None,
    };
    if let Err(e) = check(path) {
        return failed(e);
    }
    match start(path, arguments, stdin) {
        Ok((running, output)) => collect(running, output, deadline).await,
        Err(e) => failed(e),
    }
}

fn check(path: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o100 == 0 {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    Ok(())
}

fn start(
    path: &Path,
    arguments: &[String],
    stdin: Option<OwnedFd>,
) -> io::Result<(Running, Receiver)> {
    let (ours, theirs) = pipe()?;
    let mut command = Command::new(path);
    if let [name, rest @ ..] = arguments {
        command.arg0(name).args(rest);
    }
    let child = command
        .stdin(stdin.map_or_else(Stdio::inherit, Stdio::from))
        .stdout(theirs.try_clone()?)
        .stderr(theirs)
        .process_group(0)
        .spawn()?;
    // The command keeps our copies of the pipe's end.
    drop(command);
    let group = child.id().map(|id| Pid::from_raw(id.cast_signed()));
    let output = Receiver::from_owned_fd(ours.into())?;
    Ok((Running { child, group }, output))
}

async fn collect(mut running: Running, pipe: Receiver, deadline: Option<Instant>) -> Finished {
    let mut output = Capture::default();
    let group = running.group;
    let mut open = true;
    let too_late = async {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(too_late);
    let status = loop {
        tokio::select! {
            status = running.wait() => break status,
            () = &mut too_late => {
                read_rest(&pipe, &mut output);
                return Finished {
                    end: End::Error(libc::ETIMEDOUT),
                    output: output.finish(),
                    left: Some(running),
                    behind: None,
                };
            }
            ready = pipe.ready(Interest::READABLE), if open => {
                open = ready.is_ok() && read_available(&pipe, &mut output);
                // Who writes faster than we read must not keep others waiting.
                tokio::task::yield_now().await;
            }
        }
    };
    // Not until the pipe closes: somebody in the background may keep it open.
    read_rest(&pipe, &mut output);
    Finished {
        end: status.map_or(End::Error(libc::EIO), End::from_status),
        output: output.finish(),
        left: None,
        behind: group.filter(|group| leftover::is_alive(*group)),
    }
}

/// What is in the pipe now, up to a turn's share; false if it is closed.
fn read_available(pipe: &Receiver, output: &mut Capture) -> bool {
    let mut chunk = vec![0; CHUNK_BYTES];
    for _ in 0..CHUNKS_PER_TURN {
        match pipe.try_read(&mut chunk) {
            Ok(0) => return false,
            Ok(n) => output.add(&chunk[..n]),
            Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

/// What is in the pipe now, also if the runtime has not heard of it yet. No more than a pipe can hold: a
/// writer that goes on is not waited for.
fn read_rest(pipe: &Receiver, output: &mut Capture) {
    let mut chunk = vec![0; CHUNK_BYTES];
    for _ in 0..CHUNKS_PER_PIPE {
        match nix::unistd::read(pipe.as_fd(), &mut chunk) {
            Ok(n @ 1..) => output.add(&chunk[..n]),
            _ => return,
        }
    }
}
