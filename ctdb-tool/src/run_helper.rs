// SPDX-License-Identifier: GPL-3.0-or-later
//! Running the helper programs behind `config`, `event`, `natgw` and `lvs`.

use crate::failure::{Failure, Outcome, errno_of};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// Runs a helper and passes its exit status on. Statuses 64 to 254 mean errno 0 to 190, as for upstream's
/// helpers; `what` names the helper in messages.
pub fn run(what: &str, program: &Path, args: &[String]) -> Outcome {
    match Command::new(program).args(args).status() {
        Ok(status) => ended(what, status),
        Err(error) => failed(what, errno_of(&error)),
    }
}

/// The same, but what it prints comes back beside the exit status.
pub fn output(what: &str, program: &Path, args: &[String]) -> Result<(i32, String), Failure> {
    let mut command = Command::new(program);
    match command.args(args).stderr(Stdio::inherit()).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok((ended(what, output.status)?, text))
        }
        Err(error) => Err(failure(what, errno_of(&error))),
    }
}

fn ended(what: &str, status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code @ 64..255), _) => failed(what, code - 64),
        (Some(code), _) => Ok(code),
        (None, signal) => Err(Failure::say(
            libc::EINTR,
            format!("{what} terminated with signal {}", signal.unwrap_or(0)),
        )),
    }
}

fn failed(what: &str, errno: i32) -> Outcome {
    Err(failure(what, errno))
}

fn failure(what: &str, errno: i32) -> Failure {
    Failure::say(errno, format!("{what} failed with error {errno}"))
}
