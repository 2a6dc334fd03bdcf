// SPDX-License-Identifier: GPL-3.0-or-later
//! The commands, one file per subject. What each is called and what it takes stands in [`crate::table`].

pub mod address;
pub mod backup;
pub mod control;
pub mod database;
pub mod debug;
pub mod dump;
pub mod failover;
pub mod file;
pub mod flag;
pub mod health;
pub mod helper;
mod helper_json;
pub mod locks;
pub mod nodes_file;
pub mod plan;
pub mod record;
pub mod statistics;
pub mod status;
pub mod tickle;
pub mod top;
pub mod transaction;
pub mod tunable;
pub mod upgrade;

use crate::failure::Failure;

/// Refuses any argument.
fn none(args: &[String]) -> Result<(), Failure> {
    if args.is_empty() {
        Ok(())
    } else {
        Err(Failure::Usage)
    }
}

/// Exactly one argument.
fn one(args: &[String]) -> Result<&str, Failure> {
    match args {
        [only] => Ok(only),
        _ => Err(Failure::Usage),
    }
}

/// At most one argument.
fn at_most_one(args: &[String]) -> Result<Option<&str>, Failure> {
    match args {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(Failure::Usage),
    }
}
