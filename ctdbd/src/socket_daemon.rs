//! The skeleton of a small daemon with a Unix socket: pid file, signals, watching the process
//! that started it. What it does for its clients is a [`Service`].
//!
//! SIGTERM and SIGINT end it, SIGUSR1 makes it read its configuration again, SIGHUP open its
//! log again.

use std::future::pending;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_local;

use crate::log::{error, notice, warning};
use crate::pidfile::PidFile;
use crate::sys::descriptor;
use crate::sys::process::process_descriptor;
use crate::sys::readiness;

const FIRST_WATCH: Duration = Duration::from_secs(1);
const WATCH: Duration = Duration::from_secs(5);

/// An error number that is also an exit code.
pub type Code = i32;

/// The work of a daemon. A step answers `None` if the daemon has no such step.
#[expect(
    async_fn_in_trait,
    reason = "one thread; nobody needs these futures elsewhere"
)]
pub trait Service: 'static {
    /// How a failed SIGHUP is told.
    const REOPEN_FAILED: &'static str = "reopen logs failed";

    /// Before clients are accepted.
    async fn startup(&self) -> Option<Result<(), Code>> {
        None
    }

    /// On SIGUSR1.
    async fn reconfigure(&self) -> Option<Result<(), Code>> {
        None
    }

    /// On SIGHUP.
    async fn reopen_logs(&self) -> Option<Result<(), Code>> {
        None
    }

    /// Before the daemon ends, after its socket is gone.
    async fn shutdown(&self) {}

    /// Serves one client until it leaves; `pid` is the client's process.
    async fn serve(self: Rc<Self>, client: UnixStream, pid: Option<i32>);

    /// Returns when the daemon is to end, with its exit code.
    async fn wait(&self) -> Code {
        pending().await
    }
}

/// What a daemon is made of.
#[derive(Debug, Default)]
pub struct Settings {
    /// Its pid file.
    pub pidfile: Option<PathBuf>,
    /// Its socket.
    pub socket: Option<PathBuf>,
    /// The process that it does not outlive.
    pub watch_pid: Option<i32>,
    /// An inherited descriptor: told (with a zero of 4 bytes) when clients are accepted.
    pub startup_fd: Option<i32>,
}

/// Runs a daemon; must be called inside a [`tokio::task::LocalSet`]. The result is 0, EINTR
/// after a signal, ESRCH if the watched process is gone, EEXIST if the daemon runs already, EIO
/// if it cannot start, or what [`Service::wait`] says.
pub async fn run<S: Service>(settings: &Settings, service: Rc<S>) -> Code {
    let _pidfile = match settings.pidfile.as_deref().map(PidFile::create) {
        None => None,
        Some(Ok(pidfile)) => Some(pidfile),
        Some(Err(_)) => return libc::EEXIST,
    };
    let Ok(mut signals) = Signals::new() else {
        return libc::EIO;
    };
    // Its end tells of ours: no program that outlives us may have it.
    if let Some(fd) = settings.startup_fd
        && let Err(e) = descriptor::close_on_exec(fd)
    {
        error!("Failed to set close-on-exec on startup fd: {e}");
        return libc::EIO;
    }
    notice!("daemon started, pid={}", std::process::id());
    match service.startup().await {
        None => {}
        Some(Ok(())) => notice!("startup completed successfully"),
        Some(Err(code)) => {
            error!("startup failed, ret={code}");
            return libc::EIO;
        }
    }
    // Only the owner of the pid file may take a socket that is there for a stale one.
    let stale_allowed = settings.pidfile.is_some();
    let socket = match settings
        .socket
        .as_deref()
        .map(|p| Socket::open(p, stale_allowed))
    {
        None => None,
        Some(Ok(socket)) => Some(socket),
        Some(Err(())) => return libc::EIO,
    };
    if let Some(fd) = settings.startup_fd
        && descriptor::write_to(fd, &[0; 4]).is_err()
    {
        warning!("Failed to write zero to pipe FD");
    }
    let code = attend(settings, &service, socket.as_ref(), &mut signals).await;
    notice!("Shutting down");
    drop(socket);
    service.shutdown().await;
    code
}

/// Until there is a reason to end.
async fn attend<S: Service>(
    settings: &Settings,
    service: &Rc<S>,
    socket: Option<&Socket>,
    signals: &mut Signals,
) -> Code {
    let wait = service.wait();
    let gone = gone(settings.watch_pid);
    tokio::pin!(wait, gone);
    loop {
        tokio::select! {
            code = &mut wait => return code,
            () = &mut gone => return libc::ESRCH,
            client = accept(socket) => {
                let pid = client.peer_cred().ok().and_then(|cred| cred.pid());
                spawn_local(Rc::clone(service).serve(client, pid));
            }
            number = signals.next() => {
                notice!("Received signal {number}");
                match number {
                    libc::SIGUSR1 => tell("reconfigure", "reconfigure failed", service.reconfigure().await),
                    libc::SIGHUP => tell("reopen logs", S::REOPEN_FAILED, service.reopen_logs().await),
                    _ => return libc::EINTR,
                }
            }
        }
    }
}

fn tell(what: &str, failed: &str, result: Option<Result<(), Code>>) {
    match result {
        None => {}
        Some(Ok(())) => notice!("{what} completed successfully"),
        Some(Err(code)) => error!("{failed}, ret={code}"),
    }
}

async fn accept(socket: Option<&Socket>) -> UnixStream {
    let Some(socket) = socket else {
        return pending().await;
    };
    loop {
        match socket.listener.accept().await {
            Ok((client, _)) => return client,
            Err(e) => {
                // Out of descriptors, most likely: clients that leave make room.
                warning!("{}: {e}", socket.path.display());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Returns when a process is gone; never if there is none to watch.
async fn gone(pid: Option<i32>) {
    let Some(pid) = pid.filter(|pid| *pid > 1) else {
        return pending().await;
    };
    // A daemon that starts right after a crash must not find this one still there.
    if let Ok(Ok(process)) = process_descriptor(pid).map(readiness::of_descriptor)
        && process.readable().await.is_ok()
    {
        error!("PID {pid} gone away, exiting");
        return;
    }
    tokio::time::sleep(FIRST_WATCH).await;
    loop {
        match kill(Pid::from_raw(pid), None) {
            Err(Errno::ESRCH) => {
                error!("PID {pid} gone away, exiting");
                return;
            }
            Err(e) => error!("Failed to check PID status {pid}, ret={}", e as i32),
            Ok(()) => {}
        }
        tokio::time::sleep(WATCH).await;
    }
}

struct Signals {
    hang_up: Signal,
    user_1: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.hang_up.recv() => libc::SIGHUP,
            _ = self.user_1.recv() => libc::SIGUSR1,
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
        }
    }
}

/// A listening socket; its file goes when it is dropped.
struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    fn open(path: &Path, stale_allowed: bool) -> Result<Self, ()> {
        if stale_allowed {
            let _ = std::fs::remove_file(path);
        }
        // Whoever waits for the file connects at once, and would be refused between bind and listen:
        // the socket gets its name when it listens. If the name is taken, binding it says so.
        let mut fresh = path.as_os_str().to_owned();
        fresh.push(".new");
        let fresh = if path.exists() {
            path.to_owned()
        } else {
            let _ = std::fs::remove_file(&fresh);
            PathBuf::from(fresh)
        };
        let listener = UnixListener::bind(&fresh).map_err(|e| {
            error!("socket bind failed - {}: {e}", path.display());
        })?;
        let private = std::fs::Permissions::from_mode(0o700);
        let named =
            std::fs::set_permissions(&fresh, private).and_then(|()| std::fs::rename(&fresh, path));
        if let Err(e) = named {
            error!("Unable to secure (chmod) socket '{}': {e}", path.display());
            return Err(());
        }
        notice!("listening on {}", path.display());
        Ok(Self {
            path: path.to_owned(),
            listener,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
