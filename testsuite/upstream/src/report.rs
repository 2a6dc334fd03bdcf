// SPDX-License-Identifier: GPL-3.0-or-later
//! A line per test, the closing lines, and the result file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::catalogue::Test;
use crate::layout::target_folder;
use crate::ledger::{Expect, Ledger};
use crate::options::Options;

/// How upstream's script says that a test went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Exit status 0.
    Passed,
    /// Exit status 77.
    Skipped,
    /// Any other exit status.
    Failed,
    /// The time limit was reached.
    TimedOut,
    /// The test could not be run.
    Error,
}

impl Outcome {
    /// Reads the closing line that upstream's `run_tests.sh` prints for a test.
    pub(crate) fn of_log(text: &str) -> Outcome {
        let footer = text
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("TEST "));
        match footer.and_then(|line| line.split(':').next()) {
            Some("PASSED") => Outcome::Passed,
            Some("SKIPPED") => Outcome::Skipped,
            Some("FAILED") => Outcome::Failed,
            Some("TIMEDOUT") => Outcome::TimedOut,
            _ => Outcome::Error,
        }
    }

    /// Neither passed nor skipped.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Outcome::Passed | Outcome::Skipped)
    }
}

/// One run of one test, as in the result file.
#[derive(Serialize)]
struct Record {
    test: String,
    outcome: Option<Outcome>,
    verdict: Verdict,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_behind: Vec<String>,
}

/// What the outcome means beside the ledger.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    /// Passed, and nothing else was expected.
    Passed,
    /// Failed without being listed.
    Failed,
    /// Passed although the ledger says that it fails.
    UnexpectedlyPassed,
    /// Failed as listed.
    Known,
    /// Skipped by itself, left out as listed, or passed in vain.
    Skipped,
}

impl Verdict {
    fn is_red(self) -> bool {
        matches!(self, Verdict::Failed | Verdict::UnexpectedlyPassed)
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::Passed => "ok",
            Verdict::Failed => "FAILED",
            Verdict::UnexpectedlyPassed => "PASSED, but listed",
            Verdict::Known => "known",
            Verdict::Skipped => "skipped",
        }
    }
}

#[derive(Serialize)]
struct ResultFile<'a> {
    suite: String,
    under_test: String,
    seconds: f64,
    passed: usize,
    failed: usize,
    skipped: usize,
    tests: &'a [Record],
}

/// Gathers results; shared by the workers.
pub(crate) struct Report<'a> {
    options: &'a Options,
    ledger: &'a Ledger,
    logs: PathBuf,
    started: Instant,
    records: Mutex<Vec<Record>>,
}

impl<'a> Report<'a> {
    /// Makes the folder for logs.
    pub(crate) fn begin(options: &'a Options, ledger: &'a Ledger) -> Result<Report<'a>> {
        let logs = results_folder(options).join(format!(
            "{}-{}",
            options.suite().name(),
            options.under_test.file_name()
        ));
        fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
        Ok(Report {
            options,
            ledger,
            logs,
            started: Instant::now(),
            records: Mutex::default(),
        })
    }

    /// Where a test's output goes; each repetition has a file of its own.
    pub(crate) fn log_path(&self, test: &Test, round: usize) -> PathBuf {
        let name = test.name.replace('/', ":");
        self.logs.join(match self.options.repeat {
            0 | 1 => format!("{name}.log"),
            _ => format!("{name}.{round}.log"),
        })
    }

    /// True once no further test is to be started.
    pub(crate) fn is_over(&self) -> bool {
        self.options.fail_fast && self.records().iter().any(|record| record.verdict.is_red())
    }

    /// True (and noted) if the ledger says that a test is not to be run.
    pub(crate) fn leaves_out(&self, test: &Test) -> bool {
        let Some(row) = self.ledger.row(test) else {
            return false;
        };
        if row.expect != Expect::NotRun {
            return false;
        }
        self.add(Record {
            test: test.name.clone(),
            outcome: None,
            verdict: Verdict::Skipped,
            seconds: 0.0,
            reason: Some(row.reason.clone()),
            left_behind: Vec::new(),
        });
        true
    }

    /// Takes a result, judges it by the ledger and prints its line.
    pub(crate) fn done(
        &self,
        test: &Test,
        outcome: Outcome,
        seconds: f64,
        left: &[String],
        (log, output): (&Path, &str),
    ) -> Result<()> {
        let row = self.ledger.row_for(test, output);
        let verdict = match (outcome, row) {
            (Outcome::Passed, None) => Verdict::Passed,
            (Outcome::Passed, Some(row)) if row.is_vain(output) => Verdict::Skipped,
            (Outcome::Passed, Some(_)) => Verdict::UnexpectedlyPassed,
            (Outcome::Skipped, _) => Verdict::Skipped,
            (_, Some(_)) => Verdict::Known,
            (_, None) => Verdict::Failed,
        };
        self.add(Record {
            test: test.name.clone(),
            outcome: Some(outcome),
            verdict,
            seconds,
            reason: row.map(|row| row.reason.clone()),
            left_behind: left.to_vec(),
        });
        if verdict.is_red() {
            println!("          {}", log.display());
        }
        Ok(())
    }

    fn add(&self, record: Record) {
        if record.verdict.is_red() || !self.options.quiet {
            println!(
                "{:<8} {:6.1} s  {}",
                record.verdict.word(),
                record.seconds,
                record.test
            );
        }
        self.records().push(record);
    }

    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Writes the result file and prints the closing lines; false if anything was red.
    pub(crate) fn finish(&self) -> Result<bool> {
        let mut records = self.records();
        records.sort_by(|one, other| one.test.cmp(&other.test));
        let count = |wanted: &dyn Fn(Verdict) -> bool| {
            records
                .iter()
                .filter(|record| wanted(record.verdict))
                .count()
        };
        let passed = count(&|verdict| verdict == Verdict::Passed);
        let failed = count(&Verdict::is_red);
        let known = count(&|verdict| verdict == Verdict::Known);
        let skipped = records.len() - passed - failed;
        let file = ResultFile {
            suite: self.options.suite().name(),
            under_test: self.options.under_test.file_name(),
            seconds: self.started.elapsed().as_secs_f64(),
            passed,
            failed,
            skipped,
            tests: &records,
        };
        let name = format!(
            "{}-{}.json",
            self.options.suite().name(),
            self.options.under_test.file_name()
        );
        let path = results_folder(self.options).join(name);
        fs::write(&path, serde_json::to_string_pretty(&file)?)
            .with_context(|| format!("writing {}", path.display()))?;
        for record in records.iter().filter(|record| record.verdict.is_red()) {
            println!("{}: {}", record.verdict.word(), record.test);
        }
        if known > 0 {
            println!("{known} of the skipped fail for reasons in testsuite/upstream/ledger.toml");
        }
        println!(
            "upstream {} suites, {} programs, {:.0} s",
            self.options.suite().name(),
            self.options.under_test.file_name(),
            self.started.elapsed().as_secs_f64()
        );
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        Ok(failed == 0)
    }
}

fn results_folder(options: &Options) -> PathBuf {
    target_folder(&options.top).join("upstream/results")
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn outcome_is_read_from_the_last_footer() {
        assert_eq!(
            Outcome::of_log("x\nTEST PASSED: t.sh (duration: 1s)\n===\n"),
            Outcome::Passed
        );
        assert_eq!(
            Outcome::of_log("TEST FAILED: t.sh (status 1)\n"),
            Outcome::Failed
        );
        assert_eq!(
            Outcome::of_log("TEST TIMEDOUT: t.sh (status 124)\n"),
            Outcome::TimedOut
        );
        assert_eq!(Outcome::of_log("Segmentation fault\n"), Outcome::Error);
    }
}
