// SPDX-License-Identifier: GPL-3.0-or-later
//! Records straight in a database's file, past the daemon: for repairs.

use super::record::typed;
use crate::failure::{Failure, Outcome};
use crate::number;
use crate::output::Report;
use crate::output::record::{bytes_json, header_json, write_bytes, write_header};
use crate::session::Session;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{LtdbHeader, RecordFlags};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use tdb::{OpenMode, StoreMode, Tdb, TdbFlags};

struct Record {
    header: LtdbHeader,
    data: Vec<u8>,
}

impl Report for Record {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        write_header(out, &self.header)?;
        write_bytes(out, "data", &self.data)
    }

    fn json(&self) -> Value {
        json!({ "header": header_json(&self.header), "data": bytes_json(&self.data) })
    }
}

fn open(path: &str) -> Result<Tdb, Failure> {
    Tdb::open(path, 0, TdbFlags::empty(), OpenMode::ReadWrite)
        .map_err(|_| Failure::say(1, format!("Failed to open TDB file {path}")))
}

/// `ctdb tfetch`.
pub async fn tfetch(session: &mut Session, args: &[String]) -> Outcome {
    let (path, key_text, copy) = match args {
        [path, key] => (path, key, None),
        [path, key, copy] => (path, key, Some(copy)),
        _ => return Err(Failure::Usage),
    };
    let tdb = open(path)?;
    let key = typed(key_text, "key")?;
    let value = tdb.fetch(&key).ok().flatten();
    let value = value.ok_or_else(|| Failure::say(1, format!("No record for key {key_text}")))?;
    let (header, data) = LtdbHeader::split(&value)
        .map_err(|_| Failure::say(1, format!("Invalid record for key {key_text}")))?;
    if let Some(name) = copy {
        // upstream goes on when this fails
        if let Err(line) = save(name, &value) {
            session.console.out.warn(&line);
        }
    }
    session.console.out.show(&Record {
        header,
        data: data.to_vec(),
    })?;
    Ok(0)
}

fn save(name: &str, value: &[u8]) -> Result<(), String> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(name);
    let mut file = opened.map_err(|_| format!("Failed to open output file {name}"))?;
    file.write_all(value)
        .map_err(|_| "Failed to write record to file".to_owned())
}

/// `ctdb tstore`.
pub async fn tstore(_session: &mut Session, args: &[String]) -> Outcome {
    let [path, key_text, value_text, numbers @ ..] = args else {
        return Err(Failure::Usage);
    };
    // the usage text names flags too, but upstream's tool takes none
    if numbers.len() > 2 {
        return Err(Failure::Usage);
    }
    let tdb = open(path)?;
    let key = typed(key_text, "key")?;
    let value = typed(value_text, "value")?;
    let rsn = match numbers.first() {
        Some(text) => number::unsigned(text, 0).map_err(|e| Failure::silent(e.errno()))?,
        None => 0,
    };
    let dmaster = numbers
        .get(1)
        .map_or(0, |text| number::lenient(text) as u32);
    let header = LtdbHeader::new(rsn, Pnn(dmaster), RecordFlags::empty());
    tdb.store(&key, &header.join(&value), StoreMode::Replace)
        .map_err(|_| {
            Failure::say(
                1,
                format!("Failed to write record {key_text} to file {path}"),
            )
        })?;
    Ok(0)
}
