// SPDX-License-Identifier: GPL-3.0-or-later
//! The completion files are those that the options make. `CTDB_WRITE_COMPLETION=1` writes them anew.

#![allow(
    clippy::unwrap_used,
    reason = "a test may end on what it cannot go on with"
)]

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};
use ctdb_exporter::options::Options;
use std::path::Path;

#[test]
fn files_fit_the_options() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completion");
    for (shell, file) in [
        (Shell::Bash, "ctdb-exporter.bash"),
        (Shell::Zsh, "_ctdb-exporter"),
        (Shell::Fish, "ctdb-exporter.fish"),
    ] {
        let mut made = Vec::new();
        generate(shell, &mut Options::command(), "ctdb-exporter", &mut made);
        let file = folder.join(file);
        if std::env::var_os("CTDB_WRITE_COMPLETION").is_some() {
            std::fs::write(&file, &made).unwrap();
        }
        let there = std::fs::read(&file).unwrap_or_default();
        assert!(
            there == made,
            "{} is not what the options say",
            file.display()
        );
    }
}
