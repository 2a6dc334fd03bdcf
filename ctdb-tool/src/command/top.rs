// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb top`: nodes, databases and hot records, with rates between two samples. On a terminal a live screen; else
//! one sample in the form asked for.

pub mod sample;
mod screen;

use super::at_most_one;
use crate::failure::{Failure, Outcome};
use crate::number;
use crate::output::Form;
use crate::session::Session;
use sample::{Rates, Sample};
use std::io::IsTerminal;
use std::time::Duration;

/// Seconds between two samples.
const INTERVAL: Duration = Duration::from_secs(2);

/// `ctdb top`.
pub async fn top(session: &mut Session, args: &[String]) -> Outcome {
    let interval = match at_most_one(args)? {
        Some(text) => Duration::from_secs(u64::from(
            number::unsigned32(text, 10)
                .map_err(|_| Failure::Usage)?
                .max(1),
        )),
        None => INTERVAL,
    };
    if session.console.out.form() == Form::Text && std::io::stdout().is_terminal() {
        return screen::watch(session, interval).await;
    }
    let before = Sample::take(session).await?;
    tokio::time::sleep(interval.min(Duration::from_secs(1))).await;
    let now = Sample::take(session).await?;
    session.console.out.show(&Rates::between(&before, now))?;
    Ok(0)
}
