//! The program `ctdb-event`: asks the event daemon, and links event scripts in and out.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ctdb_config::{Level, Release};
use ctdb_protocol::event::{Reply, Request, Run, RunFlags, Status};
use ctdb_protocol::text::CountedText;

use super::client::Client;
use super::script::{self, Script};
use super::status;
use crate::cmdline::{Cmdline, CommandSpec};
use crate::small_tool::{self, Tool};

const COMMANDS: &[CommandSpec<Tool>] = &[
    CommandSpec::new("run", run, "Run an event").taking("<timeout> <component> <event> <args>"),
    CommandSpec::new("status", status, "Get status of an event").taking("<component> <event>"),
    CommandSpec::new("script list", list, "List event scripts").taking("<component>"),
    CommandSpec::new("script enable", enable, "Enable an event script")
        .taking("<component> <script>"),
    CommandSpec::new("script disable", disable, "Disable an event script")
        .taking("<component> <script>"),
];

/// The program; answers with its exit code.
#[must_use]
pub fn main() -> i32 {
    small_tool::main("ctdb-event", COMMANDS)
}

impl Tool {
    fn notice(&self, text: &str) {
        if self.level >= Level::Notice {
            eprintln!("{text}");
        }
    }

    /// Sends a request; on failure says so and answers with the exit code.
    fn ask(&self, request: &Request, failed: &str) -> Result<Reply, i32> {
        let mut client = Client::connect(&self.paths.socket("eventd")).map_err(|e| {
            let code = errno(&e);
            eprintln!("Failed to initialize event client, ret={code}");
            code
        })?;
        client.ask(request).map_err(|e| {
            eprintln!("{failed}, ret={}", errno(&e));
            1
        })
    }

    /// Where a component's scripts are linked.
    fn linked(&self, component: &str) -> PathBuf {
        self.paths.in_etcdir(&format!("events/{component}"))
    }

    /// Where a component's scripts come from.
    fn provided(&self, component: &str) -> PathBuf {
        self.paths.in_datadir(&format!("events/{component}"))
    }
}

fn errno(e: &io::Error) -> i32 {
    e.raw_os_error().unwrap_or(libc::EIO)
}

fn usage(cmdline: &Cmdline<Tool>, command: &str) -> i32 {
    print!("{}", cmdline.usage(Some(command)));
    1
}

fn run(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    let [timeout, component, event, rest @ ..] = arguments else {
        return usage(cmdline, "run");
    };
    let digits: String = timeout.chars().take_while(char::is_ascii_digit).collect();
    let test_all = tool.paths.test_mode() && std::env::var_os("CTDB_EVENT_RUN_ALL").is_some();
    let request = Request::Run(Run {
        component: component.as_str().into(),
        event: event.as_str().into(),
        args: if rest.is_empty() {
            CountedText::none()
        } else {
            rest.join(" ").into()
        },
        timeout_s: digits.parse().unwrap_or(0),
        flags: if test_all {
            RunFlags::ALL
        } else {
            RunFlags::empty()
        },
    });
    let failed = format!("Failed to run event {event} in {component}");
    let result = match tool.ask(&request, &failed) {
        Ok(reply) => reply.result,
        Err(code) => return code,
    };
    tool.notice(&format!("Command run finished with result={result}"));
    match result {
        0 => {}
        libc::ENOENT => println!("Event dir for {component} does not exist"),
        libc::ETIMEDOUT => println!("Event {event} in {component} timed out"),
        libc::ECANCELED => println!("Event {event} in {component} got cancelled"),
        libc::ENOEXEC => println!("Event {event} in {component} failed"),
        _ => println!("{failed}, result={result}"),
    }
    result.abs()
}

fn status(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    let [component, event] = arguments else {
        return usage(cmdline, "status");
    };
    let request = Request::Status(Status {
        component: component.as_str().into(),
        event: event.as_str().into(),
    });
    let failed = format!("Failed to get status for event {event} in {component}");
    let reply = match tool.ask(&request, &failed) {
        Ok(reply) => reply,
        Err(code) => return code,
    };
    tool.notice(&format!(
        "Command status finished with result={}",
        reply.result
    ));
    match (reply.result, reply.status) {
        (libc::ENOENT, _) => println!("Event dir for {component} does not exist"),
        (libc::EINVAL, _) => println!("Event {event} has never run in {component}"),
        (0, Some(status)) => {
            for run in status.reached() {
                print!("{}", status::script(run));
            }
            return status.summary.abs();
        }
        (result, _) => {
            println!("Unknown error ({result}) for event {event} in {component}");
        }
    }
    reply.result
}

fn list(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    let [component] = arguments else {
        return usage(cmdline, "script list");
    };
    // Links name what they point to in full.
    let directory = tool.provided(component);
    let provided = fs::canonicalize(&directory).and_then(|dir| script::list(&dir));
    let lists = provided.and_then(|provided| {
        let linked = script::list(&tool.linked(component))?;
        Ok((provided, linked))
    });
    let result = lists.as_ref().err().map_or(0, errno);
    let finished = format!("Command script list finished with result={result}");
    match lists {
        Ok((provided, linked)) => {
            tool.notice(&finished);
            print!("{}", listing(&provided, &linked));
        }
        Err(_) if result == libc::ENOENT && names_directory(tool) => {
            let directory = directory.display();
            eprintln!("Unable to find event script installation directory: {directory}");
        }
        Err(_) => eprintln!("{finished}"),
    }
    result
}

fn names_directory(tool: &Tool) -> bool {
    Release::in_force(&tool.paths).names_missing_script_directory()
}

/// First the scripts that are provided, marked if linked in; then, below a blank line, those
/// that somebody put there himself, marked if they can be run.
fn listing(provided: &[Script], linked: &[Script]) -> String {
    let line = |enabled: bool, script: &Script| {
        let mark = if enabled { '*' } else { ' ' };
        format!("{mark} {}\n", script.name)
    };
    let is_link_to = |link: &Script, target: &Script| {
        link.name == target.name && fs::read_link(&link.path).is_ok_and(|to| to == target.path)
    };
    let mut text: String = provided
        .iter()
        .map(|script| line(linked.iter().any(|link| is_link_to(link, script)), script))
        .collect();
    let local: String = linked
        .iter()
        .filter(|link| !provided.iter().any(|script| is_link_to(link, script)))
        .map(|script| line(script.enabled, script))
        .collect();
    if !text.is_empty() && !local.is_empty() {
        text.push('\n');
    }
    text + &local
}

fn enable(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    let [component, name] = arguments else {
        return usage(cmdline, "script enable");
    };
    let file = format!("{name}.script");
    let link = joined(&tool.linked(component), &file);
    match fs::symlink_metadata(&link) {
        Ok(meta) if meta.is_symlink() => 0,
        Ok(meta) if meta.is_file() => change(tool, component, name, true),
        Ok(_) => {
            println!("Script {} is not a file or a link", link.display());
            libc::EINVAL
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let target = fs::canonicalize(joined(&tool.provided(component), &file));
            match target {
                Ok(target) => match symlink(target, &link) {
                    Ok(()) => 0,
                    Err(_) => {
                        println!("Failed to create symlink {}", link.display());
                        libc::EIO
                    }
                },
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    println!("Script {name} does not exist in {component}");
                    libc::ENOENT
                }
                Err(e) => errno(&e),
            }
        }
        Err(_) => {
            println!("Script {} does not exist", link.display());
            libc::EINVAL
        }
    }
}

fn disable(tool: &mut Tool, cmdline: &Cmdline<Tool>, arguments: &[String]) -> i32 {
    let [component, name] = arguments else {
        return usage(cmdline, "script disable");
    };
    let link = joined(&tool.linked(component), &format!("{name}.script"));
    match fs::symlink_metadata(&link) {
        Ok(meta) if meta.is_symlink() => match fs::remove_file(&link) {
            Ok(()) => 0,
            Err(_) => {
                println!("Failed to remove symlink {}", link.display());
                libc::EIO
            }
        },
        Ok(meta) if meta.is_file() => change(tool, component, name, false),
        Ok(_) => {
            println!("Script {} is not a file or a link", link.display());
            libc::EINVAL
        }
        // What is not there is not enabled.
        Err(_) => 0,
    }
}

/// Changes a script that is no link by its mode.
fn change(tool: &Tool, component: &str, name: &str, enable: bool) -> i32 {
    let result = script::change(&tool.linked(component), name, enable)
        .err()
        .map_or(0, |e| errno(&e));
    tool.notice(&format!("Command script finished with result={result}"));
    match result {
        libc::EINVAL => println!("Script {name} is invalid in {component}"),
        libc::ENOENT => println!("Script {name} does not exist in {component}"),
        _ => {}
    }
    result
}

/// Both to the letter, as they are printed.
fn joined(directory: &Path, file: &str) -> PathBuf {
    let mut path = directory.as_os_str().to_owned();
    path.push("/");
    path.push(file);
    path.into()
}
