// SPDX-License-Identifier: GPL-3.0-or-later
//! How a command ends: an exit status, or a failure with the lines for stderr.

/// A command's result: the exit status to leave with, or why it stopped.
pub type Outcome = Result<i32, Failure>;

/// Why a command stopped early.
#[derive(Debug)]
pub enum Failure {
    /// Wrong arguments: show this command's usage on stdout and exit with 1.
    Usage,
    /// Show these lines on stderr, in this order, and exit with `status`.
    Stop {
        /// What upstream returns here: 1, an errno, or a control's status.
        status: i32,
        /// Without line ends.
        lines: Vec<String>,
    },
}

impl Failure {
    /// Exit with `status` and say nothing more.
    pub fn silent(status: i32) -> Self {
        Self::Stop {
            status,
            lines: Vec::new(),
        }
    }

    /// Exit with `status` after one line.
    pub fn say(status: i32, line: impl Into<String>) -> Self {
        Self::Stop {
            status,
            lines: vec![line.into()],
        }
    }

    /// Adds a line after those there already.
    #[must_use]
    pub fn and(mut self, line: impl Into<String>) -> Self {
        if let Self::Stop { lines, .. } = &mut self {
            lines.push(line.into());
        }
        self
    }

    /// The same lines with another exit status.
    #[must_use]
    pub fn with_status(mut self, new: i32) -> Self {
        if let Self::Stop { status, .. } = &mut self {
            *status = new;
        }
        self
    }

    /// The exit status that upstream's `main` makes of this.
    pub fn status(&self) -> i32 {
        match self {
            Self::Usage => 1,
            Self::Stop { status, .. } => *status,
        }
    }
}

/// Adds what the tool was doing to a failure from deeper down.
pub trait Doing<T> {
    /// Adds a line when this is a failure.
    fn doing(self, line: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> Doing<T> for Result<T, Failure> {
    fn doing(self, line: impl FnOnce() -> String) -> Self {
        self.map_err(|failure| failure.and(line()))
    }
}

/// The errno of an I/O error, EIO when it has none.
pub fn errno_of(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
