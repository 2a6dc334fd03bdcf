//! Whole clusters in one process and virtual time.
//!
//! Every node is the daemon's own core ([`daemon`]) with the daemon's own cluster watch, recovery and
//! takeover run. The rest is simulated: [`network`], [`storage`] with its [`locks`], the
//! [`cluster_lock`], event scripts as delays. [`workload`] uses it as smbd does, [`nemesis`] disturbs
//! it, [`checkers`] look whether what must hold does. Everything random comes from one [`seed`], so a
//! failing run can be repeated.
#![forbid(unsafe_code)]

pub mod checkers;
pub mod cluster;
pub mod cluster_lock;
pub mod daemon;
pub mod environment;
pub mod locks;
pub mod nemesis;
pub mod network;
pub mod run;
pub mod seed;
pub mod stoppable;
pub mod storage;
pub mod workload;
pub mod world;
