//! The event daemon (`ctdb-eventd`) and its command line client (`ctdb-event`).
//!
//! The daemon runs the scripts of an event, one after the other, as its clients ask over its
//! socket: `script` knows the directories, `process` runs one program, `capture` keeps what it writes, `leftover` names what it leaves behind, `run` the scripts of an
//! event and decides which event goes first, `server` speaks with clients, `client` and `tool`
//! are the other end.

pub mod capture;
pub mod client;
mod leftover;
pub mod process;
pub mod run;
pub mod script;
mod server;
mod status;
mod tool;

pub use server::main as daemon_main;
pub use tool::main as tool_main;
