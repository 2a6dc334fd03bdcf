// SPDX-License-Identifier: GPL-3.0-or-later
//! Running the helper programs behind `event`, `natgw` and `lvs`.

use crate::failure::{Failure, Outcome, errno_of};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

/// Runs a helper and passes its exit status on. Statuses 64 to 254 mean errno 0 to 190, as for upstream's
/// helpers; `what` names the helper in messages.
pub fn run(what: &str, program: &Path, args: &[String]) -> Outcome {
    let status = match Command::new(program).args(args).status() {
        Ok(status) => status,
        Err(error) => return failed(what, errno_of(&error)),
    };
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
    Err(Failure::say(
        errno,
        format!("{what} failed with error {errno}"),
    ))
}
