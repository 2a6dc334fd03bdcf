//! What the test programs have in common, and the larger of them.

pub mod wire_check;
