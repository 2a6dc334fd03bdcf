// SPDX-License-Identifier: GPL-3.0-or-later
//! Single records: read, write, delete.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tdb_sys::TDB_DATA;

use crate::error::{Kind, Result};
use crate::file::Tdb;
use crate::flags::StoreMode;

/// Describes a slice to C. C must not write through it.
pub(crate) fn datum(bytes: &[u8]) -> TDB_DATA {
    TDB_DATA {
        dptr: bytes.as_ptr().cast_mut(),
        dsize: bytes.len(),
    }
}

/// The bytes a datum from C describes.
///
/// # Safety
/// The datum's memory must stay valid and unchanged for as long as the slice is used.
pub(crate) unsafe fn bytes<'a>(datum: &TDB_DATA) -> &'a [u8] {
    if datum.dptr.is_null() {
        return &[];
    }
    // SAFETY: not null; the rest is the caller's promise.
    unsafe { std::slice::from_raw_parts(datum.dptr, datum.dsize) }
}

impl Tdb {
    /// The value of `key`, copied; `None` if there is no such record.
    pub fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.parse(key, <[u8]>::to_vec)
    }

    /// Shows the value of `key` to `look` in place, under the chain's read lock, and returns
    /// what it made of it. Inside `look` every other operation on this handle is refused with
    /// [`Kind::Nesting`], because it could move the memory that is being looked at.
    pub fn parse<R>(&self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        let mut call = Look {
            look: Some(look),
            made: None,
            panic: None,
        };
        let function = parser_of(&call);
        let private = (&raw mut call).cast::<c_void>();
        let result = self.call("parse_record", |raw| {
            self.lending.set(true);
            // SAFETY: the key outlives the call, `private` is what `function` expects and is
            // used by nobody else meanwhile.
            let status =
                unsafe { tdb_sys::tdb_parse_record(raw, datum(key), Some(function), private) };
            self.lending.set(false);
            status
        });
        if let Some(panic) = call.panic {
            resume_unwind(panic);
        }
        match result {
            Ok(()) => Ok(call.made),
            Err(e) if e.kind() == Kind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Stores a record.
    pub fn store(&self, key: &[u8], value: &[u8], mode: StoreMode) -> Result<()> {
        // SAFETY: both slices outlive the call, which only reads them.
        self.call("store", |raw| unsafe {
            tdb_sys::tdb_store(raw, datum(key), datum(value), mode.code())
        })
    }

    /// Stores a record whose value is the concatenation of `parts`.
    pub fn store_parts(&self, key: &[u8], parts: &[&[u8]], mode: StoreMode) -> Result<()> {
        let parts: Vec<TDB_DATA> = parts.iter().map(|part| datum(part)).collect();
        let count = c_int::try_from(parts.len()).unwrap_or(c_int::MAX);
        // SAFETY: key, parts and the vector describing them outlive the call.
        self.call("storev", |raw| unsafe {
            tdb_sys::tdb_storev(raw, datum(key), parts.as_ptr(), count, mode.code())
        })
    }

    /// Deletes a record; `false` if there was none.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        // SAFETY: the key outlives the call.
        let result = self.call("delete", |raw| unsafe {
            tdb_sys::tdb_delete(raw, datum(key))
        });
        match result {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == Kind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Whether there is a record for `key`.
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.parse(key, |_| ())?.is_some())
    }
}

struct Look<F, R> {
    look: Option<F>,
    made: Option<R>,
    panic: Option<Box<dyn Any + Send>>,
}

type Parser = unsafe extern "C" fn(TDB_DATA, TDB_DATA, *mut c_void) -> c_int;

/// Names the instance of `parser` that fits a `Look`, whose types have no names of their own.
fn parser_of<F: FnOnce(&[u8]) -> R, R>(_: &Look<F, R>) -> Parser {
    parser::<F, R>
}

/// # Safety
/// `private` must point to a live `Look<F, R>` that nobody else uses during the call.
unsafe extern "C" fn parser<F: FnOnce(&[u8]) -> R, R>(
    _key: TDB_DATA,
    data: TDB_DATA,
    private: *mut c_void,
) -> c_int {
    // SAFETY: promised by the caller.
    let call = unsafe { &mut *private.cast::<Look<F, R>>() };
    let Some(look) = call.look.take() else {
        return 0;
    };
    // SAFETY: libtdb holds the chain's lock, and `lending` keeps this handle from moving the
    // map, until we return.
    let value = unsafe { bytes(&data) };
    match catch_unwind(AssertUnwindSafe(|| look(value))) {
        Ok(made) => call.made = Some(made),
        Err(panic) => call.panic = Some(panic),
    }
    0
}
