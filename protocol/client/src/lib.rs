//! A typed, asynchronous client of a CTDB daemon: for the tool, the helpers, the tests, and the
//! services of the daemon itself, which speak to it in the same words as anyone else.
//!
//! Time passes only through `tokio::time`, so that all of this runs under a paused clock too.
#![forbid(unsafe_code)]

mod client;
#[cfg(feature = "local-database")]
pub mod database;
mod dispatch;
mod error;
mod incoming;
pub mod inquiry;
mod message;
pub mod procedure;
mod request;
mod transport;
mod tunnel;

pub use client::Client;
pub use error::{CallError, ConnectError, ControlError, Failure};
pub use incoming::{Message, TunnelRequest};
pub use request::{NoReply, Request};
pub use tunnel::Tunnel;
