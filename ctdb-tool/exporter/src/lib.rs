// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb-exporter`: what the `ctdb` command shows of a node, over HTTP, for monitoring.
//!
//! [`watch`] asks the daemon, over the client protocol like any other client, and keeps the answer for a moment;
//! [`metrics`] turns it into OpenMetrics, [`ready`] into readiness; [`api`] runs a reading command of the
//! tool and passes its JSON on; [`page`] is for people. [`http`] serves all that; [`textfile`] writes the metrics into a file instead.
//!
//! One thread. Nothing here is needed by the daemon: when this program hangs or dies, nobody else notices.

#![forbid(unsafe_code)]

pub mod api;
pub mod changes;
pub mod http;
pub mod metrics;
pub mod options;
pub mod page;
pub mod ready;
pub mod snapshot;
pub mod textfile;
pub mod watch;

#[cfg(test)]
mod testing;

use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser as _;
use options::Options;
use watch::Watcher;

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            say(&reason);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let watcher = Watcher::new(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start: {e}"))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let watcher = Rc::new(watcher);
        match &options.textfile {
            Some(file) => textfile::serve(&watcher, file, options.every()).await,
            None => http::serve(watcher, options).await,
        }
    })
}

/// A line for the log: standard error, which is the journal under systemd. What comes from elsewhere cannot
/// forge a line of its own.
pub(crate) fn say(line: &str) {
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    eprintln!("ctdb-exporter: {line}");
}
