// SPDX-License-Identifier: GPL-3.0-or-later
//! The file that `backupdb` writes: a header, then buffers of records. Integers are the machine's.
//!
//! Header, 104 bytes: version, time, flags, number of buffers, number of records (8 bytes each), then the
//! database's name in 64 bytes. Each buffer: database and number of records (4 bytes each), length (8 bytes), then
//! the records as they travel, their values with the header that every record has in the file.

use ctdb_protocol::id::{DbId, ReqId};
use ctdb_protocol::types::RecordRef;
use ctdb_protocol::wire::Wire;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// The only version there is.
pub const VERSION: u64 = 3;
const HEADER_BYTES: usize = 104;
const NAME_BYTES: usize = 64;
/// A buffer is written when it has grown to this size.
const BUFFER_BYTES: usize = 100_000;

/// What the file is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// [`VERSION`].
    pub version: u64,
    /// When it was made, in seconds since 1970.
    pub time: i64,
    /// The database's kind.
    pub flags: u64,
    /// How many buffers follow.
    pub buffers: u64,
    /// How many records all of them hold.
    pub records: u64,
    /// The database.
    pub name: String,
}

impl Header {
    /// Reads it from the front of a file; what is missing counts as zero.
    pub fn read(file: &mut impl Read) -> io::Result<Self> {
        let mut raw = Vec::with_capacity(HEADER_BYTES);
        file.take(HEADER_BYTES as u64).read_to_end(&mut raw)?;
        raw.resize(HEADER_BYTES, 0);
        let number = |index: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&raw[index * 8..index * 8 + 8]);
            u64::from_ne_bytes(bytes)
        };
        let name = raw[HEADER_BYTES - NAME_BYTES..HEADER_BYTES - 1]
            .split(|byte| *byte == 0)
            .next();
        Ok(Self {
            version: number(0),
            time: number(1) as i64,
            flags: number(2),
            buffers: number(3),
            records: number(4),
            name: String::from_utf8_lossy(name.unwrap_or_default()).into_owned(),
        })
    }

    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        let mut raw = Vec::with_capacity(HEADER_BYTES);
        for number in [
            self.version,
            self.time as u64,
            self.flags,
            self.buffers,
            self.records,
        ] {
            raw.extend(number.to_ne_bytes());
        }
        let name = self.name.as_bytes();
        raw.extend_from_slice(&name[..name.len().min(NAME_BYTES - 1)]);
        raw.resize(HEADER_BYTES, 0);
        file.write_all(&raw)
    }
}

/// Writes a backup, buffer by buffer.
pub struct Writer<F> {
    file: F,
    db_id: DbId,
    header: Header,
    records: Vec<u8>,
    count: u32,
}

impl<F: Write + Seek> Writer<F> {
    /// Begins with an empty header, which marks the file as unfinished.
    pub fn new(mut file: F, db_id: DbId, header: Header) -> io::Result<Self> {
        Header::default().write(&mut file)?;
        Ok(Self {
            file,
            db_id,
            header,
            records: Vec::new(),
            count: 0,
        })
    }

    /// Adds a record; `value` with its header.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        RecordRef {
            reqid: ReqId(0),
            key,
            data: value,
        }
        .put(&mut self.records);
        self.count += 1;
        if self.records.len() >= BUFFER_BYTES {
            self.end_buffer()
        } else {
            Ok(())
        }
    }

    fn end_buffer(&mut self) -> io::Result<()> {
        self.file.write_all(&self.db_id.0.to_ne_bytes())?;
        self.file.write_all(&self.count.to_ne_bytes())?;
        self.file
            .write_all(&(self.records.len() as u64).to_ne_bytes())?;
        self.file.write_all(&self.records)?;
        self.header.buffers += 1;
        self.header.records += u64::from(self.count);
        self.records.clear();
        self.count = 0;
        Ok(())
    }

    /// Writes what is left and the true header.
    pub fn finish(mut self) -> io::Result<F> {
        if self.count > 0 {
            self.end_buffer()?;
        }
        self.file.seek(SeekFrom::Start(0))?;
        self.header.write(&mut self.file)?;
        self.file.flush()?;
        Ok(self.file)
    }
}

/// A buffer of records.
pub struct Buffer {
    /// How many records.
    pub count: u32,
    records: Vec<u8>,
}

impl Buffer {
    /// Reads the next buffer.
    pub fn read(file: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 16];
        file.read_exact(&mut head)?;
        let count = u32::from_ne_bytes([head[4], head[5], head[6], head[7]]);
        let mut length = [0; 8];
        length.copy_from_slice(&head[8..]);
        let length = u64::from_ne_bytes(length);
        let mut records = Vec::new();
        // read as far as the file goes before believing the length
        file.take(length).read_to_end(&mut records)?;
        if records.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { count, records })
    }

    /// The records; `None` in place of one that makes no sense.
    pub fn iter(&self) -> impl Iterator<Item = Option<RecordRef<'_>>> {
        let mut rest = self.records.as_slice();
        (0..self.count).map(move |_| {
            let (left, record) = RecordRef::take(rest).ok()?;
            rest = left;
            Some(record)
        })
    }

    /// As a payload for a database being pushed.
    pub fn payload(&self, db_id: DbId) -> Vec<u8> {
        let mut payload = Vec::with_capacity(8 + self.records.len());
        db_id.put(&mut payload);
        self.count.put(&mut payload);
        payload.extend_from_slice(&self.records);
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn what_is_written_is_read() {
        let header = Header {
            version: VERSION,
            time: 7,
            flags: 1,
            name: "a.tdb".into(),
            ..Header::default()
        };
        let mut writer = Writer::new(Cursor::new(Vec::new()), DbId(5), header).unwrap();
        for number in 0..3000u32 {
            writer.push(&number.to_ne_bytes(), &[9; 60]).unwrap();
        }
        let mut file = writer.finish().unwrap();
        file.set_position(0);
        let header = Header::read(&mut file).unwrap();
        assert_eq!((header.records, header.name.as_str()), (3000, "a.tdb"));
        assert!(header.buffers > 1);
        let mut seen = 0u32;
        for _ in 0..header.buffers {
            for record in Buffer::read(&mut file).unwrap().iter() {
                assert_eq!(record.unwrap().key, seen.to_ne_bytes());
                seen += 1;
            }
        }
        assert_eq!(seen, 3000);
    }

    #[test]
    fn short_files_are_no_backups() {
        assert_eq!(
            Header::read(&mut Cursor::new(b"abc")).unwrap().version,
            0x0063_6261
        );
        assert!(Buffer::read(&mut Cursor::new([255u8; 16])).is_err());
    }
}
