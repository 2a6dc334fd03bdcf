// SPDX-License-Identifier: GPL-3.0-or-later
//! Walking over records. A panic in a callback stops the walk and goes on in the caller: none
//! ever crosses C.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tdb_sys::TDB_DATA;

use crate::error::Result;
use crate::file::Tdb;
use crate::record::{bytes, datum};

type Visitor<'f> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'f;

impl Tdb {
    /// Shows every record (key, value) to `visit` until it breaks off, in the order of chains;
    /// other writers may come in between. `visit` may change records through this handle.
    /// Returns how many records were shown.
    pub fn traverse(
        &self,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<usize> {
        let mut walk = Walk::new(&mut visit);
        // SAFETY: `walk` outlives the call and is what `visitor` expects.
        let shown = self.count("traverse", |raw| unsafe {
            tdb_sys::tdb_traverse(raw, Some(visitor), walk.private())
        });
        walk.finish(shown)
    }

    /// As [`Tdb::traverse`] with read locks only; `visit` must not write.
    pub fn traverse_read(
        &self,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<usize> {
        let mut walk = Walk::new(&mut visit);
        // SAFETY: as for `traverse`.
        let shown = self.count("traverse_read", |raw| unsafe {
            tdb_sys::tdb_traverse_read(raw, Some(visitor), walk.private())
        });
        walk.finish(shown)
    }

    /// Shows the records of one chain, under its read lock, in place. Inside `visit` every
    /// other operation on this handle is refused ([`Kind::Nesting`](crate::Kind::Nesting)).
    pub fn traverse_chain(
        &self,
        chain: u32,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<usize> {
        let mut walk = Walk::new(&mut visit);
        let shown = self.lend("traverse_chain", |raw| {
            // SAFETY: as for `traverse`; `lend` keeps the map in place.
            unsafe { tdb_sys::tdb_traverse_chain(raw, chain, Some(visitor), walk.private()) }
        });
        walk.finish(shown)
    }

    /// As [`Tdb::traverse_chain`], for the chain of `key`.
    pub fn traverse_key_chain(
        &self,
        key: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<usize> {
        let mut walk = Walk::new(&mut visit);
        let shown = self.lend("traverse_key_chain", |raw| {
            // SAFETY: as for `traverse_chain`; the key outlives the call.
            unsafe {
                tdb_sys::tdb_traverse_key_chain(raw, datum(key), Some(visitor), walk.private())
            }
        });
        walk.finish(shown)
    }

    /// Checks the whole file, and each record with `good`. An error of kind
    /// [`Kind::Corrupt`](crate::Kind::Corrupt) says that something was wrong.
    pub fn check(&self, mut good: impl FnMut(&[u8], &[u8]) -> bool) -> Result<()> {
        let mut visit = |key: &[u8], value: &[u8]| {
            if good(key, value) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let mut walk = Walk::new(&mut visit);
        let result = self.lend("check", |raw| {
            // SAFETY: `walk` outlives the call and is what `checker` expects; `lend` keeps the
            // map in place.
            unsafe { tdb_sys::tdb_check(raw, Some(checker), walk.private()) }
        });
        walk.finish(result).map(drop)
    }

    fn lend(
        &self,
        op: &'static str,
        f: impl FnOnce(*mut tdb_sys::tdb_context) -> i32,
    ) -> Result<i32> {
        self.count(op, |raw| {
            self.lending.set(true);
            let result = f(raw);
            self.lending.set(false);
            result
        })
    }
}

struct Walk<'f> {
    visit: &'f mut Visitor<'f>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<'f> Walk<'f> {
    fn new(visit: &'f mut Visitor<'f>) -> Self {
        Self { visit, panic: None }
    }

    fn private(&mut self) -> *mut c_void {
        std::ptr::from_mut(self).cast::<c_void>()
    }

    /// True if the walk goes on.
    fn show(&mut self, key: &[u8], value: &[u8]) -> bool {
        match catch_unwind(AssertUnwindSafe(|| (self.visit)(key, value))) {
            Ok(flow) => flow.is_continue(),
            Err(panic) => {
                self.panic = Some(panic);
                false
            }
        }
    }

    fn finish(self, shown: Result<i32>) -> Result<usize> {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
        shown.map(|n| usize::try_from(n).expect("count() lets no negative number pass"))
    }
}

/// # Safety
/// `private` must point to a live `Walk` that nobody else uses during the call, and the data
/// must stay in place until it returns.
unsafe extern "C" fn visitor(
    _: *mut tdb_sys::tdb_context,
    key: TDB_DATA,
    data: TDB_DATA,
    private: *mut c_void,
) -> c_int {
    // SAFETY: promised by the caller.
    let walk = unsafe { &mut *private.cast::<Walk<'_>>() };
    // SAFETY: promised by the caller.
    let (key, value) = unsafe { (bytes(&key), bytes(&data)) };
    c_int::from(!walk.show(key, value))
}

/// # Safety
/// As for `visitor`.
unsafe extern "C" fn checker(key: TDB_DATA, data: TDB_DATA, private: *mut c_void) -> c_int {
    // SAFETY: promised by the caller.
    let walk = unsafe { &mut *private.cast::<Walk<'_>>() };
    // SAFETY: promised by the caller.
    let (key, value) = unsafe { (bytes(&key), bytes(&data)) };
    if walk.show(key, value) { 0 } else { -1 }
}
