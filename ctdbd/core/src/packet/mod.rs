//! Takes packets apart and sends each to the service that it is for.

pub mod client;
pub mod node;
