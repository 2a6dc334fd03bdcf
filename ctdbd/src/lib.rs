//! The daemon's shell: everything with sockets, processes and files around the deterministic core, and
//! the helper programs.

pub mod killtcp;
pub mod log;
pub mod packet_socket;
pub mod socket;
pub mod sys;
pub mod takeover;
