//! `event_script_test list|enable|disable DIRECTORY [SCRIPT]`: event scripts in their directory.

use std::path::Path;
use std::process::ExitCode;

use ctdbd::eventd::script;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list", directory] => list(directory),
        ["enable", directory, name] => change("enable", directory, name),
        ["disable", directory, name] => change("disable", directory, name),
        _ => {
            eprintln!("Usage: event_script_test list|enable|disable <scriptdir> [<script>]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn code(e: &std::io::Error) -> i32 {
    e.raw_os_error().unwrap_or(-1)
}

fn list(directory: &str) {
    match script::list(Path::new(directory)) {
        Ok(scripts) if scripts.is_empty() => println!("No scripts found"),
        Ok(scripts) => scripts
            .iter()
            .for_each(|script| println!("{}", script.name)),
        Err(e) => println!("Script list {directory} failed with result={}", code(&e)),
    }
}

fn change(what: &str, directory: &str, name: &str) {
    let result = script::change(Path::new(directory), name, what == "enable");
    let code = result.map_or_else(|e| code(&e), |()| 0);
    println!("Script {what} {directory} {name} completed with result={code}");
}
