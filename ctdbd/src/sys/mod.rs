//! Calls into the system that no safe crate wraps; beside the tdb crates the only place with `unsafe`.

pub mod clock;
pub mod descriptor;
pub mod link_address;
pub mod mapping;
pub mod memory;
pub mod process;
pub mod rados;
pub mod readiness;
pub mod shared_map;
