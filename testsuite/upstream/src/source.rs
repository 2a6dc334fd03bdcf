// SPDX-License-Identifier: GPL-3.0-or-later
//! Where upstream's tests and C programs come from: an unpacked source that is named on the
//! command line, or the script `fetch`, which uses the machine's package client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::options::{Options, Suite};

/// The `ctdb` folder of upstream's source, with its `tests`.
pub(crate) fn obtain(options: &Options) -> Result<PathBuf> {
    let folder = match &options.from {
        Some(folder) => beneath(folder)?,
        None => fetch(&options.top, "source", options.suite())?,
    };
    let folder = folder
        .canonicalize()
        .with_context(|| format!("looking at {}", folder.display()))?;
    Ok(folder)
}

/// The folder with the C programs and C test programs built from the source package.
pub(crate) fn built(top: &Path, suite: Suite) -> Result<PathBuf> {
    fetch(top, "built", suite)
}

/// The folder in which the packaged C programs are started by name.
pub(crate) fn package(top: &Path, suite: Suite) -> Result<PathBuf> {
    fetch(top, "package", suite)
}

/// `folder` may be the source's top or its `ctdb` folder.
fn beneath(folder: &Path) -> Result<PathBuf> {
    for candidate in [folder.join("ctdb"), folder.to_owned()] {
        if candidate.join("tests/run_tests.sh").is_file() {
            return Ok(candidate);
        }
    }
    bail!(
        "{}: no unpacked Samba source (neither ctdb/tests/run_tests.sh nor tests/run_tests.sh)",
        folder.display()
    )
}

fn fetch(top: &Path, what: &str, suite: Suite) -> Result<PathBuf> {
    let script = top.join("testsuite/upstream/fetch");
    let output = Command::new(&script)
        .arg(what)
        .arg(suite.name())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", script.display()))?;
    if !output.status.success() {
        bail!("upstream's {what} {} could not be obtained", suite.name());
    }
    let text = String::from_utf8(output.stdout).context("the output of fetch")?;
    match text.lines().last() {
        Some(line) => Ok(PathBuf::from(line)),
        None => bail!("{} {what} printed no folder", script.display()),
    }
}
