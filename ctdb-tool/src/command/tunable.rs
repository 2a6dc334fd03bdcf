// SPDX-License-Identifier: GPL-3.0-or-later
//! Tunable variables.

use super::{none, one};
use crate::failure::{Doing, Failure, Outcome};
use crate::number;
use crate::output::value::Tunables;
use crate::session::Session;
use ctdb_protocol::control as ctl;
use ctdb_protocol::types::Tunable;

/// `ctdb getvar`.
pub async fn getvar(session: &mut Session, args: &[String]) -> Outcome {
    let name = one(args)?;
    if !is_known(session, name).await? {
        return unknown(session, name);
    }
    let value = session
        .control::<ctl::GetTunable>(session.target, &name.into())
        .await?;
    session
        .console
        .out
        .show(&Tunables(vec![(name.to_owned(), value)]))?;
    Ok(0)
}

/// `ctdb setvar`.
pub async fn setvar(session: &mut Session, args: &[String]) -> Outcome {
    let [name, value] = args else {
        return Err(Failure::Usage);
    };
    if !is_known(session, name).await? {
        return unknown(session, name);
    }
    let value = number::unsigned32(value, 0).map_err(|e| Failure::silent(e.errno()))?;
    let tunable = Tunable {
        value,
        name: name.as_str().into(),
    };
    match session
        .control::<ctl::SetTunable>(session.target, &tunable)
        .await
    {
        Ok(()) => Ok(0),
        // status 1 is a warning, not a failure
        Err(failure) if failure.status() == 1 => Err(failure
            .and(format!("Setting obsolete tunable variable '{name}'"))
            .with_status(0)),
        Err(failure) => Err(failure),
    }
}

/// `ctdb listvars`.
pub async fn listvars(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let names = session
        .control::<ctl::ListTunables>(session.target, &())
        .await?;
    let mut values = Vec::new();
    for name in names.names() {
        let value = session
            .control::<ctl::GetTunable>(session.target, &text(name).into())
            .await?;
        values.push((text(name), value));
    }
    session.console.out.show(&Tunables(values))?;
    Ok(0)
}

async fn is_known(session: &Session, name: &str) -> Result<bool, Failure> {
    let node = session.target;
    let names = session
        .control::<ctl::ListTunables>(node, &())
        .await
        .doing(|| format!("Failed to get list of variables from node {node}"))?;
    Ok(names
        .names()
        .any(|known| known.eq_ignore_ascii_case(name.as_bytes())))
}

fn unknown(session: &mut Session, name: &str) -> Outcome {
    session
        .console
        .out
        .line(&format!("No such tunable {name}"))?;
    Ok(1)
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
