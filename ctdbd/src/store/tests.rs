use super::*;
use ctdb_core::store::TryLock;

fn storage(name: &str) -> TdbStorage {
    let base = std::env::temp_dir().join(format!("ctdbd-store-{name}-{}", std::process::id()));
    let directories = Directories {
        volatile: base.join("volatile"),
        persistent: base.join("persistent"),
        state: base.join("state"),
    };
    for directory in [
        &directories.volatile,
        &directories.persistent,
        &directories.state,
    ] {
        std::fs::create_dir_all(directory).unwrap();
    }
    TdbStorage::new(directories, Rc::new(Cell::new(3)), true)
}

fn remove(storage: TdbStorage) {
    let base = storage.directories.state.parent().unwrap().to_owned();
    drop(storage);
    std::fs::remove_dir_all(base).unwrap();
}

#[test]
fn records_are_found_again_under_a_lock() {
    let mut storage = storage("records");
    let mut table = storage.open("locking.tdb", Kind::Volatile, 101, 5).unwrap();
    assert!(table.path().ends_with("volatile/locking.tdb.3"));
    assert_eq!(table.chains(), 101);
    assert_eq!(table.try_lock(b"key").unwrap(), TryLock::Held);
    table.store(b"key", &[b"he", b"llo"]).unwrap();
    let mut found = Vec::new();
    assert!(
        table
            .read(b"key", &mut |value| found = value.to_vec())
            .unwrap()
    );
    assert_eq!(found, b"hello");
    table.unlock(b"key");
    let chain = table.chain_of(b"key");
    let mut seen = 0;
    table.read_chain(chain, &mut |_, _| seen += 1).unwrap();
    assert_eq!(seen, 1);
    drop(table);
    assert_eq!(storage.closed().borrow().len(), 1);
    remove(storage);
}

#[test]
fn a_frozen_file_takes_a_transaction() {
    let mut storage = storage("frozen");
    let mut table = storage.open("a.tdb", Kind::Volatile, 11, 5).unwrap();
    table.transaction_start().unwrap();
    table.mark_all().unwrap();
    table.wipe().unwrap();
    table.store(b"key", &[b"value"]).unwrap();
    table.unmark_all();
    table.transaction_commit().unwrap();
    assert_eq!(
        table.open_flags() & TdbFlags::NOLOCK.bits().cast_signed(),
        0
    );
    assert_eq!(table.try_lock(b"key").unwrap(), TryLock::Held);
    assert!(table.read(b"key", &mut |_| {}).unwrap());
    table.unlock(b"key");
    drop(table);
    remove(storage);
}

#[test]
fn persistent_files_and_their_health_are_remembered() {
    let mut storage = storage("persistent");
    drop(
        storage
            .open("secrets.tdb", Kind::Persistent, 11, 5)
            .unwrap(),
    );
    drop(storage.open("odd", Kind::Persistent, 11, 5).unwrap());
    assert_eq!(storage.persistent_names().unwrap(), ["secrets.tdb"]);
    assert_eq!(storage.health("secrets.tdb").unwrap(), None);
    storage.set_health("secrets.tdb", Some("broken")).unwrap();
    assert_eq!(
        storage.health("secrets.tdb").unwrap().as_deref(),
        Some("broken")
    );
    storage.set_health("secrets.tdb", None).unwrap();
    assert_eq!(storage.health("secrets.tdb").unwrap(), None);
    remove(storage);
}

#[test]
fn delegations_are_remembered_until_wiped() {
    let mut storage = storage("tracking");
    let mut table = storage.open("b.tdb", Kind::Volatile, 11, 5).unwrap();
    let mut tracking = table.open_tracking().unwrap();
    assert!(tracking.fetch(b"key").unwrap().is_empty());
    tracking.store(b"key", &[5]).unwrap();
    assert_eq!(tracking.fetch(b"key").unwrap(), [5]);
    tracking.wipe().unwrap();
    assert!(tracking.fetch(b"key").unwrap().is_empty());
    drop(table);
    remove(storage);
}
