//! Where news come from: peers, clients, signals, the pipes of children.

pub mod inside;
pub mod links;
pub mod output;
pub mod signal;
pub mod stdin;
pub mod tcp;
pub mod unix;
