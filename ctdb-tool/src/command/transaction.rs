// SPDX-License-Identifier: GPL-3.0-or-later
//! Records of persistent and replicated databases, changed in transactions.

use super::database::{attached, opened, transactional};
use super::record::{show_data, typed};
use crate::failure::{Doing, Failure, Outcome, errno_of};
use crate::parse;
use crate::session::Session;
use ctdb_client::database::{Attached, Database, GLocks, Transaction};
use ctdb_protocol::types::DbFlags;
use std::fs::File;
use std::io::{self, BufRead, BufReader};

async fn begin<'a>(
    db: &'a Database,
    locks: &'a GLocks,
    read_only: bool,
) -> Result<Transaction<'a>, Failure> {
    db.transaction(locks, read_only)
        .await
        .doing(|| format!("Failed to start transaction on db {}", db.name()))
}

async fn locks_for(session: &Session, db: &Database) -> Result<GLocks, Failure> {
    let name = db.name();
    let locks = attached(session, GLocks::DATABASE, DbFlags::empty())
        .await
        .and_then(Attached::open)
        .doing(|| format!("transaction_start: {name} attach g_lock.tdb failed"))
        .doing(|| format!("Failed to start transaction on db {name}"))?;
    Ok(GLocks::over(locks))
}

async fn commit(name: &str, transaction: Transaction<'_>) -> Result<(), Failure> {
    transaction
        .commit()
        .await
        .doing(|| format!("Failed to commit transaction on db {name}"))
}

/// `ctdb pfetch`.
pub async fn pfetch(session: &mut Session, args: &[String]) -> Outcome {
    let [db, key_text] = args else {
        return Err(Failure::Usage);
    };
    let db = opened(session, &transactional(session, db).await?).await?;
    let key = typed(key_text, "key")?;
    let locks = locks_for(session, &db).await?;
    let transaction = begin(&db, &locks, true).await?;
    let data = transaction
        .fetch(&key)
        .doing(|| format!("Failed to read record for key {key_text}"));
    transaction.cancel().await?;
    let data = data?;
    show_data(session, "", &data, "\n")
}

/// `ctdb pstore`.
pub async fn pstore(session: &mut Session, args: &[String]) -> Outcome {
    let [db, key, value_text] = args else {
        return Err(Failure::Usage);
    };
    let db = opened(session, &transactional(session, db).await?).await?;
    let key_bytes = typed(key, "key")?;
    let value = typed(value_text, "value")?;
    change(session, &db, &key_bytes, &value, || {
        format!("Failed to store record for key {key}")
    })
    .await
}

/// `ctdb pdelete`.
pub async fn pdelete(session: &mut Session, args: &[String]) -> Outcome {
    let [db, key] = args else {
        return Err(Failure::Usage);
    };
    let db = opened(session, &transactional(session, db).await?).await?;
    let key_bytes = typed(key, "key")?;
    change(session, &db, &key_bytes, &[], || {
        format!("Failed to delete record for key {key}")
    })
    .await
}

async fn change(
    session: &Session,
    db: &Database,
    key: &[u8],
    value: &[u8],
    doing: impl FnOnce() -> String,
) -> Outcome {
    let locks = locks_for(session, db).await?;
    let mut transaction = begin(db, &locks, false).await?;
    if let Err(failure) = transaction.store(key, value) {
        transaction.cancel().await?;
        return Err(Failure::from(failure).and(doing()));
    }
    commit(db.name(), transaction).await?;
    Ok(0)
}

/// `ctdb ptrans`: many records in one transaction, from a file or standard input.
pub async fn ptrans(session: &mut Session, args: &[String]) -> Outcome {
    let (db, file) = match args {
        [db] => (db, None),
        [db, file] => (db, Some(file)),
        _ => return Err(Failure::Usage),
    };
    let db = transactional(session, db).await?;
    let input: Box<dyn BufRead> = match file {
        None => Box::new(BufReader::new(io::stdin())),
        Some(name) => {
            let opened = File::open(name)
                .map_err(|_| Failure::say(1, format!("Failed to open file {name}")))?;
            Box::new(BufReader::new(opened))
        }
    };
    let db = opened(session, &db).await?;
    let locks = locks_for(session, &db).await?;
    let mut transaction = begin(&db, &locks, false).await?;
    if let Err(failure) = store_lines(session, &mut transaction, input) {
        transaction.cancel().await?;
        return Err(failure);
    }
    commit(db.name(), transaction).await?;
    Ok(0)
}

fn store_lines(
    session: &mut Session,
    transaction: &mut Transaction<'_>,
    mut input: Box<dyn BufRead>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input
            .read_until(b'\n', &mut line)
            .map_err(|e| Failure::say(errno_of(&e), format!("Failed to read input: {e}")))?;
        if read == 0 {
            return Ok(());
        }
        match pair(&String::from_utf8_lossy(&line)) {
            Ok(Some((key, value))) => {
                transaction
                    .store(&key, &value)
                    .doing(|| "Failed to store record".to_owned())?;
            }
            Ok(None) => {}
            // a bad line is skipped, with a word about it
            Err(failure) => session.console.complain(&failure),
        }
    }
}

type KeyValue = (Vec<u8>, Vec<u8>);

/// Key and value of a line; `None` if the key is empty.
fn pair(line: &str) -> Result<Option<KeyValue>, Failure> {
    let (key, rest) = quoted(line)?;
    if key.is_empty() {
        return Ok(None);
    }
    let (value, _) = quoted(rest)?;
    Ok(Some((key, value)))
}

/// The bytes between the first pair of quotes, and what follows. Answers to `ptrans_parse_string`.
fn quoted(text: &str) -> Result<(Vec<u8>, &str), Failure> {
    let trimmed = text.trim_start_matches([' ', '\t']);
    let Some(inner) = trimmed.strip_prefix('"') else {
        return Err(Failure::say(
            1,
            format!("Unsupported input format in {text}"),
        ));
    };
    let Some((content, rest)) = inner.split_once('"') else {
        return Err(Failure::say(1, format!("Unmatched \" in input {text}")));
    };
    Ok((parse::data(content)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_a_quoted_pair() {
        let some = |k: &[u8], v: &[u8]| Some((k.to_vec(), v.to_vec()));
        assert_eq!(pair("\"key\" \"value\"\n").unwrap(), some(b"key", b"value"));
        assert_eq!(pair(" \t\"0x6b\"\"\" # deletes").unwrap(), some(b"k", b""));
        assert_eq!(pair("\"\" \"x\"").unwrap(), None);
        assert!(pair("# comment\n").is_err());
        assert!(pair("\"key\" \"value").is_err());
        assert!(pair("\"key\"\n").is_err());
    }
}
