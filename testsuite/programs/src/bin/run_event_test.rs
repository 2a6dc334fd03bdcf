//! `run_event_test DIRECTORY list|enable SCRIPT|disable SCRIPT|run TIMEOUT EVENT [ARGUMENT...]`:
//! runs an event of a directory of scripts as the event daemon does.

use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use ctdbd::eventd::run::{Event, Runner};
use ctdbd::eventd::script;
use tokio::task::LocalSet;
use tokio::time::Instant;

const ENOTDIR: i32 = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [directory, rest @ ..] = words.as_slice() else {
        return usage();
    };
    let directory = Path::new(directory);
    if let Err(code) = check(directory) {
        eprintln!("run_event_init() failed, ret={code}");
        return ExitCode::FAILURE;
    }
    match rest {
        ["list"] => list(directory),
        ["enable", name] => change(directory, name, true),
        ["disable", name] => change(directory, name, false),
        ["run", timeout, event, arguments @ ..] => {
            return run(directory, timeout, event, &arguments.join(" "));
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: run_event_test <scriptdir> run|list|enable|disable <options>");
    ExitCode::FAILURE
}

fn check(directory: &Path) -> Result<(), i32> {
    match std::fs::metadata(directory) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(ENOTDIR),
        Err(e) => Err(code(&e)),
    }
}

fn code(e: &std::io::Error) -> i32 {
    e.raw_os_error().unwrap_or(-1)
}

fn list(directory: &Path) {
    match script::list(directory) {
        Ok(scripts) if scripts.is_empty() => println!("No event scripts found"),
        Ok(scripts) => scripts
            .iter()
            .for_each(|script| println!("{}", script.name)),
        Err(e) => println!("Script list failed with result={}", code(&e)),
    }
}

fn change(directory: &Path, name: &str, enable: bool) {
    let result = script::change(directory, name, enable).map_or_else(|e| code(&e), |()| 0);
    let what = if enable { "enable" } else { "disable" };
    println!("Script {what} {name} completed with result={result}");
}

fn run(directory: &Path, timeout: &str, name: &str, arguments: &str) -> ExitCode {
    ctdbd::log::set_level(ctdbd::log::level::ERROR);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        eprintln!("run_event_test: no runtime");
        return ExitCode::FAILURE;
    };
    let limit = Duration::from_secs(timeout.parse().unwrap_or(0));
    let runner = Rc::new(Runner::new(directory.to_owned(), None));
    let result = LocalSet::new().block_on(&runtime, async {
        let event = Event {
            name: name.to_owned(),
            arguments: arguments.to_owned(),
            deadline: (!limit.is_zero()).then(|| Instant::now() + limit),
            all: false,
        };
        runner.run(&event).await
    });
    match result {
        Ok(run) if run.scripts.is_empty() => println!("No event scripts found"),
        Ok(run) => {
            println!("Event {name} completed with result={}", run.summary);
            for script in &run.scripts {
                println!("{} result={}", script.name, script.result);
            }
        }
        Err(code) => eprintln!("run_event() failed, ret={code}"),
    }
    ExitCode::SUCCESS
}
