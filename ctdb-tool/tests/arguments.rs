// SPDX-License-Identifier: GPL-3.0-or-later
//! Wrong numbers of arguments to every command, and every command against a daemon that refuses everything:
//! a usage or a line that says what is wrong, a plain exit status, and never a panic.
//!
//! That the texts and exit statuses are upstream's is what `testsuite/compliance` compares.

#![allow(
    clippy::unwrap_used,
    reason = "a test may end on what it cannot go on with"
)]

use ctdb_protocol::packet::{self, Header, Packet, ReplyControl};
use ctdb_tool::table::COMMANDS;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const GET_PNN: u32 = 35;
const REGISTER_SRVID: u32 = 23;
const ANY: usize = usize::MAX;

/// Fewest and most arguments that each command takes; [`ANY`] where upstream does not look at more.
const COUNTS: &[(&str, usize, usize)] = &[
    ("addip", 2, 2),
    ("addtickle", 0, 2),
    ("attach", 1, 2),
    ("backupdb", 2, 2),
    ("ban", 1, 1),
    ("catdb", 1, 1),
    ("cattdb", 1, 1),
    ("checktcpport", 1, 1),
    ("config", 0, ANY),
    ("continue", 0, 0),
    ("dbstatistics", 1, 1),
    ("deletekey", 2, 2),
    ("delip", 1, 1),
    ("deltickle", 0, 2),
    ("detach", 1, ANY),
    ("disable", 0, 0),
    ("dumpdbbackup", 1, 1),
    ("dumpmemory", 0, ANY),
    ("enable", 0, 0),
    ("event", 0, ANY),
    ("getcapabilities", 0, 0),
    ("getdbmap", 0, 0),
    ("getdbseqnum", 1, 1),
    ("getdbstatus", 1, 1),
    ("getdebug", 0, 0),
    ("getpid", 0, ANY),
    ("getreclock", 0, 0),
    ("gettickles", 1, 2),
    ("getvar", 1, 1),
    ("gratarp", 2, 2),
    ("health", 0, 0),
    ("help", 0, 1),
    ("ifaces", 0, 0),
    ("ip", 0, 1),
    ("ipinfo", 1, 1),
    ("ipreallocate", 0, 0),
    ("leader", 0, ANY),
    ("listnodes", 0, 0),
    ("listvars", 0, 0),
    ("locks", 0, 1),
    ("lvs", 1, 1),
    ("moveip", 2, 2),
    ("natgw", 1, 1),
    ("nodestatus", 0, 1),
    ("pdelete", 2, 2),
    ("pfetch", 2, 2),
    ("ping", 0, ANY),
    ("pnn", 0, ANY),
    ("process-exists", 1, 2),
    ("pstore", 3, 3),
    ("ptrans", 1, 2),
    ("pushrecord", 3, 3),
    ("rddumpmemory", 0, ANY),
    ("readkey", 2, 3),
    ("recover", 0, 0),
    ("reloadips", 0, 1),
    ("reloadnodes", 0, ANY),
    ("restoredb", 1, 2),
    ("runstate", 0, ANY),
    ("scriptstatus", 0, 1),
    ("setdbreadonly", 1, 1),
    ("setdbsticky", 1, 1),
    ("setdebug", 1, 1),
    ("setifacelink", 2, 2),
    ("setleaderrole", 1, 1),
    ("setlmasterrole", 1, 1),
    ("setvar", 2, 2),
    ("shutdown", 0, 0),
    ("statistics", 0, 0),
    ("statisticsreset", 0, 0),
    ("stats", 0, 1),
    ("status", 0, 0),
    ("stop", 0, 0),
    ("sync", 0, 0),
    ("tfetch", 2, 3),
    ("tickle", 0, 2),
    ("top", 0, 1),
    ("tstore", 3, 5),
    ("unban", 0, 0),
    ("upgrade-check", 0, 0),
    ("uptime", 0, ANY),
    ("version", 0, ANY),
    ("wipedb", 1, 1),
    ("writekey", 3, 3),
];

/// A node's configuration, and a daemon that answers controls: as it must for a client to begin, else with -1.
struct Refuser {
    base: PathBuf,
}

impl Refuser {
    fn start(name: &str) -> Self {
        let base = std::env::temp_dir().join(format!("ctdb-args-{}-{name}", std::process::id()));
        std::fs::create_dir_all(base.join("run")).unwrap();
        std::fs::write(base.join("nodes"), "127.0.0.1\n").unwrap();
        let listener = UnixListener::bind(base.join("run/ctdbd.socket")).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // the tool may leave in the middle of anything
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { base }
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ctdb"))
            .args(words)
            .env("CTDB_TEST_MODE", "yes")
            .env("CTDB_BASE", &self.base)
            .env("CTDB_TIMEOUT", "5")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Refuser {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.base).unwrap();
    }
}

fn serve(mut stream: UnixStream) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut bytes = length.to_vec();
        bytes.resize(u32::from_ne_bytes(length) as usize, 0);
        stream.read_exact(&mut bytes[4..])?;
        let (header, packet) = Packet::decode(bytes.into()).unwrap();
        let Packet::ReqControl(control) = packet else {
            continue;
        };
        let status = match control.opcode {
            GET_PNN | REGISTER_SRVID => 0,
            _ => -1,
        };
        let reply = Packet::ReplyControl(ReplyControl {
            status,
            data: Default::default(),
            errormsg: Default::default(),
        });
        let back = Header::new(
            header.generation,
            header.destnode,
            header.srcnode,
            header.reqid,
        );
        stream.write_all(&packet::encode(&back, &reply))?;
    }
}

fn check_calm(words: &[&str], output: &Output) -> i32 {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{words:?}: {errors}");
    assert!(!errors.contains("RUST_BACKTRACE"), "{words:?}: {errors}");
    output
        .status
        .code()
        .unwrap_or_else(|| panic!("{words:?} ended by a signal: {errors}"))
}

fn is_usage_of(name: &str, output: &Output) -> bool {
    let text = String::from_utf8_lossy(&output.stdout);
    // an old name shows the new one
    let shown = if name == "sync" { "ipreallocate" } else { name };
    text.starts_with("Usage: [-?") && text.contains(&format!("\n  {shown:<15} "))
}

#[test]
fn the_table_has_every_command() {
    let mut all: Vec<&str> = COMMANDS.iter().map(|c| c.name).collect();
    all.sort_unstable();
    let counted: Vec<&str> = COUNTS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(counted, all);
}

#[test]
fn wrong_numbers_of_arguments_show_the_usage() {
    let daemon = Refuser::start("count");
    for (name, fewest, most) in COUNTS {
        let too_few = fewest.checked_sub(1);
        let too_many = (*most != ANY).then(|| most + 1);
        for count in too_few.into_iter().chain(too_many) {
            let words = [&[*name], vec!["x"; count].as_slice()].concat();
            let output = daemon.run(&words);
            assert_eq!(check_calm(&words, &output), 1, "{words:?}: {output:?}");
            assert!(is_usage_of(name, &output), "{words:?}: {output:?}");
        }
    }
}

#[test]
fn refusals_end_every_command_calmly() {
    let daemon = Refuser::start("refuse");
    let odd = ["x", "0", "99999999999999999999", "\u{e4}\u{1F600}"];
    for (name, fewest, most) in COUNTS {
        // it would run until its time is over
        let counts = [*fewest, (*most).min(fewest + 1)];
        for word in odd {
            for count in counts {
                let words = [&["-t", "1", "-T", "5", name], vec![word; count].as_slice()].concat();
                let output = daemon.run(&words);
                let status = check_calm(&words, &output);
                let silent = output.stdout.is_empty() && output.stderr.is_empty();
                assert!(
                    status == 0 || !silent || status != 1 || *name == "runstate",
                    "{words:?}: {output:?}"
                );
                if *fewest == 0 && count == 0 {
                    break;
                }
            }
        }
    }
}

#[test]
fn without_a_daemon_the_socket_is_named() {
    let base = std::env::temp_dir().join(format!("ctdb-args-{}-none", std::process::id()));
    std::fs::create_dir_all(&base).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ctdb"))
        .arg("status")
        .env("CTDB_TEST_MODE", "yes")
        .env("CTDB_BASE", &base)
        .output()
        .unwrap();
    std::fs::remove_dir_all(Path::new(&base)).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("run/ctdbd.socket"));
}
