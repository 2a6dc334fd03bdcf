// SPDX-License-Identifier: GPL-3.0-or-later
//! The command line, and the one environment variable that says which programs are tested.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Parser, ValueEnum};

/// Runs upstream's suites. Tests are named `UNIT`, `UNIT/tool`, `UNIT/tool/ctdb.ip.001`, or with
/// a trailing `*`. Without names, all of UNIT and INTEGRATION run.
#[derive(Parser)]
pub(crate) struct Options {
    /// Top of the project's tree.
    #[arg(long, default_value = ".", hide = true)]
    pub(crate) top: PathBuf,
    /// What to do.
    #[arg(long, value_enum, default_value = "run")]
    pub(crate) step: Step,
    /// Whose suite: 4.17 to 4.25 [default: that of --from, or 4.22].
    #[arg(long, value_name = "RELEASE")]
    suite: Option<Suite>,
    /// An unpacked Samba source to take the tests from, in place of the source package.
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Folder with the programs of this tree [default: target/release].
    #[arg(long, value_name = "DIR")]
    pub(crate) bin: Option<PathBuf>,
    /// INTEGRATION tests at a time.
    #[arg(long, default_value_t = 6)]
    pub(crate) jobs: usize,
    /// UNIT tests at a time.
    #[arg(long, default_value_t = 2)]
    pub(crate) unit_jobs: usize,
    /// Every test this many times.
    #[arg(long, default_value_t = 1)]
    pub(crate) repeat: usize,
    /// Seconds that one test may take.
    #[arg(long, default_value_t = 600)]
    pub(crate) timeout: u64,
    /// Print a line for failures only.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Stop at the first result that is not the expected one.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// `ours`, `theirs`, or `rust` or a release as `c4.17` for each node, as `c4.17,rust,rust`.
    #[arg(long, env = "CTDB_UNDER_TEST", default_value = "ours")]
    pub(crate) under_test: UnderTest,
    /// Collections, suites or tests.
    pub(crate) tests: Vec<String>,
}

impl Options {
    /// Whose suite is run.
    pub(crate) fn suite(&self) -> Suite {
        self.suite.unwrap_or(Suite::REFERENCE)
    }

    /// The release that our programs speak: the suite's, or that of a newer C node. The Samba of
    /// such a cluster would be that node's, and C nodes do not bear a node of an older release.
    pub(crate) fn spoken(&self) -> Suite {
        let UnderTest::Mixed(nodes) = &self.under_test else {
            return self.suite();
        };
        let of_c = nodes.iter().filter_map(|node| match node {
            NodeProgram::C(suite) => Some(*suite),
            NodeProgram::Rust => None,
        });
        of_c.fold(self.suite(), Suite::max)
    }

    /// Takes the suite from where the tests are, unless one was asked for.
    pub(crate) fn settle_suite(&mut self, ctdb: &Path) {
        if self.from.is_some() && self.suite.is_none() {
            self.suite = Suite::of_source(ctdb);
        }
    }
}

/// How far a run goes.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Step {
    /// Obtain upstream's tests and print where they are.
    Fetch,
    /// Print the names of the chosen tests.
    List,
    /// Lay out a root folder, print it and leave it there.
    Layout,
    /// Run the tests.
    Run,
}

/// Whose tests are run, or whose programs: a release of Samba, 4.17 to 4.25.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suite {
    minor: u8,
}

impl Suite {
    /// Samba 4.22, of Debian 13: the reference.
    pub(crate) const REFERENCE: Suite = Suite { minor: 22 };

    /// The version as people and file names say it.
    pub(crate) fn name(self) -> String {
        format!("4.{}", self.minor)
    }

    /// The suite of the release to which an unpacked source belongs: by its file `VERSION`, or, if
    /// only a part was unpacked, by the name of the folder above `ctdb`.
    pub(crate) fn of_source(ctdb: &Path) -> Option<Suite> {
        let top = ctdb.parent()?;
        let number = |text: &str, name: &str| {
            let value = |line: &str| line.strip_prefix(name)?.parse::<u8>().ok();
            text.lines().find_map(value)
        };
        let version = std::fs::read_to_string(top.join("VERSION")).unwrap_or_default();
        if let Some(4) = number(&version, "SAMBA_VERSION_MAJOR=") {
            return number(&version, "SAMBA_VERSION_MINOR=").map(|minor| Suite { minor });
        }
        let folder = top.file_name()?.to_str()?;
        let minor = folder.strip_prefix("samba-4.")?.split('.').next()?;
        minor.parse().ok().map(|minor| Suite { minor })
    }
}

impl FromStr for Suite {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let minor = text.strip_prefix("4.").and_then(|m| m.parse().ok());
        match minor {
            Some(minor @ 17..=25) => Ok(Suite { minor }),
            _ => Err(format!("{text}: not a known suite (4.17 to 4.25)")),
        }
    }
}

/// The programs that the tests meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UnderTest {
    /// Everything of this tree.
    Ours,
    /// The C programs; test programs that no package has are this tree's.
    Theirs,
    /// This tree's tools; each node's daemon as listed.
    Mixed(Vec<NodeProgram>),
}

/// Which implementation a node of a mixed cluster runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeProgram {
    /// This tree's.
    Rust,
    /// The packaged C programs of a version.
    C(Suite),
}

impl UnderTest {
    /// The kind, as the ledger names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            UnderTest::Ours => "ours",
            UnderTest::Theirs => "theirs",
            UnderTest::Mixed(_) => "mixed",
        }
    }

    /// As it is given: `ours`, `theirs` or `c4.17,rust,rust`.
    pub(crate) fn words(&self) -> String {
        match self {
            UnderTest::Mixed(nodes) => {
                let names: Vec<String> = nodes.iter().map(|node| node.name()).collect();
                names.join(",")
            }
            other => other.kind().to_owned(),
        }
    }

    /// A name for files, as `mixed-c4.17-rust-rust`.
    pub(crate) fn file_name(&self) -> String {
        match self {
            UnderTest::Mixed(_) => format!("mixed-{}", self.words().replace(',', "-")),
            other => other.kind().to_owned(),
        }
    }
}

impl NodeProgram {
    fn name(self) -> String {
        match self {
            NodeProgram::Rust => "rust".to_owned(),
            NodeProgram::C(suite) => format!("c{}", suite.name()),
        }
    }
}

impl FromStr for UnderTest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ours" => Ok(UnderTest::Ours),
            "theirs" => Ok(UnderTest::Theirs),
            list => list
                .split(',')
                .map(node_program)
                .collect::<Result<_, _>>()
                .map(UnderTest::Mixed),
        }
    }
}

fn node_program(text: &str) -> Result<NodeProgram, String> {
    match text.strip_prefix('c') {
        None if text == "rust" => Ok(NodeProgram::Rust),
        Some(version) => version.parse().map(NodeProgram::C),
        None => Err(format!(
            "{text}: neither ours, theirs, rust nor a release as c4.22"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_tells_its_release() {
        let top = std::env::temp_dir().join(format!("upstream-suite-{}", std::process::id()));
        let partial = top.join("samba-4.24.7/ctdb");
        assert_eq!(Suite::of_source(&partial), Some(Suite { minor: 24 }));
        assert_eq!(Suite::of_source(&top.join("newest/ctdb")), None);
        std::fs::create_dir_all(top.join("newest/ctdb")).unwrap();
        let version = "SAMBA_VERSION_MAJOR=4\nSAMBA_VERSION_MINOR=25\nSAMBA_VERSION_RELEASE=0\n";
        std::fs::write(top.join("newest/VERSION"), version).unwrap();
        let found = Suite::of_source(&top.join("newest/ctdb"));
        std::fs::remove_dir_all(&top).unwrap();
        assert_eq!(found, Some(Suite { minor: 25 }));
    }

    #[test]
    fn a_newer_c_node_says_what_is_spoken() {
        let spoken = |under_test: &str| {
            let given = ["upstream-suite", "--under-test", under_test];
            Options::parse_from(given).spoken().name()
        };
        assert_eq!(spoken("rust,c4.24,c4.25"), "4.25");
        assert_eq!(spoken("c4.17,rust,rust"), "4.22");
        assert_eq!(spoken("ours"), "4.22");
    }

    #[test]
    fn under_test_is_read_and_named() {
        let mixed: UnderTest = "c4.17,rust,c4.22".parse().unwrap();
        assert_eq!(mixed.file_name(), "mixed-c4.17-rust-c4.22");
        assert_eq!("ours".parse::<UnderTest>().unwrap(), UnderTest::Ours);
        assert_eq!("4.25".parse::<Suite>().unwrap().name(), "4.25");
        assert!("4.26".parse::<Suite>().is_err());
        assert!("c3.0,rust".parse::<UnderTest>().is_err());
        assert!("mine".parse::<UnderTest>().is_err());
    }
}
