//! Processes and the locks that clients keep in records of `g_lock.tdb`.

use std::fmt;

use crate::wire::{Pad, Parsed, Wire, items};

wire_enum! {
    /// How a g_lock is held.
    pub struct GLockKind: u32 {
        /// Shared.
        READ = 0, "READ";
        /// Alone.
        WRITE = 1, "WRITE";
    }
}

wire_struct! {
    /// A process of the cluster, as Samba names it.
    #[derive(Copy, Default, PartialOrd, Ord, Hash)]
    pub struct ServerId {
        /// Process id.
        pid: u64,
        /// Number inside the process.
        task_id: u32,
        /// Its node; all-ones when there is no cluster.
        vnn: u32,
        /// Distinguishes processes that reuse a pid.
        unique_id: u64,
    }

    /// One holder of a lock.
    #[derive(Copy)]
    pub struct GLock {
        /// How.
        kind: GLockKind,
        /// A hole.
        pad: Pad<4>,
        /// Who.
        sid: ServerId,
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.vnn, self.pid, self.task_id)
    }
}

/// The holders of a lock: they fill the record, without a count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GLockList(pub Vec<GLock>);

impl Wire for GLockList {
    fn put(&self, out: &mut Vec<u8>) {
        for lock in &self.0 {
            lock.put(out);
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        const SIZE: usize = 32;
        let count = u32::try_from(input.len() / SIZE).unwrap_or(u32::MAX);
        let (rest, locks) = items(input, count)?;
        Ok((rest, Self(locks)))
    }
}
