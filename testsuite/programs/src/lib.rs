//! What the test programs have in common, and the larger of them.

pub mod fake_ctdbd;
pub mod sys;
pub mod wire_check;
