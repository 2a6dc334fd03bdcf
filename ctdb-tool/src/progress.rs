// SPDX-License-Identifier: GPL-3.0-or-later
//! How far long work has come, on standard error, and only when that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is shown for work that ends sooner, and never more often.
const STEP: Duration = Duration::from_millis(250);

/// A line that is written over and over.
pub struct Progress {
    what: &'static str,
    total: u64,
    done: u64,
    shown: Instant,
    visible: bool,
    terminal: bool,
}

impl Progress {
    /// Work of `total` steps.
    pub fn new(what: &'static str, total: u64) -> Self {
        let terminal = io::stderr().is_terminal();
        Self {
            what,
            total,
            done: 0,
            shown: Instant::now(),
            visible: false,
            terminal,
        }
    }

    /// So many more steps are done.
    pub fn advance(&mut self, steps: u64) {
        self.done += steps;
        if self.terminal && self.shown.elapsed() >= STEP {
            self.shown = Instant::now();
            self.visible = true;
            let percent = self
                .done
                .saturating_mul(100)
                .checked_div(self.total)
                .unwrap_or(100);
            // a lost progress line harms nobody
            let _ = write!(
                io::stderr(),
                "\r{} {}/{} ({percent}%)",
                self.what,
                self.done,
                self.total
            );
        }
    }

    /// The next of a few long steps begins; says at once which, because it may take long.
    pub fn stage(&mut self, what: &str) {
        self.done += 1;
        if self.terminal {
            self.visible = true;
            // a lost progress line harms nobody
            let _ = write!(
                io::stderr(),
                "\r\x1b[K{}: {what} ({}/{})",
                self.what,
                self.done,
                self.total
            );
        }
    }

    /// Wipes the line away, so that a message can be shown.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.visible) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// The work is done.
    pub fn end(self) {}
}

/// Whichever way the work ended, the line goes before anything else is said.
impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
