//! `tunable_test FILE`: reads a file of tunables and shows the values that are listed.

use std::path::Path;
use std::process::ExitCode;

use ctdb_config::{Level, Report, Tunables, tunables};

const EINVAL: u8 = 22;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file] = arguments.as_slice() else {
        eprintln!("Usage: tunable_test <filename>");
        return ExitCode::FAILURE;
    };
    let mut report = Report::new();
    let (values, good) = Tunables::load(Path::new(file), &mut report);
    report.print(Level::Error);
    if !good {
        return ExitCode::from(EINVAL);
    }
    for name in tunables::names() {
        println!("{name}={}", values.get(name).unwrap_or_default());
    }
    ExitCode::SUCCESS
}
