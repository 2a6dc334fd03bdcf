//! `porting_tests --socket=PATH`: what our code asks of the system besides files: interfaces, and
//! who is at the other end of a socket. Silent when all is well.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use ctdb_test_programs::self_check::{Check, ensure, once};
use ctdb_test_programs::sys::fork_alone;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

fn main() -> ExitCode {
    let socket = std::env::args().nth(1);
    let socket = socket
        .as_deref()
        .and_then(|option| option.strip_prefix("--socket="));
    let Some(socket) = socket else {
        eprintln!("usage: porting_tests --socket=PATH");
        return ExitCode::FAILURE;
    };
    once(|| {
        interfaces()?;
        peer(Path::new(socket))
    })
}

/// The loopback interface exists, one of a made-up name does not.
fn interfaces() -> Check {
    let exists = |name: &str| nix::net::if_::if_nametoindex(name).is_ok();
    ensure(exists("lo"), || "there is no loopback interface".to_owned())?;
    ensure(!exists("fake_iface"), || {
        "there is an interface of a made-up name".to_owned()
    })
}

/// A process at the other end of a socket is known by its id, and sockets are not inherited.
fn peer(path: &Path) -> Check {
    let words = |error: std::io::Error| error.to_string();
    let listener = UnixListener::bind(path).map_err(words)?;
    let Some(child) = fork_alone().map_err(words)? else {
        let status = match UnixStream::connect(path) {
            // Stays until it is told to go.
            Ok(mut stream) => i32::from(stream.read_exact(&mut [0]).is_err()),
            Err(_) => 2,
        };
        std::process::exit(status);
    };
    let (mut stream, _) = listener.accept().map_err(words)?;
    let credentials = getsockopt(&stream, PeerCredentials).map_err(|error| error.to_string())?;
    let pid = credentials.pid();
    ensure(pid == child, || format!("the peer is {pid}, not {child}"))?;
    for descriptor in [listener.as_fd(), stream.as_fd()] {
        let flags = fcntl(descriptor, FcntlArg::F_GETFD).map_err(|error| error.to_string())?;
        let closes = FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC);
        ensure(closes, || {
            "a socket is inherited by other programs".to_owned()
        })?;
    }
    stream.write_all(&[0]).map_err(words)?;
    let child = nix::unistd::Pid::from_raw(child);
    let ended = nix::sys::wait::waitpid(child, None).map_err(|error| error.to_string())?;
    let well = nix::sys::wait::WaitStatus::Exited(child, 0);
    ensure(ended == well, || format!("the peer ended as {ended:?}"))
}
