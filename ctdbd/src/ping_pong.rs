// SPDX-License-Identifier: GPL-3.0-or-later
//! `ping_pong [-rwmc] FILE LOCKS` and `ping_pong -l FILE`: how fast, and whether, byte-range locks of a
//! cluster file system work. Run on several nodes with the same file and one lock more than nodes:
//! each process takes the next byte's lock before it gives up the last one, so they chase each other.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};

use crate::sys::shared_map::SharedMap;

/// What to print for wrong arguments.
pub const USAGE: &str = "\
ping_pong -rwmc <file> <num_locks>
ping_pong -l <file>

Options
 -r    do reads
 -w    do writes
 -m    use mmap
 -c    check locks
 -l    test for working byte range locks
";

/// How often the speed is shown.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Why the program ends.
#[derive(Debug)]
pub enum Failure {
    /// Wrong arguments.
    Usage,
    /// An option that does not exist.
    UnknownOption(char),
    /// A line for stdout; empty if the file could not be opened, as upstream says nothing then.
    Failed(String),
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Options {
    reads: bool,
    writes: bool,
    mmap: bool,
    check: bool,
    lock_test: bool,
}

/// Does the program's work; `args` without the program's name. Ends only when something fails, or
/// after `-l`.
///
/// # Errors
/// Why it ended.
pub fn run(args: &[&str]) -> Result<(), Failure> {
    let (options, operands) = parse(args)?;
    let (path, count) = match operands.as_slice() {
        [path, ..] if options.lock_test => (path, ""),
        [path, count, ..] => (path, *count),
        _ => return Err(Failure::Usage),
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|_| Failure::Failed(String::new()))?;
    if options.lock_test {
        test_locks(&file);
        return Ok(());
    }
    let locks = count.parse().ok().filter(|&count: &u32| count > 0);
    let locks = locks.ok_or_else(|| Failure::Failed("num_locks should be > 0".to_owned()))?;
    Chase::new(&file, locks, options)
        .and_then(Chase::run)
        .map_err(Failure::Failed)
}

/// Options come in any order and may share a dash, as getopt allows.
fn parse<'a>(args: &[&'a str]) -> Result<(Options, Vec<&'a str>), Failure> {
    let mut options = Options::default();
    let mut operands = Vec::new();
    let mut only_operands = false;
    for &arg in args {
        match arg.strip_prefix('-') {
            Some("-") if !only_operands => only_operands = true,
            Some(letters) if !only_operands && !letters.is_empty() => {
                for letter in letters.chars() {
                    *option(&mut options, letter).ok_or(Failure::UnknownOption(letter))? = true;
                }
            }
            _ => operands.push(arg),
        }
    }
    Ok((options, operands))
}

fn option(options: &mut Options, letter: char) -> Option<&mut bool> {
    Some(match letter {
        'r' => &mut options.reads,
        'w' => &mut options.writes,
        'm' => &mut options.mmap,
        'c' => &mut options.check,
        'l' => &mut options.lock_test,
        _ => return None,
    })
}

/// Holds a lock on the whole file until a key is pressed, or says who holds it.
fn test_locks(file: &File) {
    if set_lock(file, libc::F_WRLCK, 0, 0, false).is_err() {
        println!("file already locked, calling check_lock to tell us who has it locked:");
        if let Err(holder) = check_lock(file, 0, 0) {
            println!("{holder}");
        }
        println!("Working POSIX byte range locks");
        return;
    }
    println!("Holding lock, press any key to continue...");
    println!("You should run the same command on another node now.");
    // End of input is as good as a key.
    let _ = io::stdin().read(&mut [0]);
    println!("Good bye.");
}

/// The chase of one process.
struct Chase<'a> {
    file: &'a File,
    locks: u32,
    options: Options,
    map: Option<SharedMap>,
    /// What each byte was when this process last had its lock.
    seen: Vec<u8>,
}

impl<'a> Chase<'a> {
    fn new(file: &'a File, locks: u32, options: Options) -> Result<Self, String> {
        let len = u64::from(locks) + 1;
        file.set_len(len)
            .map_err(|error| format!("ftruncate failed: {error}"))?;
        let map = if options.mmap {
            let map = SharedMap::new(file, len as usize);
            Some(map.map_err(|error| format!("mmap failed: {error}"))?)
        } else {
            None
        };
        Ok(Self {
            file,
            locks,
            options,
            map,
            seen: vec![0; len as usize],
        })
    }

    fn run(mut self) -> Result<(), String> {
        self.lock(0)
            .map_err(|error| format!("initial lock at 0 failed! - {error}"))?;
        let mut at = 0;
        let mut turns: u64 = 0;
        let mut turns_before = 0;
        let mut since = Instant::now();
        let mut last_increment = 0;
        loop {
            let increment = self.take_turn(at)?;
            at = (at + 1) % self.locks;
            // Only after a whole round is known what the others add.
            if turns > u64::from(self.locks) && increment != last_increment {
                last_increment = increment;
                println!("data increment = {increment}");
            }
            turns += 1;
            let elapsed = since.elapsed();
            if elapsed > REPORT_EVERY {
                let rate = 2.0 * (turns - turns_before) as f64 / elapsed.as_secs_f64();
                print!("{:8} locks/sec\r", rate as u64);
                // Nobody there to read the speed is no reason to stop.
                let _ = io::stdout().flush();
                turns_before = turns;
                since = Instant::now();
            }
        }
    }

    /// Takes the next lock, uses the byte at `at`, gives its lock up. Answers with how much the byte
    /// has grown since the last time: once for each process that writes.
    fn take_turn(&mut self, at: u32) -> Result<u8, String> {
        let next = (at + 1) % self.locks;
        if let Err(error) = self.lock(next) {
            println!("lock at {next} failed! - {error}");
        }
        if self.options.check {
            check_lock(self.file, at.into(), 1)?;
        }
        let mut increment = 0;
        if self.options.reads {
            let before = self.seen[at as usize];
            match self.read(at) {
                Some(byte) => self.seen[at as usize] = byte,
                None => println!("read failed at {at}"),
            }
            increment = self.seen[at as usize].wrapping_sub(before);
        }
        if self.options.writes && !self.write(at, self.seen[at as usize].wrapping_add(1)) {
            println!("write failed at {at}");
        }
        if let Err(error) = set_lock(self.file, libc::F_UNLCK, at.into(), 1, true) {
            println!("unlock at {at} failed! - {error}");
        }
        Ok(increment)
    }

    fn lock(&self, at: u32) -> nix::Result<()> {
        set_lock(self.file, libc::F_WRLCK, at.into(), 1, true)
    }

    fn read(&self, at: u32) -> Option<u8> {
        if let Some(map) = &self.map {
            return map.byte(at as usize);
        }
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, at.into()).ok()?;
        Some(byte[0])
    }

    fn write(&self, at: u32, byte: u8) -> bool {
        match &self.map {
            Some(map) => {
                map.set_byte(at as usize, byte);
                true
            }
            None => self.file.write_all_at(&[byte], at.into()).is_ok(),
        }
    }
}

fn set_lock(file: &File, kind: i32, start: i64, len: i64, wait: bool) -> nix::Result<()> {
    let lock = range(kind, start, len);
    let command = if wait {
        FcntlArg::F_SETLKW(&lock)
    } else {
        FcntlArg::F_SETLK(&lock)
    };
    fcntl(file, command).map(drop)
}

/// Could the lock be had? If not, who has it, as a line.
fn check_lock(file: &File, start: i64, len: i64) -> Result<(), String> {
    let mut lock = range(libc::F_WRLCK, start, len);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))
        .map_err(|error| format!("error calling fcntl F_GETLCK: {}", error.desc()))?;
    if i32::from(lock.l_type) == libc::F_UNLCK {
        return Ok(());
    }
    Err(format!(
        "check_lock failed: lock held: pid='{}', type='{}', start='{}', len='{}'",
        lock.l_pid, lock.l_type, lock.l_start, lock.l_len
    ))
}

fn range(kind: i32, start: i64, len: i64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_share_a_dash_and_follow_operands() {
        let (options, operands) = parse(&["-rw", "file", "3", "-c"]).unwrap();
        assert!(options.reads && options.writes && options.check);
        assert!(!options.mmap && !options.lock_test);
        assert_eq!(operands, ["file", "3"]);
        assert!(matches!(parse(&["-rx"]), Err(Failure::UnknownOption('x'))));
    }

    #[test]
    fn missing_operands_are_wrong() {
        assert!(matches!(run(&[]), Err(Failure::Usage)));
        assert!(matches!(run(&["-r", "file"]), Err(Failure::Usage)));
    }
}
