// SPDX-License-Identifier: GPL-3.0-or-later
//! The second process of `ctdb_mutex_fcntl_helper`, which looks after the locked file.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The byte that the process locks to see whether locking works.
const TEST_BYTE: i64 = 1;

fn hold(file: &File, byte: i64) {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_SETLK(&lock)).expect("nobody else locks it");
}

fn send(process: &Child, signal: Signal) {
    kill(Pid::from_raw(process.id().cast_signed()), signal).expect("it lives");
}

/// Whether the process says anything within so many milliseconds.
fn speaks(process: &mut Child, within_ms: u16) -> bool {
    let out = process.stdout.as_mut().expect("it is piped");
    let mut watched = [PollFd::new(
        std::os::fd::AsFd::as_fd(out),
        PollFlags::POLLIN,
    )];
    let ready = poll(&mut watched, PollTimeout::from(within_ms)).expect("poll works");
    ready == 1 && out.read(&mut [0; 64]).is_ok_and(|bytes| bytes > 0)
}

#[test]
fn a_ping_never_vouches_for_a_look_that_is_due() {
    let path = std::env::temp_dir().join(format!("fcntl_helper.{}", std::process::id()));
    let file = File::create(&path).expect("a file");
    hold(&file, TEST_BYTE);
    let inode = file.metadata().expect("its number").ino().to_string();
    let mut process = Command::new(env!("CARGO_BIN_EXE_ctdb_mutex_fcntl_helper"))
        .args(["--check".as_ref(), path.as_os_str()])
        .args([inode.as_str(), "1", "ping"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    assert!(speaks(&mut process, 5_000), "the first ping");
    // Woken late, it finds a look and a ping due, and the look hangs at our lock.
    send(&process, Signal::SIGSTOP);
    sleep(Duration::from_millis(1_500));
    send(&process, Signal::SIGCONT);
    assert!(!speaks(&mut process, 500), "a ping before the look");
    drop(file);
    assert!(speaks(&mut process, 5_000), "the look is over");
    process.kill().expect("it lives");
    process.wait().expect("it ends");
    std::fs::remove_file(path).expect("it is there");
}
