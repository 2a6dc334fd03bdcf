// SPDX-License-Identifier: GPL-3.0-or-later
//! CTDB's configuration: `ctdb.conf`, the nodes list, `public_addresses`, `ctdb.tunables`, and
//! where all of these are. Files are read here; nothing is logged here: what there is to say
//! is collected in a [`Report`] for the caller, whose log or standard error it belongs to.
//!
//! The line rules of `ctdb.conf` and `ctdb.tunables` are in [`lines`], the options of
//! `ctdb.conf` in the table of [`options`], the tunables in the table of [`tunables`]. Which release of Samba is spoken is said in [`release`].
#![forbid(unsafe_code)]

mod check;
pub mod conf;
pub mod config;
pub mod home_nodes;
pub mod level;
pub mod lines;
pub mod nodes;
mod number;
mod old_settings;
pub mod options;
pub mod paths;
pub mod public_addresses;
pub mod release;
pub mod report;
pub mod tunables;

pub use config::Config;
pub use home_nodes::HomeNode;
pub use level::Level;
pub use nodes::{NodeLine, Nodes};
pub use paths::Paths;
pub use public_addresses::{PublicAddressLine, PublicAddresses};
pub use release::Release;
pub use report::{LoadError, Message, Report};
pub use tunables::Tunables;
