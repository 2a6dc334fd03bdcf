//! Controls to one node or to many, with a limit.

use std::time::Duration;

use ctdb_protocol::control::Control;
use ctdb_protocol::id::Pnn;

use crate::{Client, ControlError};

/// Sends a control and waits for its answer, no longer than `limit`.
///
/// # Errors
/// The control failed, or its node did not answer in time.
pub async fn ask<C: Control>(
    client: &Client,
    node: Pnn,
    request: &C::Request,
    limit: Duration,
) -> Result<C::Reply, ControlError> {
    client
        .request::<C>(node, request)
        .timeout(limit)
        .send()
        .await
}

/// The answers of several nodes to the same control, in the order of `nodes`.
pub async fn ask_all<C: Control>(
    client: &Client,
    nodes: &[Pnn],
    request: &C::Request,
    limit: Duration,
) -> Vec<(Pnn, Result<C::Reply, ControlError>)> {
    client.control_all::<C>(nodes, request, Some(limit)).await
}

/// The first node whose answer was an error, with that error.
#[derive(Debug, thiserror::Error)]
#[error("{control} failed on node {node}: {error}")]
pub struct Refused {
    /// Name of the control.
    pub control: &'static str,
    /// The node.
    pub node: Pnn,
    /// What it answered.
    pub error: ControlError,
}

/// As [`ask_all`], where one failure is a failure of the whole.
///
/// # Errors
/// The first failure in the order of `nodes`.
pub async fn ask_each<C: Control>(
    client: &Client,
    nodes: &[Pnn],
    request: &C::Request,
    limit: Duration,
) -> Result<Vec<(Pnn, C::Reply)>, Refused> {
    first_failure(ask_all::<C>(client, nodes, request, limit).await, C::NAME)
}

/// Answers of several nodes to the control of this name, where one failure is a failure of the whole.
///
/// # Errors
/// The first failure.
pub fn first_failure<R>(
    answers: Vec<(Pnn, Result<R, ControlError>)>,
    control: &'static str,
) -> Result<Vec<(Pnn, R)>, Refused> {
    answers
        .into_iter()
        .map(|(node, answer)| match answer {
            Ok(reply) => Ok((node, reply)),
            Err(error) => Err(Refused {
                control,
                node,
                error,
            }),
        })
        .collect()
}
