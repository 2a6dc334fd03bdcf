// SPDX-License-Identifier: GPL-3.0-or-later
//! Times and spans as upstream prints them.

use crate::sys;

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `Sun Nov 22 10:05:47 2026`: C's `ctime`, without the line end.
pub fn date(seconds: i64) -> String {
    let t = sys::local_time(seconds);
    let day = DAYS.get(t.weekday).unwrap_or(&"???");
    let month = MONTHS.get(t.month).unwrap_or(&"???");
    format!(
        "{day} {month} {:2} {:02}:{:02}:{:02} {}",
        t.day, t.hour, t.minute, t.second, t.year
    )
}

/// `2026/11/22 10:05:47`.
pub fn stamp(seconds: i64) -> String {
    let t = sys::local_time(seconds);
    format!(
        "{}/{:02}/{:02} {:02}:{:02}:{:02}",
        t.year,
        t.month + 1,
        t.day,
        t.hour,
        t.minute,
        t.second
    )
}

/// `(000 00:00:01)`: days, hours, minutes and seconds since something; negative spans keep C's signs.
pub fn span(seconds: i64) -> String {
    // C computes in an int
    let total = seconds as i32;
    let (seconds, minutes) = (total % 60, total / 60 % 60);
    let (hours, days) = (total / 3600 % 24, total / 86400);
    format!("({days:03} {hours:02}:{minutes:02}:{seconds:02})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_days_and_clock() {
        assert_eq!(span(1), "(000 00:00:01)");
        assert_eq!(span(90_061), "(001 01:01:01)");
    }
}
