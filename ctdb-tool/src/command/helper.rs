// SPDX-License-Identifier: GPL-3.0-or-later
//! Commands that other programs carry out.

use super::{at_most_one, one};
use crate::failure::{Failure, Outcome};
use crate::helper::run;
use crate::session::{Console, Session};

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
    let words = ["status", "legacy", wanted].map(str::to_owned);
    match event(console, &words) {
        Ok(_) => Ok(0),
        Err(Failure::Usage) => Err(Failure::Usage),
        Err(failure) => Err(failure.with_status(0)),
    }
}
