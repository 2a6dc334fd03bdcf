// SPDX-License-Identifier: GPL-3.0-or-later
//! `ledger.toml`: each test that does not pass, with the reason.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::catalogue::Test;
use crate::options::Options;

/// The rows of the ledger that apply to this run.
pub(crate) struct Ledger {
    rows: Vec<Row>,
}

/// One `[[known]]` row.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    /// The test's name without `.sh`.
    test: String,
    /// Which programs fail it: `ours`, `theirs` or `mixed`.
    under: String,
    /// Whose suite; all suites when absent.
    suite: Option<String>,
    /// Line-ups of a mixed cluster, as `c4.17,rust,rust`; all of them when empty.
    #[serde(default)]
    nodes: Vec<String>,
    /// The row holds only for a run whose output has this line: for tests that pick at random.
    said: Option<String>,
    /// A pass whose output has this line proves nothing, and is no surprise.
    vain: Option<String>,
    /// Fails always, or is not even run.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// Why, in a sentence.
    pub(crate) reason: String,
}

/// What a listed test does.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expect {
    /// It fails; a pass is red, so that the row goes away.
    #[default]
    Failure,
    /// It is left out (it would hang, or can mean nothing).
    NotRun,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    known: Vec<Row>,
}

impl Ledger {
    /// Reads the ledger and keeps what concerns the programs and the suite of this run.
    pub(crate) fn load(top: &Path, options: &Options) -> Result<Ledger> {
        let path = top.join("testsuite/upstream/ledger.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let file: File = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        let suite = options.suite().name();
        let applies = |row: &Row| {
            row.under == options.under_test.kind()
                && row.suite.as_ref().is_none_or(|of_row| *of_row == suite)
                && (row.nodes.is_empty() || row.nodes.contains(&options.under_test.words()))
        };
        Ok(Ledger {
            rows: file.known.into_iter().filter(applies).collect(),
        })
    }

    /// A row for a test that does not exist is an error: it hides a renamed or mistyped test.
    pub(crate) fn check_names(&self, all: &[Test]) -> Result<()> {
        for row in &self.rows {
            if row.reason.trim().is_empty() {
                bail!("ledger.toml: {} has no reason", row.test);
            }
            if !all.iter().any(|test| test.name == row.test) {
                bail!("ledger.toml: there is no test {}", row.test);
            }
        }
        Ok(())
    }

    /// The row of a test, if it has one.
    pub(crate) fn row(&self, test: &Test) -> Option<&Row> {
        self.rows.iter().find(|row| row.test == test.name)
    }

    /// The row of a test that holds for a run with this output.
    pub(crate) fn row_for(&self, test: &Test, output: &str) -> Option<&Row> {
        let holds = |row: &&Row| row.test == test.name && row.holds(output);
        self.rows.iter().find(holds)
    }
}

impl Row {
    fn holds(&self, output: &str) -> bool {
        self.said.as_deref().is_none_or(|said| has(output, said))
    }

    /// The test passed, but without having looked.
    pub(crate) fn is_vain(&self, output: &str) -> bool {
        self.vain.as_deref().is_some_and(|vain| has(output, vain))
    }
}

fn has(output: &str, wanted: &str) -> bool {
    output.lines().any(|line| line == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Ledger, Row};
    use crate::catalogue::Test;

    #[test]
    fn a_row_can_depend_on_what_a_test_picked() {
        let row: Row = toml::from_str(
            "test = 'UNIT/a'\nunder = 'mixed'\nreason = 'r'\nsaid = 'Selected node 1'\nvain = '<30||0|'\n",
        )
        .unwrap();
        let ledger = Ledger { rows: vec![row] };
        let test = Test {
            name: "UNIT/a".to_owned(),
        };
        assert!(ledger.row_for(&test, "x\nSelected node 1\n").is_some());
        assert!(ledger.row_for(&test, "Selected node 10\n").is_none());
        assert!(ledger.rows[0].is_vain("x\n<30||0|\nOK\n"));
        assert!(!ledger.rows[0].is_vain("<30|.|1|\n"));
    }
}
