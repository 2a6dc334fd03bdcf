//! What the test programs have in common, and the larger of them.

pub mod cluster_wait;
pub mod counter;
pub mod db_test;
pub mod fake_ctdbd;
pub mod fetch_loop;
pub mod names;
pub mod options;
pub mod run;
pub mod self_check;
pub mod sys;
pub mod wire_check;

pub use run::Failure;
