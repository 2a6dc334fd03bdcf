//! The cluster lock, tried on behalf of SET_RECMODE: it must be held by somebody else.

use std::time::Duration;

use ctdb_config::Paths;
use ctdb_core::Input;
use ctdb_core::effect::Ticket;
use ctdb_protocol::LockAnswer;

use crate::cluster_lock::Helper;
use crate::log;
use crate::news::ToLoop;

/// The time for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Tries the lock, lets it go, and tells the core.
pub async fn test(to_loop: ToLoop, ticket: Ticket, lock: Option<String>, paths: Paths) {
    let (answer, latency_s) = match attempt(lock.as_deref(), &paths).await {
        Ok(outcome) => outcome,
        Err(reason) => {
            log::error!("Unable to test cluster lock: {reason}");
            (LockAnswer::Failed, 0.0)
        }
    };
    to_loop.input(Input::ClusterLockTested {
        ticket,
        answer,
        latency_s,
    });
}

async fn attempt(lock: Option<&str>, paths: &Paths) -> Result<(LockAnswer, f64), String> {
    let lock = lock.ok_or("no cluster lock is configured")?;
    let helper = Helper::new(lock, paths).map_err(|e| e.to_string())?;
    let outcome = helper
        .start()
        .map_err(|e| e.to_string())?
        .outcome(LIMIT)
        .await;
    if let Some(lock) = outcome.lock {
        lock.release().await;
    }
    Ok((outcome.answer, outcome.latency.as_secs_f64()))
}
