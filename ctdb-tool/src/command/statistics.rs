// SPDX-License-Identifier: GPL-3.0-or-later
//! Counters.

use super::database::existing;
use super::{at_most_one, none, one};
use crate::failure::{Doing, Outcome};
use crate::number;
use crate::output::statistics::{DbStatisticsReport, StatisticsReport};
use crate::session::Session;
use ctdb_protocol::control as ctl;

/// `ctdb statistics`.
pub async fn statistics(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let set = session
        .control::<ctl::Statistics>(session.target, &())
        .await?;
    session.console.out.show(&StatisticsReport {
        sets: vec![set],
        history: false,
    })?;
    Ok(0)
}

/// `ctdb statisticsreset`.
pub async fn statisticsreset(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    session
        .control::<ctl::StatisticsReset>(session.target, &())
        .await?;
    Ok(0)
}

/// `ctdb stats`: counters of past intervals. Upstream shows one interval more than asked for; so do we.
pub async fn stats(session: &mut Session, args: &[String]) -> Outcome {
    let wanted = at_most_one(args)?.map_or(0, number::lenient);
    let history = session
        .control::<ctl::GetStatHistory>(session.target, &())
        .await?;
    let limit = match usize::try_from(wanted) {
        Ok(count) if count > 0 => count.saturating_add(1),
        _ => usize::MAX,
    };
    let sets = history
        .stats
        .into_iter()
        .take(limit)
        .filter(|set| set.statistics_start_time.sec != 0)
        .collect();
    session.console.out.show(&StatisticsReport {
        sets,
        history: true,
    })?;
    Ok(0)
}

/// `ctdb dbstatistics`.
pub async fn dbstatistics(session: &mut Session, args: &[String]) -> Outcome {
    let db = existing(session, one(args)?).await?;
    let stats = session
        .control::<ctl::GetDbStatistics>(session.target, &db.id)
        .await
        .doing(|| format!("Failed to get statistics for DB {}", db.name))?;
    session.console.out.show(&DbStatisticsReport {
        name: db.name,
        stats,
    })?;
    Ok(0)
}
