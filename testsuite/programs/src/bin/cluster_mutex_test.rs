//! `cluster_mutex_test TEST LOCK [ARGUMENT...]`: takes and loses the cluster lock in ways that
//! UNIT/cunit/cluster_mutex_* name, through the client that the daemon uses.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use ctdb_config::Paths;
use ctdb_protocol::LockAnswer;
use ctdbd::cluster_lock::{Attempt, Helper, Lock};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;

/// For the whole test.
const TEST_LIMIT: Duration = Duration::from_secs(60);
/// For an attempt.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(120);
/// How often helpers look whether their parent is there.
const PARENT_CHECK: Duration = Duration::from_secs(5);
/// Asks this program to be the process that goes away, or the one that blocks the file.
const ROLE: &str = "CLUSTER_MUTEX_TEST_ROLE";

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime.map_err(Failure::from).and_then(|runtime| {
        runtime.block_on(async {
            match std::env::var(ROLE).as_deref() {
                Ok("holder") => hold_until_killed(&words).await,
                Ok("blocker") => block_byte(&words).await,
                _ => timeout(TEST_LIMIT, run(&words)).await?,
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("cluster_mutex_test: {e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(words: &[&str]) -> Result<(), Failure> {
    let [test, lock, rest @ ..] = words else {
        return Err("usage: cluster_mutex_test <test> <mutex-string> [<arg>...]".into());
    };
    let helper = helper(lock)?;
    match (*test, rest) {
        ("lock-unlock", []) => unlock(take(&helper).await?).await,
        ("lock-lock-unlock", []) => {
            let first = take(&helper).await?;
            if let Some(second) = attempt(&helper).await? {
                second.release().await;
                return Err("two hold the lock".into());
            }
            println!("NOLOCK");
            unlock(first).await;
        }
        ("lock-unlock-lock-unlock", []) => {
            unlock(take(&helper).await?).await;
            unlock(take(&helper).await?).await;
        }
        ("lock-cancel-check", []) => {
            cancel(helper.start()?).await;
            println!("NOLOCK");
        }
        ("lock-cancel-unlock", []) => {
            cancel(helper.start()?).await;
            println!("UNLOCK");
        }
        ("lock-wait-unlock", []) => keep_for(&helper, 2 * PARENT_CHECK).await?,
        ("lock-ppid-gone-lock-unlock", []) => {
            parent_goes_away(lock).await?;
            unlock(take(&helper).await?).await;
        }
        ("lock-file-removed-no-recheck", [file]) => {
            let first = take(&helper).await?;
            std::fs::remove_file(file)?;
            let second = take(&helper).await?;
            unlock(second).await;
            unlock(first).await;
        }
        ("lock-file-wait-recheck-unlock", [seconds]) => {
            keep_for(&helper, Duration::from_secs(seconds.parse()?)).await?;
        }
        ("lock-file-removed", [file]) => {
            let held = take(&helper).await?;
            std::fs::remove_file(file)?;
            lost(held).await;
        }
        ("lock-file-changed", [file]) => {
            let held = take(&helper).await?;
            let other = format!("{file}.new");
            std::fs::write(&other, "")?;
            std::fs::rename(other, file)?;
            lost(held).await;
        }
        ("lock-io-timeout", [file, wait_s, block_s]) => {
            io_timeout(&helper, file, wait_s.parse()?, block_s.parse()?).await?;
        }
        _ => return Err("Unknown test".into()),
    }
    Ok(())
}

fn helper(lock: &str) -> Result<Helper, Failure> {
    // The suite names helpers, or their folder, by environment or command, but no CTDB_BASE: no
    // directory of ours is looked into.
    let nowhere = |name: &str| (name == "CTDB_BASE").then(|| ".".into());
    let paths = Paths::from_variables(|name| std::env::var_os(name).or_else(|| nowhere(name)))?;
    Ok(Helper::new(lock, &paths)?)
}

/// Prints what came of an attempt.
async fn attempt(helper: &Helper) -> Result<Option<Lock>, Failure> {
    let outcome = helper.start()?.outcome(ATTEMPT_LIMIT).await;
    println!(
        "{}",
        match outcome.answer {
            LockAnswer::Held => "LOCK",
            LockAnswer::Contended => "CONTENTION",
            LockAnswer::TimedOut => "TIMEOUT",
            LockAnswer::Failed => "ERROR",
        }
    );
    Ok(outcome.lock)
}

async fn take(helper: &Helper) -> Result<Lock, Failure> {
    let lock = attempt(helper).await?;
    lock.ok_or_else(|| "the lock should have been free".into())
}

async fn unlock(lock: Lock) {
    println!("UNLOCK");
    lock.release().await;
}

async fn cancel(attempt: Attempt) {
    println!("CANCEL");
    attempt.cancel().await;
}

async fn lost(mut lock: Lock) {
    lock.lost().await;
    println!("LOST");
    lock.release().await;
}

async fn keep_for(helper: &Helper, time: Duration) -> Result<(), Failure> {
    let lock = take(helper).await?;
    keep(lock, time).await;
    Ok(())
}

/// Holds the lock for a time unless it gets lost.
async fn keep(mut lock: Lock, time: Duration) {
    if timeout(time, lock.lost()).await.is_ok() {
        lost(lock).await;
    } else {
        unlock(lock).await;
    }
}

/// Another process takes the lock and is killed; returns when its helper has noticed.
async fn parent_goes_away(lock: &str) -> Result<(), Failure> {
    let (theirs, mut end) = pipe::pipe()?;
    let theirs: OwnedFd = theirs.into_blocking_fd()?;
    // The helper inherits this end too, so the pipe closes when the helper ends.
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut holder = Command::new(std::env::current_exe()?)
        .args([lock, &theirs.as_raw_fd().to_string()])
        .env(ROLE, "holder")
        .stdin(Stdio::piped())
        .spawn()?;
    drop(theirs);
    end.read_u8().await?;
    holder.kill()?;
    holder.wait()?;
    let mut rest = Vec::new();
    end.read_to_end(&mut rest).await?;
    Ok(())
}

async fn hold_until_killed(words: &[&str]) -> Result<(), Failure> {
    let [lock, fd] = words else {
        return Err("holder: lock and descriptor".into());
    };
    let _held = take(&helper(lock)?).await?;
    ctdbd::sys::descriptor::write_to(fd.parse()?, b".")?;
    tokio::time::sleep(Duration::from_secs(999)).await;
    Ok(())
}

/// Another process keeps the helper's check waiting for a while.
async fn io_timeout(helper: &Helper, file: &str, wait_s: u64, block_s: u64) -> Result<(), Failure> {
    let lock = take(helper).await?;
    let mut blocker = Command::new(std::env::current_exe()?)
        .args([file, &wait_s.to_string(), &block_s.to_string()])
        .env(ROLE, "blocker")
        .stdin(Stdio::null())
        .spawn()?;
    keep(lock, Duration::from_secs(wait_s + block_s * 2)).await;
    blocker.kill()?;
    blocker.wait()?;
    Ok(())
}

async fn block_byte(words: &[&str]) -> Result<(), Failure> {
    let [file, wait_s, block_s] = words else {
        return Err("blocker: file and two times".into());
    };
    tokio::time::sleep(Duration::from_secs(wait_s.parse()?)).await;
    let file = OpenOptions::new().read(true).write(true).open(file)?;
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 1,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_SETLKW(&lock)).map_err(io::Error::from)?;
    tokio::time::sleep(Duration::from_secs(block_s.parse()?)).await;
    drop(file);
    tokio::time::sleep(Duration::from_secs(999)).await;
    Ok(())
}
