// SPDX-License-Identifier: GPL-3.0-or-later
//! Working on this node's database files the way every client does: attach, lock a record's chain, migrate the
//! record here, change it in place; transactions on top of that.

pub mod attach;
pub mod global_lock;
pub mod record;
pub mod transaction;
