// SPDX-License-Identifier: GPL-3.0-or-later
//! Log levels.

use std::fmt;

/// How important a line is. The numbers are upstream's and travel in `GET_DEBUG`, `SET_DEBUG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something failed.
    Error = 0,
    /// Something looks wrong.
    Warning = 1,
    /// Something worth knowing changed.
    Notice = 3,
    /// What is being done.
    Info = 5,
    /// Everything.
    Debug = 10,
}

/// The level's name at each number from 0 on; several numbers share a name.
const BY_NUMBER: [Level; 11] = [
    Level::Error,
    Level::Warning,
    Level::Warning,
    Level::Notice,
    Level::Notice,
    Level::Info,
    Level::Info,
    Level::Info,
    Level::Info,
    Level::Info,
    Level::Debug,
];

impl Level {
    /// A level by number (0 to 10) or by the start of its name in any case; as
    /// `debug_level_parse`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
            return BY_NUMBER.get(digits.parse::<usize>().ok()?).copied();
        }
        BY_NUMBER.into_iter().find(|level| {
            level
                .name()
                .get(..text.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(text))
        })
    }

    /// The level that a number stands for.
    pub fn from_number(number: i32) -> Option<Self> {
        BY_NUMBER.get(usize::try_from(number).ok()?).copied()
    }

    /// The number.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_prefixes_and_numbers() {
        assert_eq!(Level::parse("err"), Some(Level::Error));
        assert_eq!(Level::parse("Notice"), Some(Level::Notice));
        assert_eq!(Level::parse("DEBUG"), Some(Level::Debug));
        assert_eq!(Level::parse("debugging"), None);
        assert_eq!(Level::parse("high"), None);
        assert_eq!(Level::parse("4"), Some(Level::Notice));
        assert_eq!(Level::parse("11"), None);
    }
}
