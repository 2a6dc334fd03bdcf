//! CTDB's wire formats: bytes to types and back, nothing else.
//!
//! Everything is in host byte order, as the C programs copy their structures to the wire. Each
//! kind of thing is declared once: packets in [`packet`], controls in [`control`], messages in
//! [`message`], the event daemon's commands in [`event`]. The types they carry are in [`types`].
//!
//! This crate performs no I/O, knows no clock and trusts no length that came from outside.
#![forbid(unsafe_code)]

pub mod id;
#[macro_use]
mod table;
pub mod cluster_lock;
pub mod control;
pub mod event;
pub mod frame;
pub mod hash;
pub mod message;
pub mod packet;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod srvid;
pub mod text;
pub mod types;
pub mod wire;

pub use cluster_lock::LockAnswer;
pub use control::Control;
pub use id::{ClientId, DbId, Generation, Pnn, ReqId};
pub use packet::{Header, Packet};
pub use srvid::Srvid;
pub use wire::{Wire, WireError, all, encode};

/// The TCP port of the daemons, where `/etc/services` names no other.
pub const PORT: u16 = 4379;
