// SPDX-License-Identifier: GPL-3.0-or-later
//! Commands that other programs carry out.

use super::{at_most_one, one};
use crate::event_status::{last_run, outcome};
use crate::failure::{Failure, Outcome, errno_of};
use crate::helper::run;
use crate::output::Form;
use crate::output::value::{Raw, WithText};
use crate::session::{Console, Session};
use ctdb_protocol::event::StatusReply;
use ctdb_protocol::types::Timeval;
use serde_json::{Value, json};

/// `ctdb natgw`.
pub async fn natgw(session: &mut Session, args: &[String]) -> Outcome {
    one(args)?;
    let program = session
        .console
        .paths
        .helper("CTDB_NATGW_HELPER", "ctdb_natgw");
    run("NAT gateway helper", &program, args)
}

/// `ctdb lvs`.
pub async fn lvs(session: &mut Session, args: &[String]) -> Outcome {
    one(args)?;
    let program = session.console.paths.helper("CTDB_LVS_HELPER", "ctdb_lvs");
    run("LVS helper", &program, args)
}

/// `ctdb event`.
pub fn event(console: &mut Console, args: &[String]) -> Outcome {
    let program = console.paths.helper("CTDB_EVENT_HELPER", "ctdb-event");
    run("event daemon helper", &program, args)
}

/// `ctdb scriptstatus`: the old way to say `ctdb event status legacy EVENT`. Never fails.
pub fn scriptstatus(console: &mut Console, args: &[String]) -> Outcome {
    let wanted = at_most_one(args)?.unwrap_or("monitor");
    if console.out.form() == Form::Json {
        return scriptstatus_json(console, wanted);
    }
    let words = ["status", "legacy", wanted].map(str::to_owned);
    match event(console, &words) {
        Ok(_) => Ok(0),
        Err(Failure::Usage) => Err(Failure::Usage),
        Err(failure) => Err(failure.with_status(0)),
    }
}

/// The event daemon's answer itself, because its program knows no JSON.
fn scriptstatus_json(console: &mut Console, event: &str) -> Outcome {
    let run = last_run(console, event).map_err(|error| {
        Failure::say(
            errno_of(&error),
            format!("Event {event} has never run, or nobody knows: {error}"),
        )
    })?;
    let value = run_json(event, &run);
    let text = Raw {
        key: "event",
        bytes: Vec::new(),
    };
    console.out.show(&WithText { text, value })?;
    Ok(0)
}

fn run_json(event: &str, run: &StatusReply) -> Value {
    let seconds = |t: &Timeval| t.sec as f64 + t.usec as f64 * 1e-6;
    let scripts: Vec<Value> = run
        .scripts
        .0
        .iter()
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
