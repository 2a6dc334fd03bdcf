//! What can go wrong between a client and its daemon.

use ctdb_protocol::{Pnn, WireError};

/// The connection to the daemon could not be made, or is gone.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens, or we may not speak to them.
    #[error("failed to connect to CTDB daemon ({path}): {source}")]
    Socket {
        /// The socket.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The daemon did not tell its number.
    #[error(transparent)]
    Pnn(#[from] ControlError),
}

/// A control that was not carried out, or whose answer did not come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("control {control} to node {dest}: {failure}")]
pub struct ControlError {
    /// Which control.
    pub control: &'static str,
    /// Who was asked.
    pub dest: Pnn,
    /// What happened.
    pub failure: Failure,
}

/// Why there is no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The daemon is gone.
    #[error("connection to the daemon lost")]
    Closed,
    /// Nothing came in time.
    #[error("timed out")]
    TimedOut,
    /// It was refused.
    #[error("status {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Status {
        /// Never 0.
        status: i32,
        /// The daemon's words; mostly none.
        message: String,
    },
    /// The answer makes no sense.
    #[error("malformed reply: {0}")]
    Malformed(#[from] WireError),
}

impl ControlError {
    /// The status, when the control was refused.
    #[must_use]
    pub fn status(&self) -> Option<i32> {
        match self.failure {
            Failure::Status { status, .. } => Some(status),
            Failure::Closed | Failure::TimedOut | Failure::Malformed(_) => None,
        }
    }

    /// Did it take too long?
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.failure == Failure::TimedOut
    }
}

/// A call that was not made, or a tunnel request without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The daemon is gone.
    #[error("connection to the daemon lost")]
    Closed,
    /// The daemon answered with an error packet.
    #[error("call failed with status {status}{}{message}", if message.is_empty() { "" } else { ": " })]
    Failed {
        /// What it said.
        status: i32,
        /// The same in words; mostly none.
        message: String,
    },
    /// The daemon answered with something else altogether.
    #[error("unexpected reply")]
    Unexpected,
}
