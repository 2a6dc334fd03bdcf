// SPDX-License-Identifier: GPL-3.0-or-later
//! Robust mutexes: whether this machine has them.

use std::sync::OnceLock;

use crate::file::handle_list;

/// Whether robust, process-shared mutexes work here, so that `MUTEX_LOCKING` may be used.
///
/// The first call forks once and leaves a SIGCHLD handler behind that passes signals on to the
/// handler it found: ask early, before anything else cares about SIGCHLD.
pub fn robust_mutexes_work() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let _list = handle_list();
        // SAFETY: no arguments; the forked child only touches a page shared with us and exits.
        unsafe { tdb_sys::tdb_runtime_check_for_robust_mutexes() }
    })
}
