//! The daemon's shell: everything with sockets, processes and files around the deterministic core, and
//! the helper programs.

pub mod log;
pub mod sys;
