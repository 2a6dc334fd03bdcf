//! A program of ours at the other end of a socket, which is its standard input and output.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A running helper. Dropping it kills the process.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    stream: Rc<UnixStream>,
    /// The same socket, for writing without asking the runtime whether it can be written.
    direct: StdStream,
}

impl Helper {
    /// Starts `program`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: &Path, arguments: &[&str]) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            child,
            direct: ours.try_clone()?,
            stream: Rc::new(UnixStream::from_std(ours)?),
        })
    }

    /// Its pid; 0 once it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Our end of the socket, to read from in a task.
    #[must_use]
    pub fn stream(&self) -> Rc<UnixStream> {
        Rc::clone(&self.stream)
    }

    /// Sends a small frame at once; false if the helper cannot take it, and so is of no more use.
    #[must_use]
    pub fn send(&self, frame: &[u8]) -> bool {
        matches!((&self.direct).write(frame), Ok(written) if written == frame.len())
    }
}
