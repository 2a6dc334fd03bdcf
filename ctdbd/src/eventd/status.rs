//! The text of `ctdb-event status`.

use std::fmt::Write as _;

use ctdb_protocol::event::ScriptResult;
use ctdb_protocol::types::Timeval;
use nix::errno::Errno;

use crate::sys::clock;

const DISABLED: i32 = -libc::ENOEXEC;
const TIMED_OUT: i32 = -libc::ETIMEDOUT;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// A script's line, and its output below if there is something to say.
pub(super) fn script(run: &ScriptResult) -> String {
    let name = run.name.to_str_lossy();
    let at = ctime(run.begin.sec);
    let took = |word: &str| format!("{word:<10} {:.3} {at}", seconds(run));
    let state = match run.result {
        TIMED_OUT => format!("{:<10} {at}", "TIMEDOUT"),
        DISABLED => format!("{:<10}", "DISABLED"),
        0 => took("OK"),
        error @ ..0 => {
            let reason = Errno::from_raw(-error).desc();
            format!("{:<10} ({reason})", "CANNOT RUN")
        }
        1.. => took("ERROR"),
    };
    let mut text = format!("{name:<20} {state}\n");
    let failed = run.result != 0 && run.result != DISABLED;
    // No output is worth telling when something failed.
    if failed || !run.output.is_none() {
        text.push_str(&output(&run.output.to_str_lossy()));
    }
    text
}

/// One line stands behind the word, several are indented below it.
fn output(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    if !text.contains('\n') {
        return format!("  OUTPUT: {text}\n");
    }
    let mut lines = "  OUTPUT:\n".to_owned();
    for line in text.split('\n') {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "    {line}");
    }
    lines
}

fn seconds(run: &ScriptResult) -> f64 {
    let total = |t: &Timeval| t.sec as f64 + t.usec as f64 * 1e-6;
    total(&run.end) - total(&run.begin)
}

/// A time as ctime(3) writes it, without the newline.
fn ctime(unix_s: i64) -> String {
    let t = clock::local_time(unix_s);
    let month = MONTHS
        .get(t.month.wrapping_sub(1) as usize)
        .unwrap_or(&"???");
    // Day 0 of the calendar, 1970-01-01, was a Thursday.
    let day_number = unix_s.saturating_add(t.offset_s).div_euclid(86_400);
    let day = DAYS[(day_number + 4).rem_euclid(7) as usize];
    format!(
        "{day} {month} {:>2} {:02}:{:02}:{:02} {}",
        t.day, t.hour, t.minute, t.second, t.year
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(result: i32, output: &str) -> ScriptResult {
        ScriptResult {
            name: "01.test".into(),
            begin: Timeval { sec: 0, usec: 0 },
            end: Timeval {
                sec: 1,
                usec: 500_000,
            },
            result,
            output: if output.is_empty() {
                ctdb_protocol::text::CountedText::none()
            } else {
                output.into()
            },
        }
    }

    #[test]
    fn lines_of_scripts() {
        assert!(script(&run(0, "")).starts_with("01.test              OK         1.500 "));
        assert_eq!(
            script(&run(-libc::ENOEXEC, "")),
            "01.test              DISABLED  \n"
        );
        assert!(script(&run(1, "")).ends_with("\n  OUTPUT: \n"));
        assert!(script(&run(0, "\n\n")).ends_with("\n  OUTPUT: \n"));
        assert!(script(&run(0, "a\n\nb\n")).ends_with("\n  OUTPUT:\n    a\n    \n    b\n"));
        assert_eq!(
            script(&run(-libc::EINTR, "")),
            "01.test              CANNOT RUN (Interrupted system call)\n  OUTPUT: \n"
        );
    }

    #[test]
    fn times_are_written_like_ctime() {
        let text = ctime(1_000_000_000);
        assert!(text.ends_with(" 2001") && text.contains(" Sep  "), "{text}");
        assert_eq!(text.len(), "Sun Sep  9 01:46:40 2001".len());
    }
}
