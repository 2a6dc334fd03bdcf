//! Locks between processes. The second process is this test program again, told by the
//! environment what to hold ([`ROLE`]); it says so on stdout and lets go when stdin closes.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Scratch;
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags, Which};

const ROLE: &str = "TDB_TEST_ROLE";
const FILE: &str = "TDB_TEST_FILE";
const FLAGS: &str = "TDB_TEST_FLAGS";

fn fcntl_flags() -> TdbFlags {
    TdbFlags::NOSYNC | TdbFlags::CLEAR_IF_FIRST | TdbFlags::INCOMPATIBLE_HASH
}

fn mutex_flags() -> TdbFlags {
    assert!(tdb::robust_mutexes_work(), "glibc on Linux has them");
    fcntl_flags() | TdbFlags::MUTEX_LOCKING
}

/// The other process; in a plain test run it does nothing.
#[test]
fn other_process() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let flags = TdbFlags::from_bits_retain(std::env::var(FLAGS).unwrap().parse().unwrap());
    let _ = tdb::robust_mutexes_work();
    let db = Tdb::open(
        std::env::var_os(FILE).unwrap(),
        0,
        flags,
        OpenMode::ReadWrite,
    )
    .unwrap();
    let say = |text: &str| {
        // Straight to the descriptor: the test harness captures print!.
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/stdout")
            .unwrap();
        writeln!(out, "\n{text}").unwrap();
    };
    let wait = || {
        let _ = std::io::stdin().read(&mut [0]);
    };
    match role.as_str() {
        "chain" => {
            let _lock = db.chain_lock(b"key").unwrap();
            say("HELD");
            wait();
        }
        "all" => {
            let _lock = db.lock_all().unwrap();
            say("HELD");
            wait();
        }
        "die" => {
            db.chain_lock(b"key").unwrap().keep();
            say("HELD");
            wait();
            std::process::abort();
        }
        "lose" => {
            db.chain_lock(b"key").unwrap().keep();
            say("HELD");
            // Unmaps the mutex with the lock held; the thread lives on for a while.
            drop(db);
            wait();
        }
        other => panic!("unknown role {other}"),
    }
}

struct Other(Child);

impl Other {
    fn holding(role: &str, file: &Path, flags: TdbFlags) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "other_process", "--nocapture"])
            .env(ROLE, role)
            .env(FILE, file)
            .env(FLAGS, flags.bits().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let held = lines.any(|line| line.unwrap() == "HELD");
        assert!(held, "the other process did not get its lock");
        // The pipe must stay open: the harness of the child goes on writing to it.
        std::thread::spawn(move || lines.count());
        Self(child)
    }

    fn let_go(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn create(scratch: &Scratch, flags: TdbFlags) -> Tdb {
    let db = Tdb::open(scratch.file("l.tdb"), 13, flags, OpenMode::Create).unwrap();
    db.store(b"key", b"v", StoreMode::Replace).unwrap();
    db
}

fn chain_excludes(flags: TdbFlags) {
    let scratch = Scratch::new();
    let db = create(&scratch, flags);
    let other = Other::holding("chain", db.path(), flags);
    assert!(db.try_chain_lock(b"key").unwrap().is_none());
    let free = (0..50_u32)
        .map(|i| i.to_ne_bytes())
        .find(|k| db.chain(k) != db.chain(b"key"))
        .unwrap();
    assert!(db.try_chain_lock(&free).unwrap().is_some());
    assert!(db.try_lock_all().unwrap().is_none());

    // A mark makes the chain ours in memory: nested locks succeed at once.
    db.chain_lock_mark(b"key").unwrap();
    assert!(db.try_chain_lock(b"key").unwrap().is_some());
    db.store(b"key", b"under mark", StoreMode::Replace).unwrap();
    db.chain_lock_unmark(b"key").unwrap();
    assert!(db.try_chain_lock(b"key").unwrap().is_none());

    other.let_go();
    assert!(db.try_chain_lock(b"key").unwrap().is_some());
    assert!(db.try_lock_all().unwrap().is_some());
}

#[test]
fn chain_excludes_fcntl() {
    chain_excludes(fcntl_flags());
}

#[test]
fn chain_excludes_mutex() {
    chain_excludes(mutex_flags());
}

fn all_excludes(flags: TdbFlags) {
    let scratch = Scratch::new();
    let db = create(&scratch, flags);
    let other = Other::holding("all", db.path(), flags);
    assert!(db.try_chain_lock(b"key").unwrap().is_none());
    assert!(db.try_lock_all().unwrap().is_none());

    // What a frozen database goes through: the helper's lock is marked for a while, then a
    // transaction opens beside it (which needs locking switched off), marks nest in that.
    db.lock_all_mark().unwrap();
    db.store(b"key", b"frozen", StoreMode::Replace).unwrap();
    assert_eq!(db.fetch(b"key").unwrap().as_deref(), Some(&b"frozen"[..]));
    db.lock_all_unmark().unwrap();

    db.add_flags(TdbFlags::NOLOCK);
    let t = db.transaction().unwrap();
    db.remove_flags(TdbFlags::NOLOCK);
    db.transaction_write_lock_mark().unwrap();
    db.lock_all_mark().unwrap();
    db.store(b"key", b"in transaction", StoreMode::Replace)
        .unwrap();
    db.transaction_write_lock_unmark().unwrap();
    db.lock_all_unmark().unwrap();
    db.add_flags(TdbFlags::NOLOCK);
    t.commit().unwrap();
    db.remove_flags(TdbFlags::NOLOCK);
    assert!(db.try_chain_lock(b"key").unwrap().is_none());
    other.let_go();
    assert!(db.try_lock_all().unwrap().is_some());
    let value = db.fetch(b"key").unwrap();
    assert_eq!(value.as_deref(), Some(&b"in transaction"[..]));
}

#[test]
fn all_excludes_fcntl() {
    all_excludes(fcntl_flags());
}

#[test]
fn all_excludes_mutex() {
    all_excludes(mutex_flags());
}

fn blocking_lock_comes_with_release(flags: TdbFlags) {
    let scratch = Scratch::new();
    let db = create(&scratch, flags);
    let other = Other::holding("chain", db.path(), flags);
    let started = Instant::now();
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        other.let_go();
    });
    let lock = db.chain_lock(b"key").unwrap();
    assert!(started.elapsed() >= Duration::from_millis(250));
    drop(lock);
    release.join().unwrap();
}

#[test]
fn blocking_lock_comes_with_release_fcntl() {
    blocking_lock_comes_with_release(fcntl_flags());
}

#[test]
fn blocking_lock_comes_with_release_mutex() {
    blocking_lock_comes_with_release(mutex_flags());
}

#[test]
fn a_dead_owner_leaves_its_robust_mutex() {
    let scratch = Scratch::new();
    let flags = mutex_flags();
    let db = create(&scratch, flags);
    let other = Other::holding("die", db.path(), flags);
    assert!(db.try_chain_lock(b"key").unwrap().is_none());
    other.let_go();
    assert!(db.try_chain_lock(b"key").unwrap().is_some());
}

#[test]
fn a_mutex_that_was_unmapped_while_held_can_be_freed() {
    let scratch = Scratch::new();
    let flags = mutex_flags();
    let db = create(&scratch, flags);
    let area = db.mutex_area().unwrap().expect("a file with mutexes");
    let chain = Which::Chain(db.chain(b"key"));
    assert_eq!(area.owner(chain), None);
    let own = db.chain_lock(b"key").unwrap();
    assert_eq!(
        area.owned().map(|(which, _)| which).collect::<Vec<_>>(),
        [chain]
    );
    drop(own);

    Other::holding("lose", db.path(), flags).let_go();
    // The process is gone, but nobody freed its mutex.
    assert!(db.try_chain_lock(b"key").unwrap().is_none());
    let owner = area.owner(chain).expect("the dead thread");
    assert!(!area.release_dead(Which::Freelist, owner));
    let waiter = std::thread::spawn(move || {
        let lock = db.chain_lock(b"key").unwrap();
        db.store(b"key", b"again", StoreMode::Replace).unwrap();
        drop(lock);
        db
    });
    std::thread::sleep(Duration::from_millis(200));
    assert!(!waiter.is_finished(), "the lock came by itself");
    assert!(area.release_dead(chain, owner));
    let db = waiter.join().unwrap();
    assert_eq!(area.owner(chain), None);
    assert!(db.try_chain_lock(b"key").unwrap().is_some());
}

#[test]
fn a_file_with_fcntl_locks_has_no_mutexes() {
    let scratch = Scratch::new();
    assert!(
        create(&scratch, fcntl_flags())
            .mutex_area()
            .unwrap()
            .is_none()
    );
}
