//! Records, transactions and walks, in one process; the files as Debian's tools see them.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

mod common;

use std::ops::ControlFlow;
use std::process::Command;

use common::Scratch;
use tdb::{Kind, OpenMode, StoreMode, Tdb, TdbFlags};

fn volatile(scratch: &Scratch, name: &str) -> Tdb {
    let flags = TdbFlags::NOSYNC | TdbFlags::CLEAR_IF_FIRST | TdbFlags::INCOMPATIBLE_HASH;
    Tdb::open(scratch.file(name), 7, flags, OpenMode::Create).unwrap()
}

#[test]
fn store_fetch_delete() {
    let scratch = Scratch::new();
    let db = volatile(&scratch, "a.tdb");
    assert_eq!(db.fetch(b"k").unwrap(), None);
    db.store(b"k", b"value", StoreMode::Replace).unwrap();
    db.store_parts(b"parts", &[b"one", b"", b"two"], StoreMode::Insert)
        .unwrap();
    db.store(b"empty", b"", StoreMode::Replace).unwrap();
    assert_eq!(db.fetch(b"k").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(db.fetch(b"parts").unwrap().as_deref(), Some(&b"onetwo"[..]));
    assert_eq!(db.fetch(b"empty").unwrap().as_deref(), Some(&b""[..]));
    let e = db.store(b"k", b"other", StoreMode::Insert).unwrap_err();
    assert_eq!(e.kind(), Kind::Exists);
    assert!(e.to_string().contains("a.tdb: store: record exists"), "{e}");
    let e = db.store(b"new", b"x", StoreMode::Modify).unwrap_err();
    assert_eq!(e.kind(), Kind::NotFound);
    assert!(db.delete(b"k").unwrap());
    assert!(!db.delete(b"k").unwrap());
    assert!(!db.exists(b"k").unwrap());
    assert!(db.exists(b"empty").unwrap());
}

#[test]
fn second_open_in_one_process_is_refused() {
    let scratch = Scratch::new();
    let _db = volatile(&scratch, "b.tdb");
    let e = Tdb::open(
        scratch.file("b.tdb"),
        0,
        TdbFlags::empty(),
        OpenMode::ReadWrite,
    )
    .unwrap_err();
    assert_eq!(e.os(), Some(libc::EBUSY));
    let e = Tdb::open(
        scratch.file("none.tdb"),
        0,
        TdbFlags::empty(),
        OpenMode::ReadWrite,
    )
    .unwrap_err();
    assert_eq!(e.os(), Some(libc::ENOENT));
}

#[test]
fn transactions_are_all_or_nothing() {
    let scratch = Scratch::new();
    let db = Tdb::open(
        scratch.file("t.tdb"),
        11,
        TdbFlags::empty(),
        OpenMode::Create,
    )
    .unwrap();
    {
        let _dropped = db.transaction().unwrap();
        assert!(db.transaction_active());
        db.store(b"k", b"1", StoreMode::Replace).unwrap();
    }
    assert!(!db.transaction_active());
    assert_eq!(db.fetch(b"k").unwrap(), None);
    let t = db.transaction().unwrap();
    db.store(b"k", b"2", StoreMode::Replace).unwrap();
    t.commit().unwrap();
    assert_eq!(db.fetch(b"k").unwrap().as_deref(), Some(&b"2"[..]));
    assert!(db.transaction_commit().is_err());
}

#[test]
fn walks_show_every_record_once() {
    let scratch = Scratch::new();
    let db = volatile(&scratch, "w.tdb");
    for i in 0..50_u32 {
        db.store(&i.to_ne_bytes(), b"v", StoreMode::Replace)
            .unwrap();
    }
    let mut seen = Vec::new();
    let n = db
        .traverse_read(|k, v| {
            assert_eq!(v, b"v");
            seen.push(k.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((n, seen.len()), (50, 50));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 50);

    let mut by_chain = 0;
    for chain in 0..db.hash_size() {
        db.traverse_chain(chain, |k, _| {
            assert_eq!(db.chain(k), chain);
            assert_eq!(db.fetch(k).unwrap_err().kind(), Kind::Nesting);
            by_chain += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    assert_eq!(by_chain, 50);

    let n = db.traverse(|_, _| ControlFlow::Break(())).unwrap();
    assert_eq!(n, 1);
    db.traverse(|k, _| {
        db.delete(k).unwrap();
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(
        db.traverse_read(|_, _| ControlFlow::Continue(())).unwrap(),
        0
    );
    db.check(|_, _| true).unwrap();
    db.repack().unwrap();
    db.wipe_all().unwrap();
}

#[test]
fn a_panic_in_a_callback_comes_out_and_leaves_no_lock() {
    let scratch = Scratch::new();
    let db = volatile(&scratch, "p.tdb");
    db.store(b"k", b"v", StoreMode::Replace).unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.parse(b"k", |_| -> () { panic!("in parse") })
    }));
    assert!(caught.is_err());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.traverse(|_, _| -> ControlFlow<()> { panic!("in traverse") })
    }));
    assert!(caught.is_err());
    db.store(b"k", b"w", StoreMode::Replace).unwrap();
    let _t = db.transaction().unwrap();
}

#[test]
fn seqnum_counts_when_asked() {
    let scratch = Scratch::new();
    let db = volatile(&scratch, "s.tdb");
    db.store(b"k", b"1", StoreMode::Replace).unwrap();
    assert_eq!(db.seqnum(), 0);
    db.enable_seqnum();
    db.store(b"k", b"2", StoreMode::Replace).unwrap();
    db.increment_seqnum();
    assert_eq!(db.seqnum(), 2);
    assert!(db.flags().contains(TdbFlags::SEQNUM));
}

#[test]
fn database_ids_of_upstream() {
    // From UNIT/tool/ctdb.attach.*: the id is the Jenkins hash of the name with its NUL.
    assert_eq!(tdb::jenkins(b"volatile.tdb\0"), 0x211b_f47b);
    assert_eq!(tdb::jenkins(b"persistent.tdb\0"), 0x54ef_7d5e);
    assert_eq!(tdb::jenkins(b"replicated.tdb\0"), 0x8424_1f7c);
}

#[test]
fn old_hash_names_the_right_chain() {
    let scratch = Scratch::new();
    let db = Tdb::open(
        scratch.file("o.tdb"),
        131,
        TdbFlags::empty(),
        OpenMode::Create,
    )
    .unwrap();
    for key in [&b"a"[..], b"", b"a longer key than eight", b"\xff\xfe\0x"] {
        db.store(key, b"v", StoreMode::Replace).unwrap();
        let mut found = false;
        db.traverse_chain(db.chain(key), |k, _| {
            found |= k == key;
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(found, "{key:?}");
    }
}

#[test]
fn debian_tools_read_the_file() {
    let scratch = Scratch::new();
    let path = scratch.file("d.tdb");
    {
        let db = Tdb::open(&path, 5, TdbFlags::empty(), OpenMode::Create).unwrap();
        db.store(b"hello", b"world", StoreMode::Replace).unwrap();
    }
    let dump = Command::new("tdbdump").arg(&path).output().unwrap();
    let text = String::from_utf8_lossy(&dump.stdout).into_owned();
    assert!(text.contains("key(5) = \"hello\""), "{text}");
    assert!(text.contains("data(5) = \"world\""), "{text}");
    let check = Command::new("tdbtool")
        .arg(&path)
        .arg("check")
        .output()
        .unwrap();
    assert!(check.status.success());
}
