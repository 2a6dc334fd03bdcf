//! A program of ours at the other end of a socket, which is its standard input and output.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;

use bytes::BytesMut;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// Names one helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HelperId(pub u32);

/// What came from a helper.
#[derive(Debug)]
pub enum Said<F> {
    /// A frame.
    Frame(F),
    /// Its end, with the reason in words.
    Ended(String),
}

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

/// Tells what a helper says, frame by frame, and its end. `take` cuts the first frame off what has come, of
/// which `chunk_bytes` are read at once.
pub async fn listen<F, E: Display>(
    stream: Rc<UnixStream>,
    chunk_bytes: usize,
    take: impl Fn(&mut BytesMut) -> Result<Option<F>, E>,
    tell: impl Fn(Said<F>),
) {
    let mut received = BytesMut::new();
    let reason = loop {
        if let Err(e) = stream.readable().await {
            break e.to_string();
        }
        received.reserve(chunk_bytes);
        match stream.try_read_buf(&mut received) {
            Ok(0) => break "its connection closed".to_owned(),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => break e.to_string(),
        }
        loop {
            match take(&mut received) {
                Ok(Some(frame)) => tell(Said::Frame(frame)),
                Ok(None) => break,
                Err(e) => return tell(Said::Ended(e.to_string())),
            }
        }
    };
    tell(Said::Ended(reason));
}
