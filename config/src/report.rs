// SPDX-License-Identifier: GPL-3.0-or-later
//! What reading a file has to tell, in upstream's words, and how it failed.

use std::path::PathBuf;

use crate::level::Level;

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How important.
    pub level: Level,
    /// The line of the file that gave rise to it, counted from 1.
    pub line: Option<usize>,
    /// Upstream's text, without a newline.
    pub text: String,
}

/// Everything there was to tell, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The messages.
    pub messages: Vec<Message>,
    line: Option<usize>,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is added from now on comes from this line.
    pub fn at(&mut self, line: Option<usize>) {
        self.line = line;
    }

    /// Adds a message.
    pub fn add(&mut self, level: Level, text: impl Into<String>) {
        self.messages.push(Message {
            level,
            line: self.line,
            text: text.into(),
        });
    }

    /// Adds an error.
    pub fn error(&mut self, text: impl Into<String>) {
        self.add(Level::Error, text);
    }

    /// Whether an error is among the messages.
    pub fn has_errors(&self) -> bool {
        self.messages.iter().any(|m| m.level == Level::Error)
    }

    /// Prints the messages up to `limit` on standard error, as programs without a log do.
    pub fn print(&self, limit: Level) {
        for message in self.messages.iter().filter(|m| m.level <= limit) {
            eprintln!("{}", message.text);
        }
    }
}

/// Why a file could not be loaded. What was wrong inside is in the [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read; `errno`.
    #[error("{}: {}", path.display(), std::io::Error::from_raw_os_error(*errno))]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        errno: i32,
    },
    /// Something in the file is not valid.
    #[error("{}: invalid contents", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
    },
}

const EINVAL: i32 = 22;
const ENOENT: i32 = 2;
const EIO: i32 = 5;

impl LoadError {
    pub(crate) fn read(path: impl Into<PathBuf>, e: &std::io::Error) -> Self {
        Self::Read {
            path: path.into(),
            errno: e.raw_os_error().unwrap_or(EIO),
        }
    }

    pub(crate) fn invalid(path: impl Into<PathBuf>) -> Self {
        Self::Invalid { path: path.into() }
    }

    /// The error number that upstream's programs exit with.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Read { errno, .. } => *errno,
            Self::Invalid { .. } => EINVAL,
        }
    }

    /// Whether the file simply is not there.
    pub fn is_missing(&self) -> bool {
        self.errno() == ENOENT
    }
}
