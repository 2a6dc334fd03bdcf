// SPDX-License-Identifier: GPL-3.0-or-later
//! `wire-fuzz TARGET SECONDS [SEED] < VECTORS`: feeds a decoder with damaged golden bytes and with
//! noise. It needs no more than the toolchain that builds the daemon.
//!
//! A decoder may refuse an input. It may not panic, not ask for memory that the input does not
//! justify (the address space is limited), and what it accepts must survive being encoded:
//! decoding that again has to give the same bytes.

mod damage;
mod target;

use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};

use crate::damage::Random;
use crate::target::{Sample, TARGETS, Target};

/// Far more than any decoder needs for the inputs here, far less than a hostile count can ask for.
const ADDRESS_SPACE_BYTES: u64 = 1 << 30;

/// The input in work, for the message of a panic.
static CURRENT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("wire-fuzz: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let (name, seconds, seed) = match arguments {
        [name, seconds] => (name, seconds, "1"),
        [name, seconds, seed] => (name, seconds, seed.as_str()),
        _ => return Err("usage: wire-fuzz TARGET SECONDS [SEED] < VECTORS".to_owned()),
    };
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .ok_or_else(|| format!("no target {name}"))?;
    let seconds: u64 = seconds
        .parse()
        .map_err(|_| format!("{seconds}: no number"))?;
    let seed: u64 = seed.parse().map_err(|_| format!("{seed}: no number"))?;
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("reading the vectors: {error}"))?;
    let samples = (target.samples)(&text);
    if samples.is_empty() {
        return Err(format!("no vector on standard input is of use for {name}"));
    }
    setrlimit(
        Resource::RLIMIT_AS,
        ADDRESS_SPACE_BYTES,
        ADDRESS_SPACE_BYTES,
    )
    .map_err(|error| format!("limiting the address space: {error}"))?;
    announce_panics(target.name, seed);
    attack(target, &samples, Duration::from_secs(seconds), seed)
}

fn attack(
    target: &Target,
    samples: &[Sample],
    time: Duration,
    seed: u64,
) -> Result<String, String> {
    let mut random = Random::new(seed);
    let started = Instant::now();
    let (mut inputs, mut accepted) = (0_u64, 0_u64);
    while started.elapsed() < time {
        for _ in 0..256 {
            let sample = damage::sample(&mut random, samples);
            CURRENT
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .clone_from(&sample.bytes);
            let taken = (target.decode)(&sample).map_err(|why| {
                format!(
                    "{}: {why}: id {} bytes {}",
                    target.name,
                    sample.id,
                    hex(&sample.bytes)
                )
            })?;
            inputs += 1;
            accepted += u64::from(taken);
        }
    }
    if accepted == 0 {
        return Err(format!(
            "{}: none of {inputs} inputs was accepted: the target tests nothing",
            target.name
        ));
    }
    Ok(format!(
        "{}: {inputs} inputs, {accepted} accepted, seed {seed}",
        target.name
    ))
}

/// The release profile aborts on a panic; the hook still runs and says which input did it.
fn announce_panics(name: &'static str, seed: u64) {
    std::panic::set_hook(Box::new(move |panic| {
        let bytes = CURRENT
            .try_lock()
            .map(|bytes| hex(&bytes))
            .unwrap_or_default();
        eprintln!("wire-fuzz: {name}, seed {seed}: {panic}\ninput: {bytes}");
    }));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
