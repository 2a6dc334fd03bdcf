// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb health`: one line for each thing that is wrong, and an exit status for scripts.

use super::none;
use super::status::node_lines;
use crate::failure::Outcome;
use crate::output::Report;
use crate::reasons;
use crate::session::Session;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Exit status when something is wrong.
const UNWELL: i32 = 1;

struct Health {
    problems: Vec<String>,
}

impl Report for Health {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        if self.problems.is_empty() {
            return writeln!(out, "OK");
        }
        self.problems
            .iter()
            .try_for_each(|problem| writeln!(out, "{problem}"))
    }

    fn json(&self) -> Value {
        json!({ "healthy": self.problems.is_empty(), "problems": self.problems })
    }
}

/// `ctdb health`.
pub async fn health(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let map = session.nodemap().await?;
    let lines = node_lines(session, &map.nodes).await?;
    let mut problems = reasons::of_nodes(session, &map, &lines).await;
    problems.extend(reasons::of_cluster(session).await?);
    let status = if problems.is_empty() { 0 } else { UNWELL };
    session.console.out.show(&Health { problems })?;
    Ok(status)
}
