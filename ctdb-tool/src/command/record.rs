// SPDX-License-Identifier: GPL-3.0-or-later
//! Single records of volatile databases.

use super::database::{opened, volatile};
use crate::failure::{Doing, Failure, Outcome};
use crate::output::record::bytes_json;
use crate::output::value::{Raw, WithText};
use crate::parse;
use crate::session::Session;
use ctdb_protocol::control as ctl;
use ctdb_protocol::types::PushRecord;
use serde_json::json;

/// A key or value as typed, or why it is none.
pub fn typed(text: &str, what: &str) -> Result<Vec<u8>, Failure> {
    parse::data(text).doing(|| format!("Failed to parse {what} {text}"))
}

/// `ctdb readkey`.
pub async fn readkey(session: &mut Session, args: &[String]) -> Outcome {
    let (db, key_text, read_only) = match args {
        [db, key] => (db, key, false),
        [db, key, word] if word == "readonly" => (db, key, true),
        _ => return Err(Failure::Usage),
    };
    let db = opened(session, &volatile(session, db).await?).await?;
    let key = typed(key_text, "key")?;
    let data = db
        .fetch_lock(&key, read_only)
        .await
        .doing(|| format!("Failed to read record for key {key_text}"))?
        .data()
        .to_vec();
    let before = format!("Data: size:{} ptr:[", data.len());
    show_data(session, &before, &data, "]\n")
}

/// Shows a record's data between two texts: those before the first NUL, as C's `%s` does; all of them as JSON.
pub fn show_data(session: &mut Session, before: &str, data: &[u8], after: &str) -> Outcome {
    let shown = data.split(|byte| *byte == 0).next().unwrap_or_default();
    session.console.out.show(&WithText {
        text: Raw {
            key: "data",
            bytes: [before.as_bytes(), shown, after.as_bytes()].concat(),
        },
        value: json!({ "data": bytes_json(data) }),
    })?;
    Ok(0)
}

/// `ctdb writekey`.
pub async fn writekey(session: &mut Session, args: &[String]) -> Outcome {
    let [db_text, key_text, value_text] = args else {
        return Err(Failure::Usage);
    };
    let db = opened(session, &volatile(session, db_text).await?).await?;
    let key = typed(key_text, "key")?;
    let value = typed(value_text, "value")?;
    db.fetch_lock(&key, false)
        .await
        // upstream names the database here
        .doing(|| format!("Failed to lock record for key {db_text}"))?
        .store(&value)
        .doing(|| format!("Failed to store record for key {key_text}"))?;
    Ok(0)
}

/// `ctdb deletekey`.
pub async fn deletekey(session: &mut Session, args: &[String]) -> Outcome {
    let [db, key_text] = args else {
        return Err(Failure::Usage);
    };
    let db = opened(session, &volatile(session, db).await?).await?;
    let key = typed(key_text, "key")?;
    db.fetch_lock(&key, false)
        .await
        .doing(|| format!("Failed to fetch record for key {key_text}"))?
        .delete()
        .await
        .doing(|| format!("Failed to delete record for key {key_text}"))?;
    Ok(0)
}

/// `ctdb pushrecord`: stores a record, and is done when every active node has a copy of it.
pub async fn pushrecord(session: &mut Session, args: &[String]) -> Outcome {
    let [db, key_text, value_text] = args else {
        return Err(Failure::Usage);
    };
    let db = opened(session, &volatile(session, db).await?).await?;
    let key = typed(key_text, "key")?;
    let value = typed(value_text, "value")?;
    let mut record = db
        .fetch_lock(&key, false)
        .await
        .doing(|| format!("Failed to fetch record for key {key_text}"))?;
    // It cannot change any more: a recovery waits for the lock.
    let generation = session
        .control::<ctl::GetVnnMap>(session.pnn, &())
        .await?
        .generation;
    let header = record
        .store_newer(&value)
        .doing(|| format!("Failed to store record for key {key_text}"))?;
    let push = PushRecord {
        generation,
        db_id: db.id(),
        header,
        key: key.into(),
        value: value.into(),
    };
    session
        .control::<ctl::PushRecord>(session.pnn, &push)
        .await
        .doing(|| format!("Failed to push record for key {key_text}"))?;
    Ok(0)
}
