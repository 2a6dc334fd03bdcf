// SPDX-License-Identifier: GPL-3.0-or-later
//! ltdbtool: shows and converts CTDB's database files without a daemon, whatever size of record header they have.

use crate::output::record::write_quoted;
use crate::sys;
use ctdb_protocol::types::LtdbHeader;
use ctdb_protocol::wire::all;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags};

/// Exit status of anything that failed: upstream returns -1.
const FAILED: u8 = 255;
/// A header that is shorter is filled up with this: nobody is data master.
const NO_HEADER: LtdbBytes = {
    let mut bytes = [0; LtdbHeader::SIZE];
    let mut at = 8;
    while at < 12 {
        bytes[at] = 0xFF;
        at += 1;
    }
    bytes
};

type LtdbBytes = [u8; LtdbHeader::SIZE];

/// What the options say.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    input_header: usize,
    output_header: usize,
    print_header: bool,
    keep_empty: bool,
}

/// What to do, and with which options.
#[derive(Debug, PartialEq, Eq)]
enum Job {
    Help,
    Dump(Options, String),
    Convert(Options, String, String),
}

/// The program.
pub fn main() -> ExitCode {
    sys::default_sigpipe();
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = words.next().unwrap_or_else(|| "ltdbtool".to_owned());
    let done = match parse(words.collect()) {
        None => {
            eprint!("{}", usage(&program));
            return ExitCode::from(FAILED);
        }
        Some(Job::Help) => {
            print!("{}", help(&program));
            Ok(())
        }
        Some(Job::Dump(options, path)) => dump(&path, &options),
        Some(Job::Convert(options, from, to)) => convert(&from, &to, &options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("{line}");
            ExitCode::from(FAILED)
        }
    }
}

/// Takes the command line apart as `getopt` does: options anywhere, values glued on or apart.
fn parse(words: Vec<String>) -> Option<Job> {
    let mut options = Options {
        input_header: LtdbHeader::SIZE,
        output_header: LtdbHeader::SIZE,
        print_header: false,
        keep_empty: false,
    };
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            rest.extend(words);
            break;
        }
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            rest.push(word);
            continue;
        };
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            match letter {
                'p' => options.print_header = true,
                'e' => options.keep_empty = true,
                'h' => return Some(Job::Help),
                's' | 'S' | 'o' | 'O' => {
                    let glued = letters.as_str();
                    let value = if glued.is_empty() {
                        words.next()?
                    } else {
                        glued.to_owned()
                    };
                    let size = header_size(&value, letter.is_ascii_uppercase())?;
                    match letter {
                        's' | 'S' => options.input_header = size,
                        _ => options.output_header = size,
                    }
                    break;
                }
                _ => return None,
            }
        }
    }
    let mut rest = rest.into_iter();
    match (rest.next()?.as_str(), rest.next(), rest.next(), rest.next()) {
        ("help", ..) => Some(Job::Help),
        ("dump", Some(path), None, _) => Some(Job::Dump(options, path)),
        ("convert", Some(from), Some(to), None) => Some(Job::Convert(options, from, to)),
        _ => None,
    }
}

/// Bytes of a header: as they are, or by word size 0, 32 or 64.
fn header_size(text: &str, raw: bool) -> Option<usize> {
    let number = usize::try_from(crate::number::lenient(text)).ok()?;
    let size = match (raw, number) {
        (true, size) => size,
        (false, 0) => 0,
        (false, 32) => 20,
        (false, 64) => 24,
        (false, _) => return None,
    };
    Some(size.min(LtdbHeader::SIZE))
}

fn open(path: &str) -> Result<Tdb, String> {
    Tdb::open(path, 0, TdbFlags::empty(), OpenMode::ReadOnly).map_err(|_| {
        let reason = match File::open(path) {
            Err(error) => plain(&error),
            Ok(_) => "Input/output error".to_owned(),
        };
        format!("tdbopen in: {reason}")
    })
}

/// The error's text as C's `perror` shows it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn dump(path: &str, options: &Options) -> Result<(), String> {
    let tdb = open(path)?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    each(&tdb, options, |key, header, data| {
        show(&mut out, options, key, header, data).is_ok()
    })?;
    out.flush().map_err(|e| e.to_string())
}

fn show(
    out: &mut dyn Write,
    options: &Options,
    key: &[u8],
    header: &LtdbBytes,
    data: &[u8],
) -> io::Result<()> {
    write!(out, "{{\nkey({}) = ", key.len())?;
    write_quoted(out, key)?;
    out.write_all(b"\n")?;
    if options.print_header
        && let Ok(header) = all::<LtdbHeader>(header)
    {
        let dmaster = header.dmaster.0 as i32;
        writeln!(
            out,
            "dmaster: {dmaster}\nrsn: {}\nflags: 0x{:X}",
            header.rsn,
            header.flags.bits()
        )?;
    }
    write!(out, "data({}) = ", data.len())?;
    write_quoted(out, data)?;
    out.write_all(b"\n}\n")
}

fn convert(from: &str, to: &str, options: &Options) -> Result<(), String> {
    let input = open(from)?;
    // refuses a file that is there, with the permissions of a new database
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to);
    created.map_err(|error| format!("tdbopen out: {}", plain(&error)))?;
    let output = Tdb::open(to, 0, TdbFlags::empty(), OpenMode::Create)
        .map_err(|error| format!("tdbopen out: {error}"))?;
    let size = options.output_header;
    each(&input, options, |key, header, data| {
        let stored = output.store_parts(key, &[&header[..size], data], StoreMode::Replace);
        if let Err(error) = &stored {
            eprintln!("tdb_store: {error}");
        }
        stored.is_ok()
    })
}

/// Shows every record until `visit` says no. Records without data are left out unless asked for.
fn each(
    tdb: &Tdb,
    options: &Options,
    mut visit: impl FnMut(&[u8], &LtdbBytes, &[u8]) -> bool,
) -> Result<(), String> {
    let size = options.input_header;
    let walked = tdb.traverse_read(|key, value| {
        let Some((front, data)) = value.split_at_checked(size) else {
            complain_short(key, value);
            return ControlFlow::Break(());
        };
        if data.is_empty() && !options.keep_empty {
            return ControlFlow::Continue(());
        }
        let mut header = NO_HEADER;
        header[..size].copy_from_slice(front);
        if header[20..] != [0; 4] {
            eprintln!("Warning: header padding isn't zero! Wrong header size?");
        }
        if visit(key, &header, data) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    walked.map(|_| ()).map_err(|error| error.to_string())
}

fn complain_short(key: &[u8], value: &[u8]) {
    let mut line = b"Value too short to contain a ctdb header: ".to_vec();
    // writing to memory cannot fail
    let _ = write_quoted(&mut line, key);
    line.extend_from_slice(b" = ");
    let _ = write_quoted(&mut line, value);
    eprintln!("{}", String::from_utf8_lossy(&line));
}

fn usage(program: &str) -> String {
    format!(
        "Usage: {program} dump [-e] [-p] [-s{{0|32|64}}] <idb>\n       \
         {program} convert [-e] [-s{{0|32|64}}] [-o{{0|32|64}}] <idb> <odb>\n       \
         {program} {{help|-h}}\n"
    )
}

fn help(program: &str) -> String {
    let sizes = |letter: char, which: &str| {
        let raw = letter.to_ascii_uppercase();
        format!(
            "   -{letter} {{0|32|64}}    specify how to determine the ctdb record header size\n\
             {pad}for the {which} database{colon}\n\
             {pad}0: no ctdb header\n\
             {pad}32: ctdb header size of a 32 bit system (20 bytes)\n\
             {pad}64: ctdb header size of a 64 bit system (24 bytes)\n\
             {pad}default: 32 or 64 depending on the system architecture\n\n   \
             -{raw} <num>        the number of bytes to interpret as ctdb record header\n\
             {pad}for the {which} database (beware!)\n\n",
            pad = " ".repeat(19),
            colon = if letter == 's' { ":" } else { "" },
        )
    };
    format!(
        "Usage: {program} [options] <command>\n\nOptions:\n{}{}   \
         -e              Include empty records, defaults to off\n\n   \
         -p              print header (for the dump command), defaults to off\n\n   \
         -h              print this help\n\nCommands:\n  \
         help                         print this help\n  \
         dump <db>                    dump the db to stdout\n  \
         convert <in_db> <out_db>     convert the db\n\n",
        sizes('s', "input"),
        sizes('o', "output"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(words: &[&str]) -> Option<Job> {
        parse(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn options_as_getopt_reads_them() {
        let options = Options {
            input_header: 0,
            output_header: 20,
            print_header: true,
            keep_empty: true,
        };
        let wanted = Job::Convert(options, "a".into(), "b".into());
        assert_eq!(
            job(&["convert", "-pe", "-s0", "-o", "32", "a", "b"]),
            Some(wanted)
        );
        assert_eq!(job(&["dump"]), None);
        assert_eq!(job(&["dump", "-s", "7", "a"]), None);
        assert_eq!(job(&["-x", "dump", "a"]), None);
        assert_eq!(job(&["-h"]), Some(Job::Help));
    }
}
