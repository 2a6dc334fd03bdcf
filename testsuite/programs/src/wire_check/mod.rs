//! Decodes bytes made by the C programs, encodes them again, and compares.
//!
//! Without arguments the bytes are vectors on standard input (`testsuite/vectors/README.md`); with
//! `--pcap FILE` they are the CTDB packets of a capture, pcap or pcapng. Each mismatch is a line;
//! the last line is `N ok, N failed`.

mod capture;
mod packets;
mod streams;
mod vector;

use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;

/// How many were the same, and how many not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The same.
    pub ok: u64,
    /// Not the same.
    pub failed: u64,
}

impl Tally {
    /// Counts one result; what failed is printed.
    fn count(&mut self, what: &str, result: Result<(), String>) {
        match result {
            Ok(()) => self.ok += 1,
            Err(why) => {
                println!("{what}: {why}");
                self.failed += 1;
            }
        }
    }
}

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tally = match arguments.as_slice() {
        [] => check_vectors(io::stdin().lock()),
        [option, file] if option == "--pcap" => check_capture(Path::new(file)),
        _ => {
            eprintln!("Usage: wire-check < VECTORS | wire-check --pcap FILE");
            return ExitCode::from(2);
        }
    };
    match tally {
        Ok(tally) => {
            println!("{} ok, {} failed", tally.ok, tally.failed);
            // A check of nothing must not look like success.
            if tally.failed == 0 && tally.ok > 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("wire-check: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Checks vectors, one a line.
///
/// # Errors
/// When the input cannot be read.
pub fn check_vectors(input: impl BufRead) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        if line.is_empty() {
            continue;
        }
        let name: Vec<&str> = line.split(' ').take(3).collect();
        tally.count(
            &format!("line {} {}", number + 1, name.join(" ")),
            vector::check(&line),
        );
    }
    Ok(tally)
}

/// Checks the packets of a capture.
///
/// # Errors
/// When the file cannot be read or is no capture.
pub fn check_capture(file: &Path) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut packets = packets::Packets::default();
    let mut streams = streams::Streams::default();
    capture::read(file, |segment| {
        streams.take(segment, |place, packet| {
            tally.count(&place, packet.and_then(|packet| packets.check(packet)));
        });
    })?;
    streams.finish(|place, why| tally.count(&place, Err(why)));
    Ok(tally)
}

/// Says where two byte strings part.
fn same(given: &[u8], made: &[u8]) -> Result<(), String> {
    if given == made {
        return Ok(());
    }
    let at = given
        .iter()
        .zip(made)
        .take_while(|(given, made)| given == made)
        .count();
    let byte = |bytes: &[u8]| {
        bytes
            .get(at)
            .map_or_else(|| "end".to_owned(), |byte| format!("{byte:02x}"))
    };
    Err(format!(
        "{} bytes became {}; first difference at {at}: {} became {}",
        given.len(),
        made.len(),
        byte(given),
        byte(made)
    ))
}
