//! One record: where it is, who waits for it, and how it gets to the node that needs it.

pub(in crate::database) mod call;
pub(in crate::database) mod calls;
pub(in crate::database) mod collapse;
pub(in crate::database) mod hot_keys;
pub(in crate::database) mod local;
mod migrate;
pub(crate) mod packet;
pub(in crate::database) mod push_record;
pub(in crate::database) mod readonly;
pub(in crate::database) mod sticky;
pub(crate) mod wait;
