//! Clients that work as smbd does: they read and write the database files themselves, under the
//! chain locks, and ask the daemon for what is not here.

pub mod increments;
pub mod pace;
pub mod records;
pub mod transactions;
