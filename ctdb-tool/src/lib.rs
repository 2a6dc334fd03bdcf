// SPDX-License-Identifier: GPL-3.0-or-later
//! The ctdb command: [`table`] lists the commands, [`command`] has their code, [`output`] shows results.
//!
//! Reading order: [`main`] takes the command line apart ([`args`]), finds the command, opens a
//! [`session::Session`] with the local daemon if it needs one, and runs it. Commands return an exit status or a
//! [`failure::Failure`]; nothing below `main` ends the program.

pub mod args;
pub mod backup_file;
pub mod command;
pub mod completion;
pub mod database_failure;
pub mod event_status;
pub mod failure;
pub mod help;
pub mod inquiry;
pub mod ltdb;
pub mod manual;
pub mod nodes_file;
pub mod number;
pub mod output;
pub mod packages;
pub mod packet;
pub mod parse;
pub mod progress;
pub mod reasons;
pub mod run_helper;
pub mod session;
pub mod sys;
pub mod table;
pub mod takeover;

use args::{Options, Parsed};
use failure::{Failure, Outcome};
use session::{Console, Session};
use std::process::ExitCode;
use table::{Action, Command};

/// How long a command may run unless told otherwise, in seconds.
const MAX_RUNTIME_S: i32 = 120;

/// The program `ctdb`.
pub fn main() -> ExitCode {
    sys::default_sigpipe();
    let words = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let status = match args::parse(words) {
        Ok(Parsed::Run(options, rest)) => run(options, rest),
        Ok(Parsed::Help(rest)) => help_for(&rest),
        Ok(Parsed::Usage) => {
            print!("{}", help::brief());
            0
        }
        Err(error) => {
            eprintln!("{error}");
            1
        }
    };
    // what upstream's exit() makes of an int; -1 counts as 1
    ExitCode::from(if status == -1 {
        1
    } else {
        (status & 0xFF) as u8
    })
}

fn help_for(rest: &[String]) -> i32 {
    let known = rest.first().and_then(|name| table::find(name));
    print!("{}", known.map_or_else(help::grouped, help::command));
    0
}

fn run(mut options: Options, rest: Vec<String>) -> i32 {
    let limited = options.max_runtime_s != 0;
    if !limited {
        match runtime_from_environment() {
            Some(seconds) => options.max_runtime_s = seconds,
            None => {
                eprintln!("Invalid value CTDB_TIMEOUT");
                return 1;
            }
        }
    }
    let Some((name, args)) = rest.split_first() else {
        print!("{}", help::full());
        return 1;
    };
    let Some(command) = table::find(name) else {
        eprintln!("Unknown command '{name}'");
        suggest(name);
        return 1;
    };
    // one that reads keys has to stay in the group that has the terminal
    if command.name != "top"
        && std::env::var_os("CTDB_TEST_MODE").is_some()
        && std::env::var_os("CTDB_TOOL_SETPGID").is_none()
    {
        // once: helpers that we start stay in our group
        sys::own_process_group();
        sys::set_environment("CTDB_TOOL_SETPGID", "1");
    }
    if command.name == "top" && !limited {
        options.max_runtime_s = 0;
    }
    // a negative limit is a very long one, as in C
    sys::end_after(options.max_runtime_s as u32);
    match execute(command, options, args) {
        Ok(status) => status,
        Err(Failure::Usage) => {
            // `sync` is an old name
            let named = if command.name == "sync" {
                "ipreallocate"
            } else {
                command.name
            };
            print!("{}", help::usage(table::find(named)));
            explain(command, args);
            1
        }
        Err(Failure::Stop { status, lines }) => {
            for line in lines {
                eprintln!("{line}");
            }
            status
        }
    }
}

/// `None` if the variable is there but no number.
fn runtime_from_environment() -> Option<i32> {
    match std::env::var("CTDB_TIMEOUT") {
        Ok(text) => number::unsigned(&text, 0)
            .ok()
            .map(|seconds| seconds as i32),
        Err(_) => Some(MAX_RUNTIME_S),
    }
}

/// What was wrong, in a line of its own below the usage. Only for people, like [`suggest`].
fn explain(command: &Command, args: &[String]) {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() {
        return;
    }
    let wanted = if command.args.is_empty() {
        "no arguments"
    } else {
        command.args
    };
    let given = if args.is_empty() {
        "none".to_owned()
    } else {
        args.join(" ")
    };
    eprintln!("ctdb {}: wants {wanted}, got {given}", command.name);
}

/// Only for people: scripts compare what goes to a pipe.
fn suggest(name: &str) {
    use std::io::IsTerminal;
    let near = help::suggestions(name);
    if !near.is_empty() && std::io::stderr().is_terminal() {
        eprintln!("Did you mean: {}?", near.join(", "));
    }
}

fn execute(command: &Command, options: Options, args: &[String]) -> Outcome {
    let mut console = Console::open(options)?;
    let run = match command.run {
        Action::Help | Action::Alone(_) | Action::AloneOrVerbose(..)
            if console.options.node != -1 =>
        {
            return Err(Failure::say(
                1,
                format!("Cannot specify node for command {}", command.name),
            ));
        }
        Action::Help => return help::run(&mut console, args),
        Action::Alone(run) => return run(&mut console, args),
        Action::AloneOrVerbose(run, _) if !console.options.verbose => {
            return run(&mut console, args);
        }
        Action::AloneOrVerbose(_, run) | Action::Daemon(run) => run,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::say(1, format!("Failed to initialize event loop: {error}")))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let anywhere = command.reach == table::Reach::Anywhere;
        let mut session = Session::open(console, command.name, anywhere).await?;
        run(&mut session, args).await
    })
}
