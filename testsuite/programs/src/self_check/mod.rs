//! Checks of our own code under the names of upstream's `UNIT/cunit` programs that look into C
//! sources. What such a program checked in the C code, its namesake here checks in ours: all are
//! silent when all is well.

pub mod client;
pub mod exchange;
pub mod layout;
pub mod sizes;
pub mod values;

use std::process::ExitCode;

use ctdb_protocol::sample::Random;

/// What is wrong, in words.
pub type Check = Result<(), String>;

/// Fails with words if a condition does not hold.
///
/// # Errors
/// If it does not hold.
pub fn ensure(holds: bool, words: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(words()) }
}

/// A program without a choice.
pub fn once(check: impl FnOnce() -> Check) -> ExitCode {
    match check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// A program that is called as `PROGRAM FIRST [LAST]` and checks with each of these seeds.
pub fn seeded(check: impl Fn(&mut Random) -> Check) -> ExitCode {
    let seeds: Result<Vec<u64>, _> = std::env::args().skip(1).map(|seed| seed.parse()).collect();
    let (first, last) = match seeds.as_deref() {
        Ok([seed]) => (*seed, *seed),
        Ok([first, last]) if first <= last => (*first, *last),
        _ => {
            eprintln!("usage: PROGRAM FIRST_SEED [LAST_SEED]");
            return ExitCode::FAILURE;
        }
    };
    for seed in first..=last {
        if let Err(why) = check(&mut Random::new(seed)) {
            eprintln!("Failed with seed: {seed}\n{why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A program whose checks are asynchronous.
pub fn asynchronous<F>(check: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = Check>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    once(|| {
        runtime
            .map_err(|error| error.to_string())?
            .block_on(check())
    })
}
