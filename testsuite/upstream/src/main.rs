// SPDX-License-Identifier: GPL-3.0-or-later
//! Runs upstream's UNIT and INTEGRATION suites, unchanged, over the programs of this tree
//! (or, for comparison, over the C programs), many tests at a time.
//!
//! The way of a run: [`source`] finds upstream's tests, [`layout`] puts the programs where the
//! tests look for them, [`catalogue`] picks tests, [`schedule`] hands them to workers that each
//! own a network namespace ([`place`]), [`ledger`] says which results are known, and [`report`]
//! prints lines and writes the result file.

mod catalogue;
mod layout;
mod ledger;
mod options;
mod place;
mod report;
mod schedule;
mod source;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::options::{Options, Step};

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("upstream-suite: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Carries out the chosen step; false means that a test's result was not the expected one.
fn run(mut options: Options) -> Result<bool> {
    let source = source::obtain(&options)?;
    options.settle_suite(&source);
    let options = &options;
    if let Step::Fetch = options.step {
        println!("{}", source.display());
        return Ok(true);
    }
    let tests = catalogue::select(&source, &options.tests)?;
    if let Step::List = options.step {
        for test in tests {
            println!("{}", test.name);
        }
        return Ok(true);
    }
    let workplace = place::Workplace::create()?;
    let root = layout::build(options, &source, workplace.path())?;
    if let Step::Layout = options.step {
        println!("{}", workplace.keep().display());
        return Ok(true);
    }
    let ledger = ledger::Ledger::load(&options.top, options)?;
    ledger.check_names(&catalogue::select(&source, &[])?)?;
    let report = report::Report::begin(options, &ledger)?;
    schedule::run_all(options, &root, &workplace, tests, &report)?;
    report.finish()
}
