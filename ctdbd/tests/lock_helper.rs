//! The program `ctdb_lock_helper`, asked in both ways, on files with both kinds of locks.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ctdbd::lock_helper::frame::{Frame as _, Reply, Request, What};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ctdb_lock_helper");
const LIMIT: Duration = Duration::from_secs(10);

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("lock-helper-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn create(&self, name: &str, flags: TdbFlags) -> Tdb {
        let db = Tdb::open(self.0.join(name), 17, flags, OpenMode::Create).unwrap();
        db.store(b"key", b"value", StoreMode::Replace).unwrap();
        db
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn fcntl_flags() -> TdbFlags {
    TdbFlags::NOSYNC | TdbFlags::CLEAR_IF_FIRST | TdbFlags::INCOMPATIBLE_HASH
}

fn mutex_flags() -> TdbFlags {
    assert!(tdb::robust_mutexes_work());
    fcntl_flags() | TdbFlags::MUTEX_LOCKING
}

/// A long-lived helper and our end of its socket.
struct Helper {
    child: Child,
    socket: Option<UnixStream>,
    buffer: BytesMut,
}

impl Helper {
    fn start() -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(LIMIT)).unwrap();
        let child = Command::new(PROGRAM)
            .args(["--serve", &std::process::id().to_string()])
            .env("CTDB_NOSETSCHED", "1")
            .stdin(OwnedFd::from(theirs.try_clone().unwrap()))
            .stdout(OwnedFd::from(theirs))
            .spawn()
            .unwrap();
        Self {
            child,
            socket: Some(ours),
            buffer: BytesMut::new(),
        }
    }

    fn send(&mut self, request: &Request) {
        let socket = self.socket.as_mut().unwrap();
        socket.write_all(&request.encode()).unwrap();
    }

    fn wait_for(&mut self, id: u32, db: &Tdb, what: What) {
        self.send(&Request::Wait {
            id,
            flags: db.opened_with().bits(),
            path: db.path().to_str().unwrap().to_owned(),
            what,
        });
    }

    /// The next reply within a time; `None` if none comes.
    fn reply_within(&mut self, limit: Duration) -> Option<Reply> {
        let socket = self.socket.as_mut().unwrap();
        socket.set_read_timeout(Some(limit)).unwrap();
        loop {
            if let Some(reply) = Reply::take(&mut self.buffer).unwrap() {
                return Some(reply);
            }
            let mut chunk = [0; 512];
            match socket.read(&mut chunk) {
                Ok(0) => panic!("the helper has ended"),
                Ok(n) => self.buffer.extend_from_slice(&chunk[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return None,
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn reply(&mut self) -> Reply {
        self.reply_within(LIMIT).expect("an answer")
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LIMIT, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn locked(db: &Tdb) -> bool {
    db.try_chain_lock(b"key").unwrap().is_none()
}

fn serves(flags: TdbFlags) {
    let scratch = Scratch::new();
    let db = scratch.create("a.tdb", flags);
    let mut helper = Helper::start();

    let own = db.chain_lock(b"key").unwrap();
    helper.wait_for(1, &db, What::Record(b"key".to_vec()));
    assert_eq!(helper.reply_within(Duration::from_millis(300)), None);
    drop(own);
    assert_eq!(helper.reply(), Reply::Granted { id: 1 });
    assert!(locked(&db));

    // Release and the next wait may come in one go.
    helper.send(&Request::Release { id: 1 });
    helper.wait_for(2, &db, What::Database);
    assert_eq!(helper.reply(), Reply::Granted { id: 2 });
    assert!(locked(&db));
    db.lock_all_mark().unwrap();
    db.store(b"key", b"marked", StoreMode::Replace).unwrap();
    db.lock_all_unmark().unwrap();
    helper.send(&Request::Release { id: 2 });
    until("the release", || !locked(&db));

    // Many short waits: files stay open.
    for id in 3..200 {
        helper.wait_for(id, &db, What::Record(b"key".to_vec()));
        assert_eq!(helper.reply(), Reply::Granted { id });
        helper.send(&Request::Release { id });
    }
    until("the release", || !locked(&db));
}

#[test]
fn serves_fcntl_locks() {
    serves(fcntl_flags());
}

#[test]
fn serves_mutexes() {
    serves(mutex_flags());
}

#[test]
fn the_end_of_the_daemon_frees_the_lock() {
    let scratch = Scratch::new();
    let db = scratch.create("a.tdb", mutex_flags());
    let mut helper = Helper::start();
    helper.wait_for(1, &db, What::Record(b"key".to_vec()));
    assert_eq!(helper.reply(), Reply::Granted { id: 1 });
    drop(helper.socket.take());
    until("the helper's end", || {
        helper.child.try_wait().unwrap().is_some()
    });
    assert!(!locked(&db));
}

#[test]
fn a_waiting_helper_ends_with_the_daemon() {
    let scratch = Scratch::new();
    let db = scratch.create("a.tdb", fcntl_flags());
    let _own = db.chain_lock(b"key").unwrap();
    let mut helper = Helper::start();
    helper.wait_for(1, &db, What::Record(b"key".to_vec()));
    assert_eq!(helper.reply_within(Duration::from_millis(100)), None);
    drop(helper.socket.take());
    until("the helper's end", || {
        helper.child.try_wait().unwrap().is_some()
    });
}

#[test]
fn closed_files_can_be_wiped_by_the_next_opener() {
    let scratch = Scratch::new();
    let db = scratch.create("a.tdb", fcntl_flags());
    let path = db.path().to_owned();
    let mut helper = Helper::start();
    helper.wait_for(1, &db, What::Record(b"key".to_vec()));
    assert_eq!(helper.reply(), Reply::Granted { id: 1 });
    let reopen = |path: &Path| Tdb::open(path, 17, fcntl_flags(), OpenMode::Create).unwrap();

    // The helper keeps the file open, so its contents survive us.
    drop(db);
    let db = reopen(&path);
    assert!(locked(&db));
    helper.send(&Request::Close {
        path: path.to_str().unwrap().to_owned(),
    });
    until("the release", || !locked(&db));
    assert!(db.exists(b"key").unwrap());
    drop(db);
    let db = reopen(&path);
    assert!(!db.exists(b"key").unwrap());
}

#[test]
fn what_cannot_be_opened_fails() {
    let scratch = Scratch::new();
    let mut helper = Helper::start();
    helper.send(&Request::Wait {
        id: 9,
        flags: 0,
        path: scratch.0.join("none.tdb").to_str().unwrap().to_owned(),
        what: What::Database,
    });
    let errno = libc::ENOENT;
    assert_eq!(helper.reply(), Reply::Failed { id: 9, errno });
    let db = scratch.create("a.tdb", fcntl_flags());
    helper.wait_for(10, &db, What::Database);
    assert_eq!(helper.reply(), Reply::Granted { id: 10 });
}

#[test]
fn a_mutex_without_a_living_owner_is_freed() {
    let scratch = Scratch::new();
    let flags = mutex_flags();
    let db = scratch.create("a.tdb", flags);
    let path = db.path().to_owned();
    let mut first = Helper::start();
    first.wait_for(1, &db, What::Record(b"key".to_vec()));
    assert_eq!(first.reply(), Reply::Granted { id: 1 });
    // What a careless client does: it closes the file with the lock held. (We do it here, where
    // the thread lives on without the file; the helper's own lock is let go of before.)
    first.send(&Request::Release { id: 1 });
    until("the release", || !locked(&db));
    db.chain_lock(b"key").unwrap().keep();
    drop(db);

    for what in [What::Record(b"key".to_vec()), What::Database] {
        first.send(&Request::Wait {
            id: 2,
            flags: flags.bits(),
            path: path.to_str().unwrap().to_owned(),
            what,
        });
        if let Reply::Freed { id, mutex, .. } = first.reply() {
            assert_eq!(id, 2);
            assert!(mutex.starts_with("chain "), "{mutex}");
            assert_eq!(first.reply(), Reply::Granted { id: 2 });
        } else {
            // The second round: nothing is left to free.
        }
        first.send(&Request::Release { id: 2 });
    }
}

/// Runs the program upstream's way; answers with the byte it wrote.
fn once(arguments: &[&str]) -> (Child, u8) {
    let (mut read, write) = std::io::pipe().unwrap();
    fcntl(&write, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let pid = std::process::id().to_string();
    let fd = write.as_raw_fd().to_string();
    let child = Command::new(PROGRAM)
        .args([&pid, &fd])
        .args(arguments)
        .env("CTDB_NOSETSCHED", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(write);
    let mut byte = [0xff];
    read.read_exact(&mut byte).unwrap();
    (child, byte[0])
}

#[test]
fn one_lock_as_upstream_asks() {
    let scratch = Scratch::new();
    for (name, flags) in [("f.tdb", fcntl_flags()), ("m.tdb", mutex_flags())] {
        let db = scratch.create(name, flags);
        let path = db.path().to_str().unwrap();
        let bits = format!("0x{:x}", flags.bits());
        for arguments in [
            &["RECORD", path, &bits, "6b6579"][..],
            &["DB", path, &bits][..],
        ] {
            let (mut child, byte) = once(arguments);
            assert_eq!(byte, 0);
            assert!(locked(&db));
            let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
            assert!(child.wait().unwrap().success());
            assert!(!locked(&db));
        }
    }
    let (mut child, byte) = once(&["DB", "/nonexistent.tdb", "0x0"]);
    assert_eq!(byte, 1);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
