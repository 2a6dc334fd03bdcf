//! `pidfile_test FILE`: a pid file holds the pid, keeps others away, and goes with its process.
//! Silent if all is well.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use ctdbd::pidfile::PidFile;

/// Asks this program to be the other process.
const OTHER: &str = "PIDFILE_TEST_OTHER";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let Some(file) = std::env::args().nth(1) else {
        eprintln!("Usage: pidfile_test <pidfile>");
        return ExitCode::FAILURE;
    };
    let file = Path::new(&file);
    let result = if std::env::var_os(OTHER).is_some() {
        hold(file)
    } else {
        alone(file).and_then(|()| beside_another(file))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("pidfile_test: {e}");
            ExitCode::FAILURE
        }
    }
}

fn expect(good: bool, what: &str) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(what.into()) }
}

fn alone(file: &Path) -> Result<(), Failure> {
    let held = PidFile::create(file)?;
    let text = std::fs::read_to_string(file)?;
    expect(
        text.trim_end() == std::process::id().to_string(),
        "another pid in the file",
    )?;
    drop(held);
    expect(!file.exists(), "the file outlives its owner")
}

fn beside_another(file: &Path) -> Result<(), Failure> {
    let mut other = Command::new(std::env::current_exe()?)
        .arg(file)
        .env(OTHER, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut ready = other.stdout.take().ok_or("no pipe")?;
    ready.read_exact(&mut [0])?;
    expect(PidFile::create(file).is_err(), "two hold one file")?;
    let text = std::fs::read_to_string(file)?;
    expect(
        text.trim_end() == other.id().to_string(),
        "the loser wrote to the file",
    )?;
    other.kill()?;
    other.wait()?;
    expect(file.exists(), "killed, and yet it cleaned up")?;
    let held = PidFile::create(file)?;
    drop(held);
    expect(!file.exists(), "a stale file stays")
}

fn hold(file: &Path) -> Result<(), Failure> {
    let _held = PidFile::create(file)?;
    println!();
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
