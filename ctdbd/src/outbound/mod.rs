//! What the core asks for and the loop cannot do at once: connections, processes, files.

pub mod addresses;
pub mod cluster_lock;
pub mod connect;
pub mod events;
pub mod files;
pub mod gratuitous_arp;
pub mod helper;
pub mod locks;
pub mod records;
pub mod script;
