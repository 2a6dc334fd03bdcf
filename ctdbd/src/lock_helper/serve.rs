//! One lock after the other, for a daemon that keeps its helpers.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tdb::{MutexArea, Tdb, TdbFlags, Which};

use super::dead_owner::Search;
use super::{hurry, open, parent};
use crate::lock_helper::frame::{BadFrame, Frame, Reply, Request, What};
use crate::log::say;

/// How often the watcher looks for trouble.
const CHECK: Duration = Duration::from_millis(500);
/// How long a wait lasts before its lock's owner is looked for.
const PATIENCE: Duration = Duration::from_secs(1);

/// An open file.
struct File {
    db: Tdb,
    area: Option<Arc<MutexArea>>,
    device_and_inode: (u64, u64),
}

/// What the main thread waits for, for the watcher to look at.
#[derive(Clone)]
struct Waiting {
    id: u32,
    since: Instant,
    area: Option<Arc<MutexArea>>,
    /// `None`: all chains.
    chain: Option<Which>,
    file: (u64, u64),
}

type Shared = Arc<Mutex<Option<Waiting>>>;

/// The lock that is held now.
struct Held {
    id: u32,
    path: String,
    what: What,
}

pub(super) fn run(daemon: i32) -> ExitCode {
    hurry();
    let shared = Shared::default();
    let watched = Arc::clone(&shared);
    thread::spawn(move || watch(daemon, &watched));
    let mut helper = Helper {
        files: BTreeMap::new(),
        held: None,
        shared,
    };
    match helper.serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            say(format_args!("ctdb_lock_helper: {e}"));
            ExitCode::FAILURE
        }
    }
}

struct Helper {
    files: BTreeMap<String, File>,
    held: Option<Held>,
    shared: Shared,
}

impl Helper {
    /// Until the daemon's end of the socket closes.
    fn serve(&mut self) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        let mut chunk = [0; 16 << 10];
        loop {
            while let Some(request) = Request::take(&mut buffer).map_err(malformed)? {
                self.take(request)?;
            }
            match io::stdin().lock().read(&mut chunk)? {
                0 => return Ok(()),
                n => buffer.extend_from_slice(&chunk[..n]),
            }
        }
    }

    fn take(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Wait {
                id,
                flags,
                path,
                what,
            } => {
                if self.held.is_some() {
                    return Err(malformed(BadFrame));
                }
                let flags = TdbFlags::from_bits_retain(flags);
                let reply = match self.wait(id, flags, &path, &what) {
                    Ok(()) => {
                        self.held = Some(Held { id, path, what });
                        Reply::Granted { id }
                    }
                    Err(e) => {
                        say(format_args!("ctdb_lock_helper: {e}"));
                        let errno = e.os().unwrap_or(libc::EIO);
                        Reply::Failed { id, errno }
                    }
                };
                send(&reply)
            }
            Request::Release { id } => {
                if let Some(held) = self.held.take_if(|held| held.id == id) {
                    self.release(&held);
                }
                Ok(())
            }
            Request::Close { path } => {
                if let Some(held) = self.held.take_if(|held| held.path == path) {
                    self.release(&held);
                }
                self.files.remove(&path);
                Ok(())
            }
        }
    }

    fn wait(&mut self, id: u32, flags: TdbFlags, path: &str, what: &What) -> tdb::Result<()> {
        self.ensure_open(path, flags)?;
        let file = &self.files[path];
        let set_waiting = |waiting| {
            *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
        };
        set_waiting(Some(Waiting {
            id,
            since: Instant::now(),
            area: file.area.clone(),
            chain: match what {
                What::Record(key) => Some(Which::Chain(file.db.chain(key))),
                What::Database => None,
            },
            file: file.device_and_inode,
        }));
        let result = match what {
            What::Record(key) => file.db.chain_lock(key).map(tdb::ChainLock::keep),
            What::Database => file.db.lock_all().map(tdb::AllLock::keep),
        };
        set_waiting(None);
        result
    }

    fn release(&self, held: &Held) {
        let Some(file) = self.files.get(&held.path) else {
            return;
        };
        let result = match &held.what {
            What::Record(key) => file.db.chain_unlock(key),
            What::Database => file.db.unlock_all(),
        };
        if let Err(e) = result {
            say(format_args!("ctdb_lock_helper: {e}"));
        }
    }

    /// Opens the file unless it is open, and is still the one of that name.
    fn ensure_open(&mut self, path: &str, flags: TdbFlags) -> tdb::Result<()> {
        let now = std::fs::metadata(path).map(|m| (m.dev(), m.ino())).ok();
        if let Some(file) = self.files.get(path)
            && (now == Some(file.device_and_inode) && file.db.opened_with() == flags)
        {
            return Ok(());
        }
        self.files.remove(path);
        let db = open(path, flags)?;
        let area = db.mutex_area()?.map(Arc::new);
        let file = File {
            db,
            area,
            device_and_inode: now.unwrap_or_default(),
        };
        self.files.insert(path.to_owned(), file);
        Ok(())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Before the files close: a robust mutex that is unmapped while held stays held.
        if let Some(held) = self.held.take() {
            self.release(&held);
        }
    }
}

fn malformed(e: BadFrame) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}

fn send(reply: &Reply) -> io::Result<()> {
    // One write per frame: both threads may send.
    let mut out = io::stdout().lock();
    out.write_all(&reply.encode())?;
    out.flush()
}

/// Ends the process when the daemon is gone, and frees mutexes without a living owner that the
/// main thread waits for.
fn watch(daemon: i32, shared: &Shared) {
    let mut search: Option<(u32, Search)> = None;
    loop {
        if parent::hung_up(CHECK) || !parent::exists(daemon) {
            // The main thread may be waiting inside libtdb and cannot be asked.
            std::process::exit(0);
        }
        let waiting = shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(waiting) = waiting.filter(|w| w.since.elapsed() >= PATIENCE) else {
            search = None;
            continue;
        };
        let Some(area) = &waiting.area else {
            continue;
        };
        if search.as_ref().is_none_or(|(id, _)| *id != waiting.id) {
            search = Some((waiting.id, Search::default()));
        }
        let Some((_, search)) = &mut search else {
            continue;
        };
        // The main thread gets the lock the moment that it is freed. Its word of that comes after ours: the
        // daemon may be done with the wait as soon as it hears it, and would not know any more whose it was.
        let _told_first = io::stdout().lock();
        for freed in search.step(area, waiting.chain, waiting.file) {
            let reply = Reply::Freed {
                id: waiting.id,
                thread: freed.thread,
                program: freed.program,
                mutex: freed.mutex,
            };
            if send(&reply).is_err() {
                std::process::exit(1);
            }
        }
    }
}
