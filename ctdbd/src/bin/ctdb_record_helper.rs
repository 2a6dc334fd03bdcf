//! Works on database files in place of the daemon.

use std::process::ExitCode;

fn main() -> ExitCode {
    ctdbd::record_helper::main()
}
