//! `lock_tdb FILE`: locks a whole tdb file and keeps the lock.

use std::process::ExitCode;
use std::time::Duration;

use tdb::{OpenMode, Tdb, TdbFlags};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), None) = (arguments.next(), arguments.next()) else {
        println!("Usage: lock_tdb <tdb file>");
        return ExitCode::FAILURE;
    };
    let Ok(tdb) = Tdb::open(&file, 0, TdbFlags::empty(), OpenMode::ReadWrite) else {
        eprintln!("Failed to open TDB file {file}");
        return ExitCode::FAILURE;
    };
    let Ok(_lock) = tdb.lock_all() else {
        eprintln!("Failed to lock database {file}");
        return ExitCode::FAILURE;
    };
    loop {
        std::thread::sleep(Duration::from_secs(999));
    }
}
