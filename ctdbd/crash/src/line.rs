// SPDX-License-Identifier: GPL-3.0-or-later
//! Text that is put together without memory from the heap, as a signal handler must.

use std::fmt;

/// What does not fit is left out.
pub(crate) struct Line {
    bytes: [u8; Self::BYTES],
    used: usize,
}

impl Line {
    const BYTES: usize = 768;

    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; Self::BYTES],
            used: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(Self::BYTES - self.used);
        self.bytes[self.used..self.used + n].copy_from_slice(&bytes[..n]);
        self.used += n;
    }

    /// The text with a newline at its end, whatever had to be left out.
    pub(crate) fn end(&mut self) -> &[u8] {
        self.used = self.used.min(Self::BYTES - 1);
        self.push(b"\n");
        self.bytes()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// `2026-11-22T10:00:00.000001+01:00`, computed here: localtime_r takes a lock.
pub(crate) struct Stamp {
    pub(crate) unix_s: i64,
    pub(crate) microsecond: i64,
    pub(crate) offset_s: i64,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.unix_s + self.offset_s;
        let (year, month, day) = civil(local.div_euclid(86_400));
        let second = local.rem_euclid(86_400);
        let sign = if self.offset_s < 0 { '-' } else { '+' };
        let offset_min = self.offset_s.unsigned_abs() / 60;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}{sign}{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60,
            self.microsecond,
            offset_min / 60,
            offset_min % 60
        )
    }
}

/// Year, month and day of a day counted from 1970-01-01: years begin in March here, so that the leap day is
/// the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_IN_400_YEARS: i64 = 146_097;
    // From 0000-03-01.
    let days = days + 719_468;
    let (era, day) = (
        days.div_euclid(DAYS_IN_400_YEARS),
        days.rem_euclid(DAYS_IN_400_YEARS),
    );
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn stamps_are_those_of_the_calendar() {
        let stamp = |unix_s, offset_s| {
            let stamp = Stamp {
                unix_s,
                microsecond: 42,
                offset_s,
            };
            stamp.to_string()
        };
        assert_eq!(stamp(0, 0), "1970-01-01T00:00:00.000042+00:00");
        assert_eq!(
            stamp(1_700_000_000, 3600),
            "2023-11-14T23:13:20.000042+01:00"
        );
        assert_eq!(
            stamp(1_709_164_800, -5400),
            "2024-02-28T22:30:00.000042-01:30"
        );
        assert_eq!(
            stamp(1_709_164_800 + 86_400, 0),
            "2024-03-01T00:00:00.000042+00:00"
        );
    }

    #[test]
    fn too_long_a_line_still_ends() {
        let mut line = Line::new();
        write!(line, "{}", "x".repeat(2000)).unwrap();
        let end = line.end();
        assert_eq!((end.len(), end.last()), (Line::BYTES, Some(&b'\n')));
    }
}
