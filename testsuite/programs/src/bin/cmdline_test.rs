//! `cmdline_test NUMBER`: definitions and command lines of UNIT/cunit/cmdline_test_001, through
//! the module that `ctdb-config` and its like use.

use std::process::ExitCode;

use ctdbd::cmdline::{Cmdline, CommandSpec, Kind, OptionSpec};

/// Where options of the test go.
#[derive(Debug, Default)]
struct Values {
    count: i32,
    value: i32,
}

type Commands = &'static [CommandSpec<Values>];
type Options = &'static [OptionSpec<Values>];

fn nothing(_: &mut Values, _: &Cmdline<Values>, _: &[String]) -> i32 {
    0
}

fn main() -> ExitCode {
    let number = std::env::args().nth(1).unwrap_or_default();
    match number.as_str() {
        "1" => no_commands(),
        "2" => bad_commands(),
        "3" => bad_options(),
        "4" => long_help(),
        "5" => parse_with_options(),
        "6" => run_with_arguments(),
        "7" => sections(),
        _ => {
            eprintln!("Usage cmdline_test <testnum>");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A program without commands matches nothing.
fn no_commands() {
    let cmdline = define("test1", &[], None, &[]).expect("nothing is wrong with no commands");
    assert_eq!(parse(&cmdline, &["x"]), Err(libc::ENOENT));
}

fn bad_commands() {
    const fn command(
        name: &'static str,
        help: Option<&'static str>,
        arguments: Option<&'static str>,
    ) -> CommandSpec<Values> {
        CommandSpec {
            name,
            run: Some(nothing),
            help,
            arguments,
        }
    }
    const NO_FUNCTION: Commands = &[CommandSpec {
        name: "nofunc",
        run: None,
        help: None,
        arguments: None,
    }];
    const NO_HELP: Commands = &[command("nohelp", None, None)];
    const LONG: Commands = &[command(
        "really really long command with lots of words",
        Some("long command help"),
        Some("<and lots of really long long arguments>"),
    )];
    const LONG_HELP: Commands = &[command(
        "longhelp",
        Some(
            "this is a really really really long help messagewith lots of words and lots of \
             description",
        ),
        None,
    )];
    const TWO_WORDS: Commands = &[command("multiple words", Some("multiple words help"), None)];
    for commands in [NO_FUNCTION, NO_HELP, LONG, LONG_HELP] {
        show_problem(define("test2", &[], None, commands));
    }
    assert!(define("test2", &[], None, TWO_WORDS).is_ok());
}

fn bad_options() {
    const fn option(
        long: Option<&'static str>,
        kind: Kind,
        store: Option<fn(&mut Values, &str) -> bool>,
    ) -> OptionSpec<Values> {
        OptionSpec {
            long,
            short: 'd',
            kind,
            store,
            help: "help",
            value_name: None,
        }
    }
    const NO_NAME: Options = &[option(None, Kind::Text, Some(|_, _| true))];
    const NO_TYPE: Options = &[option(Some("debug"), Kind::Nothing, None)];
    const NO_TARGET: Options = &[option(Some("debug"), Kind::Text, None)];
    for options in [NO_NAME, NO_TYPE, NO_TARGET] {
        show_problem(define("test3", options, None, &[]));
    }
}

fn long_help() {
    const OPTIONS: Options = &[
        OptionSpec {
            long: Some("count"),
            short: 'c',
            kind: Kind::Number,
            store: Some(|values, text| text.parse().map(|n| values.count = n).is_ok()),
            help: "Option help of length thirty.",
            value_name: None,
        },
        OptionSpec {
            long: Some("value"),
            short: 'v',
            kind: Kind::Number,
            store: Some(|values, text| text.parse().map(|n| values.value = n).is_ok()),
            help: "Short description",
            value_name: Some("Value help of length 23"),
        },
    ];
    const COMMANDS: Commands = &[
        CommandSpec::new(
            "A really really long command",
            nothing,
            "This is a really long help message",
        )
        .taking("<a long arguments message>"),
        CommandSpec::new("short command", nothing, "short msg for short command")
            .taking("<short arg msg>"),
    ];
    let cmdline = define("test4", OPTIONS, None, COMMANDS).expect("complete tables");
    print!("{}", cmdline.usage(None));
    print!("{}", cmdline.usage(Some("short command")));
    let mut values = Values::default();
    let words = ["-c5", "--value=6", "short", "command"].map(str::to_owned);
    assert!(cmdline.parse(&words, &mut values).is_ok());
    assert_eq!((values.count, values.value), (5, 6));
}

fn one_argument(_: &mut Values, _: &Cmdline<Values>, arguments: &[String]) -> i32 {
    let [argument] = arguments else {
        return 100;
    };
    println!("{argument}");
    200
}

const ACTIONS: Commands = &[
    CommandSpec::new("action one", nothing, "action one help"),
    CommandSpec::new("action two", one_argument, "action two help"),
];

fn parse_with_options() {
    let cmdline = define("test5", &[], Some("Action"), ACTIONS).expect("complete tables");
    assert_eq!(parse(&cmdline, &["--help"]), Err(libc::EAGAIN));
    assert_eq!(parse(&cmdline, &["action"]), Err(libc::ENOENT));
    assert_eq!(parse(&cmdline, &["action", "--help"]), Err(libc::EAGAIN));
    assert_eq!(parse(&cmdline, &["action", "one"]), Ok(0));
}

fn run_with_arguments() {
    let cmdline = define("test6", &[], None, ACTIONS).expect("complete tables");
    assert_eq!(parse(&cmdline, &["action", "two"]), Ok(100));
    assert_eq!(parse(&cmdline, &["action", "two", "arg1"]), Ok(200));
    assert_eq!(parse(&cmdline, &["action", "two", "arg1", "arg2"]), Ok(100));
}

fn sections() {
    const BASIC: Commands = &[
        CommandSpec::new("cmd1", one_argument, "command one help"),
        CommandSpec::new("cmd2", one_argument, "command two help"),
    ];
    const ADVANCED: Commands = &[
        CommandSpec::new("cmd3", one_argument, "command three help"),
        CommandSpec::new("cmd4", one_argument, "command four help"),
    ];
    const ULTIMATE: Commands = &[
        CommandSpec::new("cmd5", one_argument, "command five help"),
        CommandSpec::new("cmd6", one_argument, "command six help"),
    ];
    let mut cmdline = define("test7", &[], Some("Basic"), BASIC).expect("complete tables");
    cmdline
        .add(Some("Advanced"), ADVANCED)
        .expect("complete table");
    cmdline
        .add(Some("Ultimate"), ULTIMATE)
        .expect("complete table");
    println!("{}", cmdline.usage(None));
    for words in [["cmd1", "one"], ["cmd3", "three"], ["cmd6", "six"]] {
        assert_eq!(parse(&cmdline, &words), Ok(200));
    }
}

fn define(
    program: &str,
    options: Options,
    section: Option<&'static str>,
    commands: Commands,
) -> Result<Cmdline<Values>, String> {
    Cmdline::new(program, options, section, commands)
}

fn show_problem(result: Result<Cmdline<Values>, String>) {
    eprintln!("{}", result.expect_err("a bad definition"));
}

/// Parses and runs; shows usage where that is the answer.
fn parse(cmdline: &Cmdline<Values>, words: &[&str]) -> Result<i32, i32> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    let mut values = Values::default();
    match cmdline.parse(&words, &mut values) {
        Ok(parsed) => Ok(parsed.run(cmdline, &mut values)),
        Err(stop) => {
            if cmdline.usage(None).contains("action") {
                print!("{}", stop.usage);
            }
            Err(stop.errno)
        }
    }
}
