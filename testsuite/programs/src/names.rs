//! `errcode` and `sigcode`: numbers by name and names by number.

use std::process::ExitCode;

/// The program: `dump`, a number, or a name.
#[must_use]
pub fn main(program: &str, table: &[(&str, i32)]) -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(word), None) = (arguments.next(), arguments.next()) else {
        eprintln!("Usage: {program} dump|<{program}>");
        return ExitCode::FAILURE;
    };
    if word == "dump" {
        for (name, number) in table {
            println!("{name} {number}");
        }
    } else {
        println!("{}", look_up(table, &word));
    }
    ExitCode::SUCCESS
}

fn look_up(table: &[(&str, i32)], word: &str) -> String {
    match number(word) {
        Some(number) => {
            let known = table.iter().find(|(_, known)| i64::from(*known) == number);
            known.map_or("UNKNOWN", |(name, _)| name).to_owned()
        }
        None => {
            let known = table
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(word));
            known.map_or(-1, |(_, number)| *number).to_string()
        }
    }
}

/// A number as C writes it: decimal, octal or hexadecimal.
fn number(word: &str) -> Option<i64> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    value.ok().map(|value| sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        let table = [("ENOENT", 2), ("EIO", 5)];
        let words = ["2", "0x5", "enoent", "EWHAT", "77"];
        assert_eq!(
            words.map(|word| look_up(&table, word)),
            ["ENOENT", "EIO", "2", "-1", "UNKNOWN"]
        );
    }
}
