// SPDX-License-Identifier: GPL-3.0-or-later
//! Numbers as C's `strtoul` family reads them: scripts write `0x1f`, `010` and `5x`, and rely on it.

/// Why a text is not a number; the code is the errno upstream exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// No digits at all, or a minus sign where none may be.
    Invalid,
    /// Too large for the type.
    Range,
}

impl NumberError {
    /// The errno value that upstream's tool returns for this error.
    pub fn errno(self) -> i32 {
        match self {
            Self::Invalid => libc::EINVAL,
            Self::Range => libc::ERANGE,
        }
    }
}

/// What was at the front of a text, as `strtoul` splits it.
struct Leading<'a> {
    negative: bool,
    magnitude: Option<u128>,
    overflow: bool,
    rest: &'a str,
}

/// An unsigned number at the front of `text`; what follows the digits is ignored, a minus sign is not.
/// Base 0 guesses from `0x` and `0`. Answers to `smb_strtoull(.., SMB_STR_STANDARD)`.
pub fn unsigned(text: &str, base: u32) -> Result<u64, NumberError> {
    let lead = split(text, base);
    if lead.overflow {
        return Err(NumberError::Range);
    }
    let magnitude = lead.magnitude.ok_or(NumberError::Invalid)?;
    if lead.negative {
        return Err(NumberError::Invalid);
    }
    u64::try_from(magnitude).map_err(|_| NumberError::Range)
}

/// As [`unsigned`], cut to 32 bits as C's assignment to `uint32_t` cuts it.
pub fn unsigned32(text: &str, base: u32) -> Result<u32, NumberError> {
    unsigned(text, base).map(|wide| (wide & u64::from(u32::MAX)) as u32)
}

/// An option's integer value: the whole text must be a number that fits an `int`; the empty text is 0, as for popt.
pub fn option_int(text: &str) -> Result<i32, NumberError> {
    let lead = split(text, 0);
    if !lead.rest.is_empty() {
        return Err(NumberError::Invalid);
    }
    if lead.overflow {
        return Err(NumberError::Range);
    }
    let magnitude = i128::try_from(lead.magnitude.unwrap_or(0)).map_err(|_| NumberError::Range)?;
    let value = if lead.negative { -magnitude } else { magnitude };
    i32::try_from(value).map_err(|_| NumberError::Range)
}

/// Whatever decimal digits are at the front, 0 when there are none: C's `atol`, cut to 32 bits.
pub fn lenient(text: &str) -> i32 {
    let lead = split(text, 10);
    let magnitude = i128::try_from(lead.magnitude.unwrap_or(0)).unwrap_or(i128::MAX);
    let clamped = magnitude.min(i128::from(i64::MAX));
    let value = if lead.negative { -clamped } else { clamped };
    (value & i128::from(u32::MAX)) as u32 as i32
}

fn split(text: &str, base: u32) -> Leading<'_> {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (radix, digits) = radix(unsigned, base);
    let length = digits
        .bytes()
        .take_while(|b| (*b as char).is_digit(radix))
        .count();
    if length == 0 {
        return Leading {
            negative,
            magnitude: None,
            overflow: false,
            rest: text,
        };
    }
    let mut value: u128 = 0;
    let mut overflow = false;
    for digit in digits[..length].chars().filter_map(|c| c.to_digit(radix)) {
        value = value
            .saturating_mul(u128::from(radix))
            .saturating_add(u128::from(digit));
        overflow |= value > u128::from(u64::MAX);
    }
    Leading {
        negative,
        magnitude: Some(value),
        overflow,
        rest: &digits[length..],
    }
}

/// The base to read in, and the digits without their prefix.
fn radix(text: &str, base: u32) -> (u32, &str) {
    let prefixed = text.len() > 2
        && (text.starts_with("0x") || text.starts_with("0X"))
        && text.as_bytes()[2].is_ascii_hexdigit();
    match base {
        0 | 16 if prefixed => (16, &text[2..]),
        0 if text.starts_with('0') => (8, text),
        0 => (10, text),
        other => (other, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_strtoul_reads() {
        assert_eq!(unsigned("0x1F", 0), Ok(31));
        assert_eq!(unsigned("010", 0), Ok(8));
        assert_eq!(unsigned("  12abc", 0), Ok(12));
        assert_eq!(unsigned("0x", 0), Ok(0));
        assert_eq!(unsigned("-5", 0), Err(NumberError::Invalid));
        assert_eq!(unsigned("abc", 0), Err(NumberError::Invalid));
        assert_eq!(
            unsigned("99999999999999999999999999", 0),
            Err(NumberError::Range)
        );
        assert_eq!(unsigned32("4294967297", 0), Ok(1));
    }

    #[test]
    fn options_take_whole_integers_only() {
        assert_eq!(option_int("-1"), Ok(-1));
        assert_eq!(option_int(""), Ok(0));
        assert_eq!(option_int("1x"), Err(NumberError::Invalid));
        assert_eq!(option_int("99999999999"), Err(NumberError::Range));
    }

    #[test]
    fn lenient_never_fails() {
        assert_eq!(lenient("12x"), 12);
        assert_eq!(lenient("x"), 0);
        assert_eq!(lenient("-3"), -3);
    }
}
