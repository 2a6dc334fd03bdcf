//! The program `ctdb_record_helper`: work on database files that takes long or may have to wait for
//! locks, one job after the other, out of the daemon's loop. [`frame`] is what the two say.

pub mod frame;
mod scan;
mod update;

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use bytes::BytesMut;
use tdb::{OpenMode, Tdb, TdbFlags};

use frame::{Answer, Job, STOP, Work};

const CHUNK_BYTES: usize = 64 << 10;

/// The program: `ctdb_record_helper --serve <ctdbd-pid>`.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let pid = match arguments.as_slice() {
        [flag, pid] if flag == "--serve" => pid.parse().ok(),
        _ => None,
    };
    let Some(pid) = pid else {
        eprintln!("Usage: ctdb_record_helper --serve <ctdbd-pid>");
        return ExitCode::FAILURE;
    };
    match crate::sys::process::die_with_parent(pid).and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ctdb_record_helper: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Our end of the socket.
struct Link {
    socket: File,
    received: BytesMut,
}

impl Link {
    fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        self.socket.write_all(&answer.encode())
    }

    /// Waits until the daemon has taken what it got. False when it wants no more.
    fn wait_for_go(&mut self) -> io::Result<bool> {
        let mut answer = [STOP];
        self.socket.read_exact(&mut answer)?;
        Ok(answer != [STOP])
    }

    /// The next job; `None` at the end of the connection.
    fn next_job(&mut self) -> io::Result<Option<Job>> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            if let Some(job) = Job::take(&mut self.received).map_err(io::Error::other)? {
                return Ok(Some(job));
            }
            match self.socket.read(&mut chunk)? {
                0 => return Ok(None),
                count => self.received.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

fn serve() -> io::Result<()> {
    let socket = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut link = Link {
        socket,
        received: BytesMut::new(),
    };
    while let Some(job) = link.next_job()? {
        let result =
            open(&job.path, job.open_flags).and_then(|file| perform(file, &job, &mut link));
        link.answer(&Answer::Done(result.err().unwrap_or_default()))?;
    }
    Ok(())
}

fn open(path: &str, flags: i32) -> Result<Tdb, String> {
    let flags = TdbFlags::from_bits_retain(flags.cast_unsigned());
    if flags.contains(TdbFlags::MUTEX_LOCKING) {
        // libtdb wants to be asked before it opens such a file.
        tdb::robust_mutexes_work();
    }
    Tdb::open(path, 0, flags, OpenMode::ReadWrite).map_err(|e| e.to_string())
}

fn perform(file: Tdb, job: &Job, link: &mut Link) -> Result<(), String> {
    match &job.work {
        Work::Scan(filter) => scan::run(&file, *filter, link),
        Work::Update(rule, buffer) => update::run(file, &job.path, *rule, buffer),
        Work::Repack(limit) => match file.freelist_size() {
            Ok(areas) if areas < *limit => Ok(()),
            Ok(_) => file.repack().map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        },
    }
}
