// SPDX-License-Identifier: GPL-3.0-or-later
//! Records, as the dump commands show them. Written straight to the output: a dump may hold millions.

use super::statistics::hex;
use super::{Form, Printer};
use crate::failure::Failure;
use ctdb_protocol::types::{LtdbHeader, RecordFlags};
use serde_json::{Value, json};
use std::io::{self, Write};

const FLAG_NAMES: [(RecordFlags, &str); 7] = [
    (RecordFlags::MIGRATED_WITH_DATA, "MIGRATED_WITH_DATA"),
    (RecordFlags::VACUUM_MIGRATED, "VACUUM_MIGRATED"),
    (RecordFlags::AUTOMATIC, "AUTOMATIC"),
    (RecordFlags::RO_HAVE_DELEGATIONS, "RO_HAVE_DELEGATIONS"),
    (RecordFlags::RO_HAVE_READONLY, "RO_HAVE_READONLY"),
    (RecordFlags::RO_REVOKING_READONLY, "RO_REVOKING_READONLY"),
    (RecordFlags::RO_REVOKE_COMPLETE, "RO_REVOKE_COMPLETE"),
];

/// `key(4) = "key2"`, with the bytes as [`write_quoted`] shows them.
pub fn write_bytes(out: &mut dyn Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    write!(out, "{name}({}) = ", bytes.len())?;
    write_quoted(out, bytes)?;
    out.write_all(b"\n")
}

/// `"key2"`: printable ASCII as it is, all else, quotes and backslashes as `\22`.
pub fn write_quoted(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    out.write_all(b"\"")?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = rest.iter().take_while(|byte| plain(**byte)).count();
        let (shown, odd) = rest.split_at(length);
        out.write_all(shown)?;
        rest = match odd.split_first() {
            Some((byte, rest)) => {
                write!(out, "\\{byte:02X}")?;
                rest
            }
            None => odd,
        };
    }
    out.write_all(b"\"")
}

/// The lines `dmaster`, `rsn` and `flags`.
pub fn write_header(out: &mut dyn Write, header: &LtdbHeader) -> io::Result<()> {
    writeln!(out, "dmaster: {}", header.dmaster)?;
    writeln!(out, "rsn: {}", header.rsn)?;
    write!(out, "flags: 0x{:08x}", header.flags.bits())?;
    for name in flag_names(header) {
        write!(out, " {name}")?;
    }
    writeln!(out)
}

fn flag_names(header: &LtdbHeader) -> impl Iterator<Item = &'static str> {
    let flags = header.flags;
    FLAG_NAMES
        .iter()
        .filter(move |(flag, _)| flags.contains(*flag))
        .map(|(_, name)| *name)
}

/// A record for JSON: bytes as hex, and as text where they are text.
pub fn json(header: Option<&LtdbHeader>, key: &[u8], data: &[u8]) -> Value {
    let mut record = json!({ "key": bytes_json(key), "data": bytes_json(data) });
    if let Some(header) = header {
        record["header"] = header_json(header);
    }
    record
}

/// A record's header for JSON.
pub fn header_json(header: &LtdbHeader) -> Value {
    json!({
        "dmaster": header.dmaster.0,
        "rsn": header.rsn,
        "flags_raw": header.flags.bits(),
        "flags": flag_names(header).collect::<Vec<_>>(),
    })
}

/// Bytes for JSON: `hex`, and `text` when all of them are printable.
pub fn bytes_json(bytes: &[u8]) -> Value {
    let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let text = printable.then(|| String::from_utf8_lossy(bytes));
    json!({ "size": bytes.len(), "hex": hex(bytes), "text": text })
}

/// A dump under way: counts the records it shows.
pub struct Dump<'a> {
    out: &'a mut Printer,
    count: u32,
    last_line: &'static str,
}

impl<'a> Dump<'a> {
    /// Starts a dump that ends with `Dumped N` and `last_line` (upstream has two spellings).
    pub fn new(out: &'a mut Printer, last_line: &'static str) -> Result<Self, Failure> {
        let mut dump = Self {
            out,
            count: 0,
            last_line,
        };
        if dump.json() {
            dump.write(|out| out.write_all(b"{\n  \"records\": ["))?;
        }
        Ok(dump)
    }

    fn json(&self) -> bool {
        self.out.form() == Form::Json
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(self.out.bulk()).map_err(|e| super::write_failed(&e))
    }

    /// Shows a record.
    pub fn record(&mut self, header: &LtdbHeader, key: &[u8], data: &[u8]) -> Result<(), Failure> {
        let first = self.count == 0;
        let as_json = self.json();
        self.count = self.count.wrapping_add(1);
        self.write(|out| {
            if as_json {
                out.write_all(if first { b"\n    " } else { b",\n    " })?;
                return serde_json::to_writer(&mut *out, &json(Some(header), key, data))
                    .map_err(io::Error::from);
            }
            write_bytes(out, "key", key)?;
            write_header(out, header)?;
            write_bytes(out, "data", data)?;
            out.write_all(b"\n")
        })
    }

    /// Shows how many there were.
    pub fn end(mut self) -> Result<(), Failure> {
        let (count, last_line, as_json) = (self.count, self.last_line, self.json());
        self.write(|out| {
            if as_json {
                let close = if count == 0 { "" } else { "\n  " };
                return writeln!(out, "{close}],\n  \"count\": {count}\n}}");
            }
            writeln!(out, "Dumped {count} {last_line}")
        })?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::id::Pnn;

    #[test]
    fn odd_bytes_are_escaped() {
        let mut out = Vec::new();
        write_bytes(&mut out, "data", b"a\"\\\x00\xffz").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "data(6) = \"a\\22\\5C\\00\\FFz\"\n"
        );
    }

    #[test]
    fn flags_have_names() {
        let flags = RecordFlags::RO_HAVE_DELEGATIONS | RecordFlags::MIGRATED_WITH_DATA;
        let header = LtdbHeader::new(3, Pnn(1), flags);
        let mut out = Vec::new();
        write_header(&mut out, &header).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "dmaster: 1\nrsn: 3\nflags: 0x01010000 MIGRATED_WITH_DATA RO_HAVE_DELEGATIONS\n"
        );
    }
}
