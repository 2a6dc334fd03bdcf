//! Sockets that the loop serves itself, without a task or a channel per connection.

mod budget;
mod connection;
mod ready;

pub use budget::Budget;
pub use connection::{Connection, Heard};
pub use ready::{Ready, Token};
