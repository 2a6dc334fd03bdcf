//! The daemon's shell: everything with sockets, processes and files around the deterministic core, and
//! the helper programs.

pub mod killtcp;
pub mod lock;
pub mod log;
pub mod packet_socket;
pub mod ping_pong;
pub mod socket;
pub mod statd;
pub mod sys;
pub mod takeover;
pub mod tdb_mutex_check;
