//! `simulate [--seeds N] [--seed S] [--hours H] [--minutes M] [--first S] [--log]`
//!
//! Runs seeds, prints each that fails with what was wrong, and at the end how many seeds ran, how many
//! virtual hours that was, and which faults were injected how often. Exit status 1 if any failed.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use ctdb_simulation::checkers::addresses::Times;
use ctdb_simulation::run::{Report, run, setup};
use ctdb_simulation::world::{Setup, render};

/// Faults after which nodes cannot reach each other.
const CUTS: [&str; 3] = ["partition", "isolation", "one-way silence"];
/// Steps of the table of how long addresses were on two nodes.
const LIMITS_S: [u32; 5] = [1, 10, 60, 100, 135];
/// Lines of the log that are shown of a seed that failed.
const TAIL: usize = 60;

#[derive(Debug, Parser)]
#[command(about = "Runs clusters in virtual time under random faults")]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Run this one seed and print its whole log.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: what nodes tell each other about records, too.
    #[arg(long)]
    records: bool,
    /// First of the seeds; without it, a fresh one from the clock.
    #[arg(long)]
    first: Option<u64>,
    /// Run seeds until this many hours have been simulated, instead of a number of seeds.
    #[arg(long)]
    hours: Option<f64>,
    /// Letters between the services of a node arrive late, and in any order that the rules allow.
    #[arg(long)]
    late_letters: bool,
    /// Virtual minutes of faults per seed; patient seeds take four times as long.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
}

/// The seed that runs now, for the last words of a run that ends with a panic.
static RUNNING: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        println!("FAILED seed {}: it panics", RUNNING.load(Ordering::Relaxed));
    }));
    let rage = Duration::from_secs(arguments.minutes * 60);
    if let Some(seed) = arguments.seed {
        RUNNING.store(seed, Ordering::Relaxed);
        let setup = Setup {
            trace_records: arguments.records,
            late_letters: arguments.late_letters,
            ..setup(seed)
        };
        let report = run(setup, rage);
        for line in &report.log {
            println!("{}", render(line));
        }
        return conclude(&report);
    }
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let first = arguments.first.unwrap_or(clock * 1_000_000);
    let mut total = Total::default();
    for seed in first.. {
        let enough = match arguments.hours {
            Some(hours) => total.time.as_secs_f64() >= hours * 3600.0,
            None => seed - first >= arguments.seeds,
        };
        if enough {
            break;
        }
        RUNNING.store(seed, Ordering::Relaxed);
        let setup = Setup {
            late_letters: arguments.late_letters,
            ..setup(seed)
        };
        total.add(&run(setup, rage), arguments.minutes);
    }
    total.print();
    if total.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn conclude(report: &Report) -> ExitCode {
    println!(
        "seed {}: {:.0} virtual seconds, {} packets, {} increments, {} commits, faults {:?}",
        report.seed,
        report.time.as_secs_f64(),
        report.packets,
        report.increments,
        report.commits,
        report.faults
    );
    for violation in &report.violations {
        println!("VIOLATION {violation}");
    }
    if report.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[derive(Default)]
struct Total {
    seeds: u64,
    time: Duration,
    packets: u64,
    increments: u64,
    commits: u64,
    faults: BTreeMap<&'static str, u64>,
    kinds: BTreeMap<String, (u64, Duration)>,
    longest: BTreeMap<Times, (Duration, u64)>,
    /// How long addresses were on two nodes, without and with a cluster lock.
    windows_ds: BTreeMap<bool, Vec<u32>>,
    /// Hours of seeds that cut nodes off, without and with a cluster lock.
    cut_off: BTreeMap<bool, Duration>,
    failed: Vec<u64>,
}

impl Total {
    fn add(&mut self, report: &Report, minutes: u64) {
        self.seeds += 1;
        self.time += report.time;
        self.packets += report.packets;
        self.increments += report.increments;
        self.commits += report.commits;
        for (kind, count) in &report.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        let (seeds, time) = self.kinds.entry(report.kind.clone()).or_default();
        (*seeds, *time) = (*seeds + 1, *time + report.time);
        for (times, lasted) in &report.longest {
            let longest = self.longest.entry(*times).or_default();
            *longest = (*longest).max((*lasted, report.seed));
        }
        let windows_ds = self.windows_ds.entry(report.cluster_lock).or_default();
        windows_ds.extend(&report.windows_ds);
        if CUTS.iter().any(|kind| report.faults.contains_key(kind)) {
            *self.cut_off.entry(report.cluster_lock).or_default() += report.time;
        }
        if report.violations.is_empty() {
            return;
        }
        self.failed.push(report.seed);
        let skipped = report.log.len().saturating_sub(TAIL);
        for line in &report.log[skipped..] {
            println!("{}", render(line));
        }
        for violation in report.violations.iter().take(10) {
            println!("FAILED seed {}: {violation}", report.seed);
        }
        println!("again: simulate --seed {} --minutes {minutes}", report.seed);
    }

    fn print(&self) {
        let faults: u64 = self.faults.values().sum();
        println!(
            "{} seeds, {} failed, {:.1} simulated hours, {} packets, {} increments, {} commits, {faults} faults:",
            self.seeds,
            self.failed.len(),
            self.time.as_secs_f64() / 3600.0,
            self.packets,
            self.increments,
            self.commits
        );
        for (kind, count) in &self.faults {
            println!("  {count:>7} {kind}");
        }
        println!("kinds of seeds:");
        for (kind, (seeds, time)) in &self.kinds {
            println!("  {seeds:>7} {kind}: {:.1} h", time.as_secs_f64() / 3600.0);
        }
        self.print_windows();
        if !self.failed.is_empty() {
            println!("failed seeds: {:?}", self.failed);
        }
    }

    /// How long public addresses were on two nodes.
    fn print_windows(&self) {
        for (locked, windows_ds) in &self.windows_ds {
            let lock = if *locked { "with" } else { "without" };
            let cut_off_h = self.cut_off.get(locked).map_or(0.0, Duration::as_secs_f64) / 3600.0;
            println!(
                "{lock} cluster lock, {cut_off_h:.1} h in seeds that cut nodes off: an address was on two nodes"
            );
            for limit_s in LIMITS_S {
                let limit_ds = limit_s * 10;
                let shorter = windows_ds.iter().filter(|window| **window <= limit_ds);
                println!("  {:>7} times for up to {limit_s} s", shorter.count());
            }
            let longest = windows_ds.iter().max().copied().unwrap_or(0);
            let (all, longest_s) = (windows_ds.len(), f64::from(longest) / 10.0);
            println!("  {all:>7} times in all, for up to {longest_s:.1} s");
        }
        for (times, (lasted, seed)) in &self.longest {
            let (name, lasted_s) = (times.name(), lasted.as_secs_f64());
            println!(
                "  longest while {name} and nothing new happened: {lasted_s:.1} s (seed {seed})"
            );
        }
    }
}
