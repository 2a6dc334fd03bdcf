// SPDX-License-Identifier: GPL-3.0-or-later
//! What upstream's client library says, and the number it returns, when working on a database's file beside the
//! daemon fails. The work itself is [`ctdb_client::database`]'s.

use crate::failure::{Doing, Failure};
use crate::session::code_of;
use ctdb_client::database::{DatabaseError, FileStep, LockStep, Part, TransactionStep};
use ctdb_client::{CallError, ControlError};

impl<T> Doing<T> for Result<T, DatabaseError> {
    fn doing(self, line: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(Failure::from).doing(line)
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Control { name, source } => control(&name, &source),
            DatabaseError::Property {
                name,
                id,
                flags,
                source,
            } => {
                let (code, step) = (code_of(&source), source.control);
                Self::say(
                    code,
                    format!("set_db_flags: {id} {step} failed, ret={code}"),
                )
                .and(format!(
                    "attach: {name} set db flags 0x{:08x} failed",
                    flags.bits()
                ))
            }
            DatabaseError::Call { name, source } => call(&name, &source),
            DatabaseError::Function { .. } => Self::silent(libc::EIO),
            DatabaseError::File { name, step, source } => file(&name, step, &source),
            DatabaseError::Malformed { part, .. } => Self::silent(match part {
                Part::Header => libc::EMSGSIZE,
                Part::Holders | Part::Sequence => libc::EINVAL,
            }),
            DatabaseError::Unhealthy { name, reason } => Self::say(
                libc::EIO,
                format!("attach: {name} database unhealthy ({reason})"),
            ),
            DatabaseError::Kind { .. } => Self::silent(libc::EINVAL),
            DatabaseError::ReadOnlyCopy { name, step } => match step {
                FileStep::Delete => Self::say(
                    libc::EINVAL,
                    format!("fetch_lock delete: {name} readonly record"),
                ),
                _ => Self::silent(libc::EINVAL),
            },
            DatabaseError::Deadlock => Self::silent(libc::EDEADLK),
            DatabaseError::Lock { lock, step, source } => cluster_lock(&lock, step, *source),
            DatabaseError::Transaction { name, step, source } => transaction(&name, step, *source),
            DatabaseError::Overtaken { name, before, now } => Self::say(
                libc::EIO,
                format!("transaction_commit: {name} seqnum mismatch 0x{now:x} != 0x{before:x} + 1"),
            ),
        }
    }
}

/// A control of attaching, or the one that follows a deletion.
fn control(name: &str, error: &ControlError) -> Failure {
    let code = code_of(error);
    let refused = error.status().is_some();
    let line = match error.control {
        "SCHEDULE_FOR_DELETION" => {
            format!("delete_record: {name} SCHEDULE_FOR_DELETION failed, ret={code}")
        }
        attach if attach.starts_with("DB_ATTACH") && refused => {
            format!("attach: {name} failed to get db_id, ret={code}")
        }
        control if refused => format!("attach: {name} {control} parse failed, ret={code}"),
        control => format!("attach: {name} {control} failed, ret={code}"),
    };
    Failure::say(code, line)
}

fn call(name: &str, error: &CallError) -> Failure {
    let code = match error {
        CallError::Failed { status, .. } => *status,
        CallError::Unexpected => libc::EPROTO,
        // As with controls: the connection is gone, and upstream leaves without a word.
        CallError::Closed => return Failure::silent(1),
    };
    Failure::say(code, format!("fetch_lock: {name} CALL failed, ret={code}"))
}

fn file(name: &str, step: FileStep, error: &tdb::Error) -> Failure {
    let (code, line) = match step {
        FileStep::Read => return Failure::silent(libc::EIO),
        FileStep::Open => (
            libc::ENOMEM,
            format!("attach: {name} tdb_wrap_open failed ({error})"),
        ),
        FileStep::Lock => (
            libc::EIO,
            format!("fetch_lock: {name} tdb_chainlock failed, {error}"),
        ),
        FileStep::Store => (
            libc::EIO,
            format!("store_record: {name} tdb_storev failed, {error}"),
        ),
        FileStep::Delete => (
            libc::EIO,
            format!("fetch_lock delete: {name} tdb_store failed, {error}"),
        ),
    };
    Failure::say(code, line)
}

fn cluster_lock(lock: &str, step: LockStep, source: DatabaseError) -> Failure {
    let doing = match step {
        LockStep::Take => "g_lock_lock",
        LockStep::Release => "g_lock_unlock",
    };
    match &source {
        DatabaseError::Deadlock => Failure::from(source).and(format!("{doing}: {lock} deadlock")),
        DatabaseError::Malformed {
            part: Part::Holders,
            ..
        } => Failure::from(source).and(format!("{doing}: {lock} invalid lock data")),
        DatabaseError::Control { source, .. } => {
            let (code, control) = (code_of(source), source.control);
            Failure::say(
                code,
                format!("{doing}: {lock} {control} failed, ret={code}"),
            )
        }
        DatabaseError::File {
            step: FileStep::Store,
            ..
        }
        | DatabaseError::ReadOnlyCopy {
            step: FileStep::Store,
            ..
        } => source.into(),
        DatabaseError::File {
            step: FileStep::Delete,
            ..
        }
        | DatabaseError::ReadOnlyCopy {
            step: FileStep::Delete,
            ..
        } => {
            let failure = Failure::from(source);
            let code = failure.status();
            failure.and(format!("{doing} {lock} delete record failed, ret={code}"))
        }
        _ => Failure::from(source).and(format!("{doing}: {lock} fetch lock failed")),
    }
}

fn transaction(name: &str, step: TransactionStep, source: DatabaseError) -> Failure {
    let doing = match step {
        TransactionStep::Start => "transaction_start",
        TransactionStep::EndCancelled => "transaction_cancel",
        TransactionStep::ReadSequence | TransactionStep::Commit | TransactionStep::EndCommitted => {
            "transaction_commit"
        }
    };
    let what = match (step, &source) {
        (TransactionStep::Start, _) => "g_lock lock",
        (TransactionStep::EndCommitted | TransactionStep::EndCancelled, _) => "g_lock unlock",
        (TransactionStep::Commit, DatabaseError::Control { source, .. }) => {
            let code = code_of(source);
            let line = format!("{doing}: {name} TRANS3_COMMIT failed, ret={code}");
            return Failure::say(code, line);
        }
        (
            TransactionStep::ReadSequence,
            DatabaseError::Malformed {
                part: Part::Sequence,
                ..
            },
        ) => return source.into(),
        (TransactionStep::ReadSequence | TransactionStep::Commit, _) => "seqnum fetch",
    };
    let failure = Failure::from(source);
    let code = failure.status();
    failure.and(format!("{doing}: {name} {what} failed, ret={code}"))
}
