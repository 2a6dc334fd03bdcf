//! `tunable_test FILE [FILE|DIRECTORY]`: reads files of tunables one over the other and shows the
//! values that are listed.

use std::path::Path;
use std::process::ExitCode;

use ctdb_config::{Level, Paths, Release, Report, Tunables, tunables};

const EINVAL: u8 = 22;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (file, more) = match arguments.as_slice() {
        [file] => (Path::new(file), None),
        [file, more] => (Path::new(file), Some(Path::new(more))),
        _ => {
            eprintln!("Usage: tunable_test <filename> [<filename>|<directory>]");
            return ExitCode::FAILURE;
        }
    };
    let release = Release::by_default(&Paths::from_env().unwrap_or_else(|_| Paths::installed()));
    let mut report = Report::new();
    let mut values = Tunables::default();
    let mut good = values.load_file(file, release, &mut report);
    // A second one that is not there, or cannot be looked at, counts as a directory.
    if let (true, Some(more)) = (good, more) {
        good = match more.is_file() {
            true => values.load_file(more, release, &mut report),
            false => values.load_directory(more, release, &mut report),
        };
    }
    let level = std::env::var("CTDB_DEBUGLEVEL").ok();
    let level = level.and_then(|text| Level::parse(&text));
    report.print(level.unwrap_or(Level::Error));
    if !good {
        return ExitCode::from(EINVAL);
    }
    for name in tunables::names() {
        println!("{name}={}", values.get(name).unwrap_or_default());
    }
    ExitCode::SUCCESS
}
