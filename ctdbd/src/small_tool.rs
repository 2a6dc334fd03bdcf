//! What the small programs `ctdb-config` and `ctdb-event` have in common: where things are, and `--debug`.

use ctdb_config::{Level, Paths};

use crate::cmdline::{self, Cmdline, CommandSpec, Kind, OptionSpec};

/// What a command works with.
pub(crate) struct Tool {
    /// How much is said on standard error.
    pub(crate) level: Level,
    /// Where things are.
    pub(crate) paths: Paths,
}

const OPTIONS: &[OptionSpec<Tool>] = &[OptionSpec {
    long: Some("debug"),
    short: 'd',
    kind: Kind::Text,
    store: Some(|tool, value| {
        tool.level = Level::parse(value).unwrap_or(Level::Error);
        true
    }),
    help: "debug level",
    value_name: Some("ERROR|WARNING|NOTICE|INFO|DEBUG"),
}];

/// A program of these commands; answers with its exit code.
pub(crate) fn main(program: &'static str, commands: &'static [CommandSpec<Tool>]) -> i32 {
    let paths = match Paths::from_env() {
        Ok(paths) => paths,
        Err(e) => {
            eprintln!("{e}");
            return 1;
        }
    };
    let cmdline =
        Cmdline::new(program, OPTIONS, None, commands).expect("the tables above are complete");
    let mut tool = Tool {
        level: Level::Error,
        paths,
    };
    cmdline::main(&cmdline, &mut tool)
}
