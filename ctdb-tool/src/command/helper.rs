// SPDX-License-Identifier: GPL-3.0-or-later
//! Commands that other programs carry out.

use super::{at_most_one, helper_json, one};
use crate::event_status::last_run;
use crate::failure::{Failure, Outcome, errno_of};
use crate::output::Form;
use crate::output::value::{Raw, WithText};
use crate::run_helper::{output, run};
use crate::session::{Console, Session};
use ctdb_protocol::event::StatusReply;
use ctdb_protocol::event::outcome;
use ctdb_protocol::types::Timeval;
use serde_json::{Value, json};

/// What natgw and lvs exit with when no node can lead.
const NO_LEADER: [i32; 2] = [2, 255];
const EVENT_HELPER: &str = "event daemon helper";

/// `ctdb natgw`.
pub async fn natgw(session: &mut Session, args: &[String]) -> Outcome {
    let what = "NAT gateway helper";
    group(session, args, what, "CTDB_NATGW_HELPER", "ctdb_natgw")
}

/// `ctdb lvs`.
pub async fn lvs(session: &mut Session, args: &[String]) -> Outcome {
    group(session, args, "LVS helper", "CTDB_LVS_HELPER", "ctdb_lvs")
}

fn group(
    session: &mut Session,
    args: &[String],
    what: &str,
    variable: &str,
    program: &str,
) -> Outcome {
    let word = one(args)?;
    let program = session.console.paths.helper(variable, program);
    if session.console.out.form() != Form::Json {
        return run(what, &program, args);
    }
    let (status, text) = output(what, &program, args)?;
    match helper_json::group(word, &text) {
        Some(value) if status == 0 || (word == "leader" && NO_LEADER.contains(&status)) => {
            show_json(&mut session.console, value)?
        }
        _ => session.console.out.line(text.trim_end())?,
    }
    Ok(status)
}

/// `ctdb config`: what `ctdb-config` does, which is not in anybody's PATH.
pub fn config(console: &mut Console, args: &[String]) -> Outcome {
    let program = console.paths.helperdir().join("ctdb-config");
    run("configuration helper", &program, args)
}

/// `ctdb event`.
pub fn event(console: &mut Console, args: &[String]) -> Outcome {
    if console.out.form() == Form::Json {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["status", component, event] => return status_json(console, component, event),
            ["script", "list", component] => return scripts_json(console, component, args),
            // the others print nothing but failures
            _ => {}
        }
    }
    let program = console.paths.helper("CTDB_EVENT_HELPER", "ctdb-event");
    run(EVENT_HELPER, &program, args)
}

fn scripts_json(console: &mut Console, component: &str, args: &[String]) -> Outcome {
    let program = console.paths.helper("CTDB_EVENT_HELPER", "ctdb-event");
    let (status, text) = output(EVENT_HELPER, &program, args)?;
    if status == 0 {
        show_json(console, helper_json::scripts(component, &text))?;
    }
    Ok(status)
}

fn show_json(console: &mut Console, value: Value) -> Result<(), Failure> {
    let text = Raw {
        key: "",
        bytes: Vec::new(),
    };
    console.out.show(&WithText { text, value })
}

/// `ctdb scriptstatus`: the old way to say `ctdb event status legacy EVENT`. Never fails.
pub fn scriptstatus(console: &mut Console, args: &[String]) -> Outcome {
    let wanted = at_most_one(args)?.unwrap_or("monitor");
    if console.out.form() == Form::Json {
        return status_json(console, "legacy", wanted);
    }
    let words = ["status", "legacy", wanted].map(str::to_owned);
    match event(console, &words) {
        Ok(_) => Ok(0),
        Err(Failure::Usage) => Err(Failure::Usage),
        Err(failure) => Err(failure.with_status(0)),
    }
}

/// The event daemon's answer itself, because its program knows no JSON.
fn status_json(console: &mut Console, component: &str, event: &str) -> Outcome {
    let run = last_run(&console.paths.socket("eventd"), component, event).map_err(|error| {
        Failure::say(
            errno_of(&error),
            format!("Event {event} of {component} has never run, or nobody knows: {error}"),
        )
    })?;
    show_json(console, run_json(event, &run))?;
    Ok(0)
}

fn run_json(event: &str, run: &StatusReply) -> Value {
    let seconds = |t: &Timeval| t.sec as f64 + t.usec as f64 * 1e-6;
    let scripts: Vec<Value> = run
        .reached()
        .map(|script| {
            json!({
                "name": script.name.to_string(),
                "status": outcome(script.result),
                "result": script.result,
                "begin": seconds(&script.begin),
                "end": seconds(&script.end),
                "output": script.output.to_string(),
            })
        })
        .collect();
    json!({ "event": event, "summary": run.summary, "scripts": scripts })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::event::{ScriptList, ScriptResult};

    #[test]
    fn scripts_that_hang_are_named() {
        let script = ScriptResult {
            name: "50.samba".into(),
            begin: Timeval { sec: 1, usec: 0 },
            end: Timeval {
                sec: 31,
                usec: 500_000,
            },
            result: -libc::ETIMEDOUT,
            output: "no answer".into(),
        };
        let run = StatusReply {
            summary: -libc::ETIMEDOUT,
            scripts: ScriptList(vec![script]),
        };
        let value = run_json("monitor", &run);
        assert_eq!(value["scripts"][0]["status"], "TIMEDOUT");
        assert_eq!(value["scripts"][0]["end"], 31.5);
    }
}
