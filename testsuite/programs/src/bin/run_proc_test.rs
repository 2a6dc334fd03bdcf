//! `run_proc_test TIMEOUT STDIN-FD PROGRAM [ARGUMENT...]`: runs a program as the event daemon
//! does and tells how it ended.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ctdbd::eventd::process::{End, run};
use tokio::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [timeout, fd, program @ ..] = arguments.as_slice() else {
        return usage();
    };
    let [path, ..] = program else {
        return usage();
    };
    let Ok(stdin) = stdin(fd) else {
        eprintln!("run_proc_test: descriptor {fd} is not open");
        return ExitCode::FAILURE;
    };
    let seconds: u64 = timeout.parse().unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        eprintln!("run_proc_test: no runtime");
        return ExitCode::FAILURE;
    };
    let finished = runtime.block_on(async {
        let deadline = (seconds != 0).then(|| Instant::now() + Duration::from_secs(seconds));
        run(Path::new(path), program, stdin, deadline).await
    });
    match finished.end {
        End::Signal(signal) => println!("Process exited with signal {signal}"),
        End::Error(error) => println!("Process exited with error {error}"),
        End::Status(status) => println!("Process exited with status {status}"),
    }
    if let Some(pid) = finished.left.as_ref().and_then(|left| left.pid()) {
        println!("Child = {pid}");
    }
    if !finished.output.is_empty() {
        println!("Output = ({})", String::from_utf8_lossy(&finished.output));
    }
    // What is left of the program is killed here, and nobody may see it as a zombie after us.
    if let Some(mut left) = finished.left {
        left.kill();
        let _ = runtime.block_on(left.wait());
    }
    ExitCode::SUCCESS
}

/// An inherited descriptor by number; below 0 there is none.
fn stdin(number: &str) -> std::io::Result<Option<OwnedFd>> {
    match number.parse::<u32>() {
        Ok(number) => File::open(format!("/proc/self/fd/{number}")).map(|f| Some(f.into())),
        Err(_) => Ok(None),
    }
}

fn usage() -> ExitCode {
    eprintln!("Usage: run_proc_test <timeout> <stdin-fd> <program> <args>");
    ExitCode::FAILURE
}
