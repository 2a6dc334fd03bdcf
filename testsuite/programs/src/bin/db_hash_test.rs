//! `db_hash_test`: a table in memory, which for us is a tdb without a file. Silent when all is well.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;

use ctdb_test_programs::self_check::{Check, ensure, once};
use tdb::{StoreMode, Tdb, TdbFlags};

fn main() -> ExitCode {
    once(|| {
        for flags in [TdbFlags::empty(), TdbFlags::INCOMPATIBLE_HASH] {
            one_record(&table(flags)?)?;
            many_records(&table(flags)?)?;
        }
        Ok(())
    })
}

fn table(flags: TdbFlags) -> Result<Tdb, String> {
    Tdb::in_memory(1024, flags).map_err(|error| error.to_string())
}

fn one_record(table: &Tdb) -> Check {
    let (key, value) = (
        b"This is a long key".as_slice(),
        b"This is a value".as_slice(),
    );
    let words = |error: tdb::Error| error.to_string();
    table.store(key, value, StoreMode::Insert).map_err(words)?;
    ensure(table.exists(key).map_err(words)?, || {
        "what was inserted is not there".to_owned()
    })?;
    let found = table.parse(key, |found| found == value).map_err(words)?;
    ensure(found == Some(true), || {
        "what was inserted is something else".to_owned()
    })?;
    let twice = table.store(key, value, StoreMode::Insert);
    ensure(twice.is_err(), || "inserted twice".to_owned())?;
    ensure(table.delete(key).map_err(words)?, || {
        "what is there cannot be deleted".to_owned()
    })?;
    ensure(!table.exists(key).map_err(words)?, || {
        "what was deleted is there".to_owned()
    })?;
    ensure(!table.delete(key).map_err(words)?, || {
        "deleted twice".to_owned()
    })?;
    table.store(key, key, StoreMode::Replace).map_err(words)?;
    table.store(key, value, StoreMode::Replace).map_err(words)?;
    let found = table.fetch(key).map_err(words)?;
    ensure(found.as_deref() == Some(value), || {
        "a replaced value is the old one".to_owned()
    })
}

fn many_records(table: &Tdb) -> Check {
    const COUNT: usize = 2000;
    let words = |error: tdb::Error| error.to_string();
    let expected: BTreeMap<Vec<u8>, Vec<u8>> = (0..COUNT)
        .map(|number| {
            (
                format!("key{number:04}").into_bytes(),
                vec![b'v'; number % 50],
            )
        })
        .collect();
    for (key, value) in &expected {
        table.store(key, value, StoreMode::Insert).map_err(words)?;
    }
    let mut found = BTreeMap::new();
    let shown = table.traverse(|key, value| {
        found.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    });
    ensure(shown.map_err(words)? == COUNT, || {
        "a walk shows too many or too few".to_owned()
    })?;
    ensure(found == expected, || {
        "a walk shows something else".to_owned()
    })?;
    let mut left = 10;
    let shown = table.traverse_read(|_, _| {
        left -= 1;
        if left == 0 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    shown.map_err(words)?;
    ensure(left == 0, || "a walk does not stop".to_owned())
}
