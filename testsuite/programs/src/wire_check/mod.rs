//! Decodes bytes made by the C programs, encodes them again, and compares.
//!
//! Without arguments the bytes are vectors on standard input (`testsuite/vectors/README.md`); with
//! `--pcap FILE` they are the CTDB packets of a capture, pcap or pcapng. Each mismatch is a line;
//! the last line is `N ok, N failed`. `--cut FILE` also writes a capture with each packet in a frame of its own,
//! for tshark.

mod capture;
mod cut;
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
        [option, file] if option == "--pcap" => check_capture(Path::new(file), None),
        [option, file, second, cut] if option == "--pcap" && second == "--cut" => {
            check_capture(Path::new(file), Some(Path::new(cut)))
        }
        _ => {
            eprintln!("Usage: wire-check < VECTORS | wire-check --pcap FILE [--cut FILE]");
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

/// Checks the packets of a capture, and writes them to `cut`, one in a frame.
///
/// # Errors
/// When a file cannot be read or written, or is no capture.
pub fn check_capture(file: &Path, cut: Option<&Path>) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut cut = cut.map(cut::Cut::create).transpose()?;
    let mut written = Ok(());
    let mut packets = packets::Packets::default();
    let mut streams = streams::Streams::default();
    capture::read(file, |segment| {
        streams.take(segment, |place, packet| {
            if let (Some(cut), Ok(packet), Ok(())) = (&mut cut, &packet, &written) {
                written = cut.put(tally.ok + tally.failed, packet);
            }
            tally.count(&place, packet.and_then(|packet| packets.check(packet)));
        });
    })?;
    written?;
    cut.map_or(Ok(()), cut::Cut::finish)?;
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
