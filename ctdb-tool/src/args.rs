// SPDX-License-Identifier: GPL-3.0-or-later
//! The command line, read as popt reads it: options may stand anywhere, values may be glued on, after `=` or apart,
//! `--` ends them, and long names are never abbreviated.

use crate::number::{self, NumberError};

/// What may follow an option's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Nothing: the option is a switch.
    None,
    /// Any text.
    Text,
    /// A whole number that fits an `int`.
    Int,
}

/// One option of the tool. The order of [`OPTIONS`] is the order in the help text.
#[derive(Debug)]
pub struct OptionRow {
    /// The name after two dashes, if it has one.
    pub long: Option<&'static str>,
    /// The letter after one dash.
    pub short: char,
    /// What follows it.
    pub value: Value,
    /// What the help text calls the value.
    pub metavar: &'static str,
    /// One line for the help text.
    pub help: &'static str,
}

/// Every option, upstream's first and in upstream's order.
pub const OPTIONS: &[OptionRow] = &[
    row(Some("debug"), 'd', Value::Text, "STRING", "debug level"),
    row(
        Some("timelimit"),
        't',
        Value::Int,
        "INT",
        "timelimit (in seconds)",
    ),
    row(
        Some("node"),
        'n',
        Value::Int,
        "INT",
        "node specification - integer",
    ),
    row(None, 'Y', Value::None, "", "enable machine readable output"),
    row(
        Some("separator"),
        'x',
        Value::Text,
        "CHAR",
        "specify separator for machine readable output",
    ),
    row(
        None,
        'X',
        Value::None,
        "",
        "enable machine parsable output with separator |",
    ),
    row(Some("json"), 'j', Value::None, "", "enable JSON output"),
    row(
        Some("verbose"),
        'v',
        Value::None,
        "",
        "enable verbose output",
    ),
    row(
        Some("maxruntime"),
        'T',
        Value::Int,
        "INT",
        "die if runtime exceeds this limit (in seconds)",
    ),
];

const fn row(
    long: Option<&'static str>,
    short: char,
    value: Value,
    metavar: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow {
        long,
        short,
        value,
        metavar,
        help,
    }
}

/// What the options say, before defaults from the environment.
#[derive(Debug, Clone)]
pub struct Options {
    /// `-d`: kept for scripts; errors are always shown.
    pub debug: Option<String>,
    /// `-t`: how long one control may take, in seconds.
    pub timelimit_s: i32,
    /// `-n`: the node to ask, -1 for the local one.
    pub node: i32,
    /// `-Y` or `-X`: rows with separators instead of text.
    pub machine: bool,
    /// `-x`: what stands between the columns.
    pub separator: String,
    /// `-j`: one JSON document instead of text.
    pub json: bool,
    /// `-v`: more columns or more lines.
    pub verbose: bool,
    /// `-T`: the whole command ends after this many seconds; 0 asks the environment.
    pub max_runtime_s: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            debug: None,
            timelimit_s: 10,
            node: -1,
            machine: false,
            separator: "|".to_owned(),
            json: false,
            verbose: false,
            max_runtime_s: 0,
        }
    }
}

/// A command line taken apart.
#[derive(Debug)]
pub enum Parsed {
    /// Run a command: the options, then the words that are not options.
    Run(Options, Vec<String>),
    /// `-?` or `--help`; the words so far and behind it may name a command.
    Help(Vec<String>),
    /// `--usage`.
    Usage,
}

/// An option that cannot be understood; displays as upstream's message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid option {word}: {reason}")]
pub struct OptionError {
    word: String,
    reason: &'static str,
}

/// Takes a command line (without the program's name) apart.
pub fn parse(words: Vec<String>) -> Result<Parsed, OptionError> {
    let mut reader = Reader {
        words: words.into_iter(),
        options: Options::default(),
        rest: Vec::new(),
    };
    while let Some(word) = reader.words.next() {
        match reader.take(&word)? {
            Next::More => {}
            Next::Help => {
                let Reader {
                    words, mut rest, ..
                } = reader;
                rest.extend(words.filter(|w| !w.starts_with('-')));
                return Ok(Parsed::Help(rest));
            }
            Next::Usage => return Ok(Parsed::Usage),
        }
    }
    Ok(Parsed::Run(reader.options, reader.rest))
}

enum Next {
    More,
    Help,
    Usage,
}

struct Reader {
    words: std::vec::IntoIter<String>,
    options: Options,
    rest: Vec<String>,
}

impl Reader {
    fn take(&mut self, word: &str) -> Result<Next, OptionError> {
        if word == "--" {
            self.rest.extend(self.words.by_ref());
        } else if let Some(long) = word.strip_prefix("--") {
            return self.long(word, long);
        } else if let Some(letters) = word.strip_prefix('-').filter(|l| !l.is_empty()) {
            return self.short(word, letters);
        } else {
            self.rest.push(word.to_owned());
        }
        Ok(Next::More)
    }

    fn long(&mut self, word: &str, text: &str) -> Result<Next, OptionError> {
        let (name, glued) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        match name {
            "help" => return Ok(Next::Help),
            "usage" => return Ok(Next::Usage),
            _ => {}
        }
        let row = long_row(name).ok_or_else(|| bad(word, "unknown option"))?;
        if row.value == Value::None {
            if glued.is_some() {
                return Err(bad(word, "option does not take an argument"));
            }
            self.switch(row.short);
            return Ok(Next::More);
        }
        self.valued(word, row, glued)?;
        Ok(Next::More)
    }

    fn short(&mut self, word: &str, letters: &str) -> Result<Next, OptionError> {
        let mut chars = letters.chars();
        while let Some(letter) = chars.next() {
            if letter == '?' {
                return Ok(Next::Help);
            }
            let row = OPTIONS
                .iter()
                .find(|row| row.short == letter)
                .ok_or_else(|| bad(word, "unknown option"))?;
            if row.value == Value::None {
                self.switch(letter);
                continue;
            }
            let glued = chars.as_str();
            let glued =
                (!glued.is_empty()).then(|| glued.strip_prefix('=').unwrap_or(glued).to_owned());
            self.valued(word, row, glued)?;
            break;
        }
        Ok(Next::More)
    }

    fn switch(&mut self, letter: char) {
        match letter {
            'Y' | 'X' => self.options.machine = true,
            'j' => self.options.json = true,
            'v' => self.options.verbose = true,
            other => unreachable!("switch -{other} has no meaning"),
        }
    }

    fn valued(
        &mut self,
        word: &str,
        row: &OptionRow,
        glued: Option<String>,
    ) -> Result<(), OptionError> {
        let apart = glued.is_none();
        let Some(value) = glued.or_else(|| self.words.next()) else {
            return Err(bad(word, "missing argument"));
        };
        // popt names the last word it consumed
        let blamed = if apart {
            value.clone()
        } else {
            word.to_owned()
        };
        let int = || match number::option_int(&value) {
            Ok(number) => Ok(number),
            Err(NumberError::Invalid) => Err(bad(&blamed, "invalid numeric value")),
            Err(NumberError::Range) => Err(bad(&blamed, "number too large or too small")),
        };
        match row.short {
            'd' => self.options.debug = Some(value),
            'x' => self.options.separator = value,
            't' => self.options.timelimit_s = int()?,
            'n' => self.options.node = int()?,
            'T' => self.options.max_runtime_s = int()?,
            other => unreachable!("option -{other} has no meaning"),
        }
        Ok(())
    }
}

fn long_row(name: &str) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| row.long == Some(name))
}

fn bad(word: &str, reason: &'static str) -> OptionError {
    OptionError {
        word: word.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str]) -> (Options, Vec<String>) {
        match parse(words.iter().map(|w| (*w).to_owned()).collect()).unwrap() {
            Parsed::Run(options, rest) => (options, rest),
            other => panic!("{other:?}"),
        }
    }

    fn error(words: &[&str]) -> String {
        parse(words.iter().map(|w| (*w).to_owned()).collect())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn options_stand_anywhere() {
        let (options, rest) = run(&["status", "-Yvn1", "--timelimit=5", "all", "-x", ":"]);
        assert_eq!(rest, ["status", "all"]);
        assert_eq!((options.node, options.timelimit_s), (1, 5));
        assert!(options.machine && options.verbose);
        assert_eq!(options.separator, ":");
    }

    #[test]
    fn equals_sign_after_a_letter_is_skipped() {
        assert_eq!(run(&["-n=1"]).0.node, 1);
        assert_eq!(run(&["-n", "-1"]).0.node, -1);
    }

    #[test]
    fn double_dash_ends_options() {
        assert_eq!(run(&["getvar", "--", "-n"]).1, ["getvar", "-n"]);
    }

    #[test]
    fn errors_are_popts() {
        assert_eq!(
            error(&["-Q", "status"]),
            "Invalid option -Q: unknown option"
        );
        assert_eq!(
            error(&["-n", "abc"]),
            "Invalid option abc: invalid numeric value"
        );
        assert_eq!(error(&["-n"]), "Invalid option -n: missing argument");
        assert_eq!(
            error(&["-node=1"]),
            "Invalid option -node=1: invalid numeric value"
        );
        assert_eq!(error(&["-YQ"]), "Invalid option -YQ: unknown option");
        assert_eq!(
            error(&["--verbose=1"]),
            "Invalid option --verbose=1: option does not take an argument"
        );
        assert_eq!(
            error(&["--nod=1"]),
            "Invalid option --nod=1: unknown option"
        );
        assert_eq!(
            error(&["-n", "99999999999"]),
            "Invalid option 99999999999: number too large or too small"
        );
    }
}
