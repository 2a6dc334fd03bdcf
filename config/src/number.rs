// SPDX-License-Identifier: GPL-3.0-or-later
//! Numbers as C's `strtol` family with base 0 reads them.

/// A number at the start of `text` (decimal, `0x` hex, `0` octal, blanks and a sign in front)
/// and what follows it. Nothing that reads as a number counts as 0. Saturates.
pub(crate) fn leading(text: &str) -> (i128, &str) {
    let unsigned = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (negative, unsigned) = match unsigned.as_bytes().first() {
        Some(b'-') => (true, &unsigned[1..]),
        Some(b'+') => (false, &unsigned[1..]),
        _ => (false, unsigned),
    };
    let hex = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (radix, digits) = match hex {
        Some(rest) => (16, rest),
        None if unsigned.starts_with('0') => (8, unsigned),
        None => (10, unsigned),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    if end == 0 {
        return (0, text);
    }
    let magnitude = digits[..end].chars().fold(0_i128, |value, c| {
        let digit = c.to_digit(radix).unwrap_or(0);
        value
            .saturating_mul(i128::from(radix))
            .saturating_add(i128::from(digit))
    });
    let value = if negative { -magnitude } else { magnitude };
    (value, &digits[end..])
}

/// A whole text that is one number without a minus sign, as `smb_strtoul` takes it.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    if text.contains('-') {
        return None;
    }
    match leading(text) {
        (value, "") => u64::try_from(value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_and_rests() {
        assert_eq!(leading(" 20 # c"), (20, " # c"));
        assert_eq!(leading("-5"), (-5, ""));
        assert_eq!(leading("0x1fz"), (31, "z"));
        assert_eq!(leading("072"), (58, ""));
        assert_eq!(leading("word"), (0, "word"));
        assert_eq!(unsigned("0xf"), Some(15));
        assert_eq!(unsigned("0xgg"), None);
        assert_eq!(unsigned(""), Some(0));
        assert_eq!(unsigned("value"), None);
        assert_eq!(unsigned("-1"), None);
    }
}
