//! Waiting for locks of database files.
//!
//! fcntl locks belong to a process and robust mutexes to a thread, so the daemon itself never
//! waits for one: helper processes do (`ctdb_lock_helper`), and the daemon marks what they hold
//! as its own. [`frame`] is what daemon and long-lived helpers say to each other, [`helper`]
//! the helper program.

pub mod frame;
pub mod helper;
pub mod holders;
