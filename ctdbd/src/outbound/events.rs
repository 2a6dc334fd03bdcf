//! The event daemon: started once, told to run events over its socket. Its end is our end.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ctdb_config::Paths;
use ctdb_core::Input;
use ctdb_core::effect::Ticket;
use ctdb_protocol::event::{
    HEAD, Reply, Request, Run, RunFlags, Status, StatusReply, open, packet,
};
use ctdb_protocol::frame;
use ctdb_protocol::id::ReqId;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::log;
use crate::news::{News, ToLoop};

/// The scripts that the daemon's own events run.
const COMPONENT: &str = "legacy";
/// How long the event daemon may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(10);
/// Told about an event whose answer got lost.
const EIO: i32 = 5;

/// The running event daemon.
#[derive(Debug)]
pub struct Events {
    pid: u32,
    requests: mpsc::UnboundedSender<(Ticket, Request)>,
}

impl Events {
    /// Starts the event daemon and waits until it listens.
    ///
    /// # Errors
    /// It cannot be started, or does not say in time that it listens.
    pub async fn start(paths: &Paths, to_loop: ToLoop) -> io::Result<Self> {
        let program = paths.helper("CTDB_EVENTD", "ctdb-eventd");
        let socket = paths.socket("eventd");
        match std::fs::remove_file(&socket) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let (mut life, mut child) = spawn(&program)?;
        let answer = tokio::time::timeout(START_LIMIT, life.read_u32_le()).await;
        match answer {
            Ok(Ok(0)) => {}
            Ok(Ok(status)) => return Err(io::Error::other(format!("event daemon says {status}"))),
            Ok(Err(e)) => return Err(e),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        let pid = child.id().unwrap_or(0);
        tokio::task::spawn_local({
            let to_loop = to_loop.clone();
            async move {
                // Nothing more is written: this is the end of the event daemon.
                let _ = life.read_u8().await;
                let _ = child.wait().await;
                log::error!("Eventd went away - exiting");
                to_loop.tell(News::Die(1));
            }
        });
        let (requests, waiting) = mpsc::unbounded_channel();
        tokio::task::spawn_local(converse(socket, waiting, to_loop));
        Ok(Self { pid, requests })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Runs an event; its end is told to the core.
    pub fn run(&self, ticket: Ticket, event: &str, args: &[String], timeout_s: u32) {
        let run = Run {
            component: COMPONENT.into(),
            event: event.into(),
            args: args.join(" ").as_str().into(),
            timeout_s,
            flags: RunFlags::empty(),
        };
        // The conversation ends only together with the daemon.
        let _ = self.requests.send((ticket, Request::Run(run)));
    }

    /// Tells it to end.
    pub fn stop(&self) {
        // If it is gone already, all the better.
        let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGTERM);
    }
}

/// Starts the program with the writing end of a pipe, which it keeps open for as long as it lives.
fn spawn(program: &Path) -> io::Result<(pipe::Receiver, Child)> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    let write: OwnedFd = write;
    // No other process is started between here and the end of this function.
    fcntl(&write, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let child = Command::new(program)
        .arg("-P")
        .arg(std::process::id().to_string())
        .arg("-S")
        .arg(write.as_raw_fd().to_string())
        .spawn()
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", program.display())))?;
    drop(write);
    Ok((pipe::Receiver::from_owned_fd(read)?, child))
}

/// Asks the event daemon at `socket` how an event's last run ended: `None` if there was none.
///
/// # Errors
/// It cannot be reached, or its answer makes no sense.
pub async fn last_run(socket: &Path, event: &str) -> io::Result<Option<StatusReply>> {
    let mut stream = UnixStream::connect(socket).await?;
    let status = Status {
        component: COMPONENT.into(),
        event: event.into(),
    };
    let request = packet(ReqId(1), &Request::Status(status));
    stream.write_all(&request).await?;
    let mut received = BytesMut::new();
    while stream.read_buf(&mut received).await? > 0 {
        if let Some(answer) = frame::next_of(&mut received, HEAD).map_err(io::Error::other)? {
            let (_, reply) = open::<Reply>(&answer).map_err(io::Error::other)?;
            return Ok(reply.status);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Sends requests and takes answers; connects again after a lost connection.
async fn converse(
    path: PathBuf,
    mut requests: mpsc::UnboundedReceiver<(Ticket, Request)>,
    to_loop: ToLoop,
) {
    let mut waiting = HashMap::new();
    let mut next_reqid = 0;
    let mut unsent = None;
    loop {
        let (ticket, request) = match unsent.take() {
            Some(item) => item,
            None => match requests.recv().await {
                Some(item) => item,
                None => return,
            },
        };
        let mut stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(e) => {
                log::error!(
                    "Failed to connect to event daemon socket {}: {e}",
                    path.display()
                );
                to_loop.input(Input::EventDone {
                    ticket,
                    status: EIO,
                });
                continue;
            }
        };
        unsent = Some((ticket, request));
        let ended = exchange(
            &mut stream,
            &mut requests,
            &mut unsent,
            &mut waiting,
            &mut next_reqid,
            &to_loop,
        );
        let reason = ended.await;
        if let Err(e) = reason {
            log::error!("Connection to event daemon broke: {e}");
        }
        for (_, ticket) in waiting.drain() {
            to_loop.input(Input::EventDone {
                ticket,
                status: EIO,
            });
        }
        if requests.is_closed() && requests.is_empty() {
            return;
        }
    }
}

async fn exchange(
    stream: &mut UnixStream,
    requests: &mut mpsc::UnboundedReceiver<(Ticket, Request)>,
    unsent: &mut Option<(Ticket, Request)>,
    waiting: &mut HashMap<ReqId, Ticket>,
    next_reqid: &mut u32,
    to_loop: &ToLoop,
) -> io::Result<()> {
    let mut received = BytesMut::new();
    loop {
        if let Some((ticket, request)) = unsent.take() {
            *next_reqid = next_reqid.wrapping_add(1);
            let reqid = ReqId(*next_reqid);
            waiting.insert(reqid, ticket);
            stream.write_all(&packet(reqid, &request)).await?;
        }
        tokio::select! {
            item = requests.recv() => match item {
                Some(item) => *unsent = Some(item),
                None => return Ok(()),
            },
            read = stream.read_buf(&mut received) => {
                if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        while let Some(answer) = frame::next_of(&mut received, HEAD).map_err(io::Error::other)? {
            take(&answer, waiting, to_loop);
        }
    }
}

fn take(answer: &Bytes, waiting: &mut HashMap<ReqId, Ticket>, to_loop: &ToLoop) {
    match open::<Reply>(answer) {
        Ok((reqid, reply)) => {
            if let Some(ticket) = waiting.remove(&reqid) {
                to_loop.input(Input::EventDone {
                    ticket,
                    status: reply.result,
                });
            }
        }
        Err(e) => log::error!("Malformed answer of event daemon: {e}"),
    }
}
