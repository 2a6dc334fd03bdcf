// SPDX-License-Identifier: GPL-3.0-or-later
//! Which tests there are, and which of them were asked for.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// One of upstream's tests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    /// As `UNIT/tool/ctdb.ip.001`: the path below `tests` without `.sh`.
    pub(crate) name: String,
}

impl Test {
    /// True for tests that start a cluster: slow, but nearly idle.
    pub(crate) fn is_integration(&self) -> bool {
        self.name.starts_with("INTEGRATION/")
    }

    /// The test's file, relative to a root folder.
    pub(crate) fn file(&self) -> String {
        format!("tests/{}.sh", self.name)
    }
}

/// The tests below `source` that match any of `wanted` (all of them if it is empty), by name.
pub(crate) fn select(source: &Path, wanted: &[String]) -> Result<Vec<Test>> {
    let all = all(source)?;
    if wanted.is_empty() {
        return Ok(all);
    }
    for pattern in wanted {
        if !all.iter().any(|test| matches(&test.name, pattern)) {
            bail!("no test of upstream's matches {pattern}");
        }
    }
    let chosen = |test: &Test| wanted.iter().any(|pattern| matches(&test.name, pattern));
    Ok(all.into_iter().filter(chosen).collect())
}

fn all(source: &Path) -> Result<Vec<Test>> {
    let mut tests = Vec::new();
    for collection in ["UNIT", "INTEGRATION"] {
        for suite in names(&source.join("tests").join(collection))? {
            let folder = source.join("tests").join(collection).join(&suite);
            if !folder.is_dir() {
                continue;
            }
            let files = names(&folder)?;
            tests.extend(
                files
                    .iter()
                    .filter_map(|file| file.strip_suffix(".sh"))
                    .map(|stem| Test {
                        name: format!("{collection}/{suite}/{stem}"),
                    }),
            );
        }
    }
    tests.sort();
    Ok(tests)
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

/// `pattern` is a test, a folder above it, or a beginning followed by `*`.
fn matches(name: &str, pattern: &str) -> bool {
    let pattern = pattern.trim_start_matches("tests/");
    if let Some(beginning) = pattern.strip_suffix('*') {
        return name.starts_with(beginning);
    }
    let pattern = pattern.trim_end_matches(".sh").trim_end_matches('/');
    name.strip_prefix(pattern)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_name_tests_suites_and_beginnings() {
        let name = "UNIT/tool/ctdb.ip.001";
        for pattern in [
            "UNIT",
            "UNIT/tool/",
            "UNIT/tool/ctdb.ip.001.sh",
            "UNIT/tool/ctdb.ip*",
        ] {
            assert!(matches(name, pattern), "{pattern}");
        }
        for pattern in ["UNIT/too", "INTEGRATION", "UNIT/tool/ctdb.ip.00"] {
            assert!(!matches(name, pattern), "{pattern}");
        }
    }
}
