// SPDX-License-Identifier: GPL-3.0-or-later
//! From a typed result to what is shown: text for people, rows with separators for scripts (`-X`), JSON (`-j`).

pub mod address;
pub mod clock;
pub mod database;
pub mod record;
pub mod statistics;
pub mod status;
pub mod value;

use crate::failure::{Failure, errno_of};
use serde_json::Value;
use std::io::{self, Write};

/// A result that knows its forms.
pub trait Report {
    /// As upstream prints it. `verbose` is `-v`.
    fn text(&self, out: &mut dyn Write, verbose: bool) -> io::Result<()>;

    /// The rows of `-X`; commands without a machine readable form show their text.
    fn rows(&self, _verbose: bool) -> Option<Rows> {
        None
    }

    /// The JSON document of `-j`.
    fn json(&self) -> Value;
}

/// A table for scripts: each line begins and ends with the separator.
#[derive(Debug, Default)]
pub struct Rows {
    /// Column names; empty when upstream prints none.
    pub header: Vec<String>,
    /// One line each.
    pub lines: Vec<Vec<String>>,
    /// `statistics` alone has no separator at the front.
    pub bare_front: bool,
}

impl Rows {
    /// A table with these columns.
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|h| (*h).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// Adds one line.
    pub fn push(&mut self, line: Vec<String>) {
        self.lines.push(line);
    }

    fn write(&self, out: &mut dyn Write, separator: &str) -> io::Result<()> {
        let header = (!self.header.is_empty()).then_some(&self.header);
        for line in header.into_iter().chain(&self.lines) {
            if !self.bare_front {
                out.write_all(separator.as_bytes())?;
            }
            for cell in line {
                out.write_all(cell.as_bytes())?;
                out.write_all(separator.as_bytes())?;
            }
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// `0` or `1`, as rows show flags.
pub fn bit(value: bool) -> String {
    u8::from(value).to_string()
}

/// Which form to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// For scripts.
    Rows,
    /// For programs.
    Json,
}

/// Standard output and standard error in one order: whatever was said before a complaint is shown before it.
/// Or neither: what a program inside of another one says is kept for it.
pub struct Printer {
    out: Sink,
    form: Form,
    separator: String,
    verbose: bool,
}

/// Where output goes.
enum Sink {
    Standard(io::BufWriter<io::Stdout>),
    Kept(Kept),
}

/// Output that was not shown.
#[derive(Debug, Default)]
pub struct Kept {
    /// What would have been on standard output.
    pub output: Vec<u8>,
    /// The lines that would have been on standard error.
    pub warnings: Vec<String>,
}

impl Sink {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Standard(out) => out,
            Self::Kept(kept) => &mut kept.output,
        }
    }
}

impl Printer {
    /// A printer for standard output.
    pub fn new(form: Form, separator: &str, verbose: bool) -> Self {
        let out = io::BufWriter::with_capacity(1 << 16, io::stdout());
        Self {
            out: Sink::Standard(out),
            form,
            separator: separator.to_owned(),
            verbose,
        }
    }

    /// The same printer, but what it prints is kept for [`Printer::take_kept`].
    #[must_use]
    pub fn keeping(mut self) -> Self {
        self.out = Sink::Kept(Kept::default());
        self
    }

    /// What was printed since the last call, when it is kept.
    pub fn take_kept(&mut self) -> Kept {
        match &mut self.out {
            Sink::Standard(_) => Kept::default(),
            Sink::Kept(kept) => std::mem::take(kept),
        }
    }

    /// The form asked for.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Whether `-v` was given.
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Shows a result in the form asked for.
    pub fn show(&mut self, report: &dyn Report) -> Result<(), Failure> {
        let rows = if self.form == Form::Rows {
            report.rows(self.verbose)
        } else {
            None
        };
        let out = self.out.writer();
        let written = match (self.form, rows) {
            (Form::Json, _) => write_json(out, &report.json()),
            (_, Some(rows)) => rows.write(out, &self.separator),
            (_, None) => report.text(out, self.verbose),
        };
        written
            .and_then(|()| out.flush())
            .map_err(|e| write_failed(&e))
    }

    /// One line on standard output, whatever the form.
    pub fn line(&mut self, line: &str) -> Result<(), Failure> {
        let out = self.out.writer();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|e| write_failed(&e))
    }

    /// For long outputs: write as much as you like, nothing is flushed in between.
    pub fn bulk(&mut self) -> &mut dyn Write {
        self.out.writer()
    }

    /// Ends a bulk output.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.writer().flush().map_err(|e| write_failed(&e))
    }

    /// One line on standard error, behind everything said so far.
    pub fn warn(&mut self, line: &str) {
        match &mut self.out {
            Sink::Standard(out) => {
                // nothing can be reported if the terminal itself is gone
                let _ = out.flush();
                let _ = writeln!(io::stderr(), "{line}");
            }
            Sink::Kept(kept) => kept.warnings.push(line.to_owned()),
        }
    }
}

/// A failed write of results, e.g. to a full disk.
pub fn write_failed(error: &io::Error) -> Failure {
    Failure::say(errno_of(error), format!("Failed to write output: {error}"))
}

/// The document and a line end, as every `-j` prints it.
pub fn write_json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")
}
