// SPDX-License-Identifier: GPL-3.0-or-later
//! Help and usage texts, made from the tables of options and commands.

use crate::args::{OPTIONS, OptionRow, Value};
use crate::failure::{Failure, Outcome};
use crate::session::Console;
use crate::table::{COMMANDS, Command, Group, find};
use std::fmt::Write;

/// Where the brief usage is wrapped.
const USAGE_WIDTH: usize = 75;

/// `ctdb` without a command: options, then all commands in upstream's order.
pub fn full() -> String {
    let mut text = options();
    text.push_str("\nCommands:\n");
    for command in COMMANDS {
        push_row(&mut text, command);
    }
    text
}

/// `ctdb --help`: options, then the commands by subject.
pub fn grouped() -> String {
    let mut text = options();
    for group in Group::ALL {
        let _ = writeln!(text, "\n{}:", group.title());
        for command in COMMANDS
            .iter()
            .filter(|c| c.group == group && c.name != "sync")
        {
            push_row(&mut text, command);
        }
    }
    text.push_str("\nMore about one of them: ctdb help COMMAND\n");
    text
}

/// `ctdb help`.
pub fn run(console: &mut Console, args: &[String]) -> Outcome {
    let text = match args {
        [] => grouped(),
        [name] => match find(name) {
            Some(known) => command(known),
            None => return Err(Failure::say(1, format!("Unknown command '{name}'"))),
        },
        _ => return Err(Failure::Usage),
    };
    console.out.line(text.trim_end())?;
    Ok(0)
}

/// `ctdb help COMMAND`: usage, what it does and what `-n`, `-X` and `-j` mean for it.
pub fn command(command: &Command) -> String {
    let gap = if command.args.is_empty() { "" } else { " " };
    let mut text = format!(
        "Usage: ctdb [OPTION...] {}{gap}{}\n\n",
        command.name, command.args
    );
    let _ = writeln!(text, "  {}", command.help);
    for line in crate::manual::details(command.name) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// After wrong arguments: the options in brief and the row of the command, or everything.
pub fn usage(command: Option<&Command>) -> String {
    match command {
        None => full(),
        Some(command) => {
            let mut text = brief();
            text.push_str("\nCommands:\n");
            push_row(&mut text, command);
            text
        }
    }
}

/// `ctdb --usage`.
pub fn brief() -> String {
    let letters: String = OPTIONS
        .iter()
        .filter(|o| o.value == Value::None)
        .map(|o| o.short)
        .collect();
    let mut words = vec![
        format!("[-?{letters}]"),
        "[-?|--help]".to_owned(),
        "[--usage]".to_owned(),
    ];
    words.extend(OPTIONS.iter().map(brief_option));
    let mut text = String::from("Usage:");
    let mut column = text.len();
    for word in words {
        if column + word.len() + 1 > USAGE_WIDTH {
            text.push_str("\n       ");
            column = 7;
        }
        let _ = write!(text, " {word}");
        column += word.len() + 1;
    }
    text.push('\n');
    text
}

/// The commands a mistyped word may have meant, best first, at most three.
pub fn suggestions(word: &str) -> Vec<&'static str> {
    let mut near: Vec<(usize, &'static str)> = COMMANDS
        .iter()
        .map(|c| (distance(word, c.name), c.name))
        .filter(|(d, name)| *d <= 1 + name.len() / 4 || (word.len() >= 3 && name.starts_with(word)))
        .collect();
    // equally near ones stay in the order of the table, which begins with what is used most
    near.sort_by_key(|(distance, _)| *distance);
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Whether `word` is the name of a command.
pub fn knows(word: &str) -> bool {
    find(word).is_some()
}

fn options() -> String {
    let mut text = String::from("Usage: [OPTION...]\n");
    let lefts: Vec<String> = OPTIONS.iter().map(left).collect();
    // popt leaves three more columns than the widest option needs
    let width = lefts.iter().map(String::len).max().unwrap_or(0) + 3;
    for (option, left) in OPTIONS.iter().zip(&lefts) {
        let _ = writeln!(text, "  {left:width$}  {}", option.help);
    }
    text.push_str("\nHelp options:\n");
    for (left, help) in [
        ("-?, --help", "Show this help message"),
        ("    --usage", "Display brief usage message"),
    ] {
        let _ = writeln!(text, "  {left:width$}  {help}");
    }
    text
}

fn left(option: &OptionRow) -> String {
    match (option.long, option.value) {
        (None, _) => format!("-{}", option.short),
        (Some(long), Value::None) => format!("-{}, --{long}", option.short),
        (Some(long), _) => format!("-{}, --{long}={}", option.short, option.metavar),
    }
}

fn brief_option(option: &OptionRow) -> String {
    match (option.long, option.value) {
        (None, _) => format!("[-{}]", option.short),
        (Some(long), Value::None) => format!("[-{}|--{long}]", option.short),
        (Some(long), _) => format!("[-{}|--{long}={}]", option.short, option.metavar),
    }
}

fn push_row(text: &mut String, command: &Command) {
    let _ = writeln!(
        text,
        "  {:<15} {:<27}  {}",
        command.name, command.args, command.help
    );
}

/// Edits that turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_commands_are_recognised() {
        assert_eq!(suggestions("staus").first(), Some(&"status"));
        assert_eq!(suggestions("nodestat").first(), Some(&"nodestatus"));
        assert!(suggestions("xyzzyplugh").is_empty());
    }

    #[test]
    fn every_command_is_in_the_grouped_help() {
        let text = grouped();
        for command in COMMANDS.iter().filter(|c| c.name != "sync") {
            assert!(
                text.contains(&format!("  {:<15} ", command.name)),
                "{}",
                command.name
            );
        }
    }

    #[test]
    fn brief_usage_is_wrapped_as_popt_wraps() {
        assert!(brief().lines().all(|line| line.len() <= USAGE_WIDTH));
        assert!(brief().starts_with("Usage: [-?YXjv] [-?|--help] [--usage] [-d|--debug=STRING]\n"));
    }
}
