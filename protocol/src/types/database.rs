//! Databases, records and walks through them.

use bytes::Bytes;

use crate::id::{DbId, Generation, Pnn, ReqId};
use crate::srvid::Srvid;
use crate::wire::{Data, Pad, Parsed, Wire, WireError, bytes, invalid, plain, put_length};

wire_flags! {
    /// What kind of database it is.
    pub struct DbFlags: u8 {
        /// Survives restarts.
        const PERSISTENT = 0x01;
        /// Grants read-only delegations.
        const READONLY = 0x02;
        /// Holds hot records for a while.
        const STICKY = 0x04;
        /// Every node has every record, none survives a restart.
        const REPLICATED = 0x08;
    }

    /// State of a record, kept in its header.
    pub struct RecordFlags: u32 {
        /// Migrated at least once with data.
        const MIGRATED_WITH_DATA = 0x0001_0000;
        /// Migrated by the vacuum process.
        const VACUUM_MIGRATED = 0x0002_0000;
        /// Written by a client without a migration.
        const AUTOMATIC = 0x0004_0000;
        /// The data master gave read-only copies away.
        const RO_HAVE_DELEGATIONS = 0x0100_0000;
        /// This is a read-only copy.
        const RO_HAVE_READONLY = 0x0200_0000;
        /// Copies are being taken back.
        const RO_REVOKING_READONLY = 0x0400_0000;
        /// Copies were taken back.
        const RO_REVOKE_COMPLETE = 0x0800_0000;
        /// All of the read-only bits.
        const RO_FLAGS = 0x0F00_0000;
    }

    /// Flags of a call.
    pub struct CallFlags: u32 {
        /// Bring the record here at once.
        const IMMEDIATE_MIGRATION = 0x1;
        /// Brought here to be vacuumed.
        const VACUUM_MIGRATION = 0x2;
        /// A read-only copy will do.
        const WANT_READONLY = 0x4;
    }
}

wire_enum! {
    /// What a call does with the record.
    pub struct CallFunction: u32 {
        /// Nothing: used for its migration.
        NULL = 0xFF00_0001, "NULL";
        /// Returns the data.
        FETCH = 0xFF00_0002, "FETCH";
        /// Returns header and data.
        FETCH_WITH_HEADER = 0xFF00_0003, "FETCH_WITH_HEADER";
    }
}

wire_struct! {
    /// In front of every record's value in a cluster database: 24 bytes.
    #[derive(Copy, Default)]
    pub struct LtdbHeader {
        /// Record sequence number: grows with each change of data master.
        rsn: u64,
        /// Who may change the record.
        dmaster: Pnn,
        /// Unused.
        reserved: u32,
        /// Its state.
        flags: RecordFlags,
        /// A hole.
        pad: Pad<4>,
    }

    /// A database in the list of all.
    #[derive(Copy)]
    pub struct DbAndFlags {
        /// The database.
        db_id: DbId,
        /// Its kind.
        flags: DbFlags,
        /// A hole.
        pad: Pad<3>,
    }

    /// All databases, the newest first.
    #[derive(Default)]
    pub struct DbMap {
        /// The databases.
        dbs: Vec<DbAndFlags>,
    }

    /// Asks for all records of a database.
    #[derive(Copy)]
    pub struct TraverseStart {
        /// The database.
        db_id: DbId,
        /// Comes back in each record.
        reqid: ReqId,
        /// Where the records go.
        srvid: Srvid,
    }

    /// The same, with a choice.
    #[derive(Copy)]
    pub struct TraverseStartExt {
        /// The database.
        db_id: DbId,
        /// Comes back in each record.
        reqid: ReqId,
        /// Where the records go.
        srvid: Srvid,
        /// Records without data too?
        with_empty_records: bool,
        /// A hole.
        pad: Pad<7>,
    }

    /// A daemon asks another for its records.
    #[derive(Copy)]
    pub struct TraverseAll {
        /// The database.
        db_id: DbId,
        /// The asking daemon's number for the walk.
        reqid: ReqId,
        /// The asking node.
        pnn: Pnn,
        /// The client's number for the walk.
        client_reqid: ReqId,
        /// Where the client wants the records.
        srvid: Srvid,
    }

    /// The same, with a choice.
    #[derive(Copy)]
    pub struct TraverseAllExt {
        /// The database.
        db_id: DbId,
        /// The asking daemon's number for the walk.
        reqid: ReqId,
        /// The asking node.
        pnn: Pnn,
        /// The client's number for the walk.
        client_reqid: ReqId,
        /// Where the client wants the records.
        srvid: Srvid,
        /// Records without data too?
        with_empty_records: bool,
        /// A hole.
        pad: Pad<7>,
    }

    /// A key that may be vacuumed.
    pub struct KeyData {
        /// The database.
        db_id: DbId,
        /// A hole.
        pad: Pad<4>,
        /// The record's header.
        header: LtdbHeader,
        /// The record's key.
        key: Data,
    }

    /// Asks for a vacuum run.
    #[derive(Copy)]
    pub struct DbVacuum {
        /// The database.
        db_id: DbId,
        /// Look at every record, not only at the listed ones?
        full: bool,
    }

    /// A record sent to all by its writer.
    pub struct PushRecord {
        /// The sender's generation.
        generation: Generation,
        /// The database.
        db_id: DbId,
        /// The record's header.
        header: LtdbHeader,
        /// The record's key.
        key: Data,
        /// The record's value, without a header.
        value: Data,
    }
}

impl LtdbHeader {
    /// Size on the wire and in the database file.
    pub const SIZE: usize = 24;

    /// A header.
    #[must_use]
    pub fn new(rsn: u64, dmaster: Pnn, flags: RecordFlags) -> Self {
        Self {
            rsn,
            dmaster,
            reserved: 0,
            flags,
            pad: Pad::ZERO,
        }
    }

    /// Splits a stored value into header and data.
    ///
    /// # Errors
    /// When the value is shorter than a header.
    pub fn split(value: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let (data, header) = Self::take(value).map_err(plain)?;
        Ok((header, data))
    }

    /// The header and `data` as they are stored.
    #[must_use]
    pub fn join(&self, data: &[u8]) -> Vec<u8> {
        let mut value = Vec::with_capacity(Self::SIZE + data.len());
        self.put(&mut value);
        value.extend_from_slice(data);
        value
    }
}

impl KeyData {
    /// A key with its header.
    #[must_use]
    pub fn new(db_id: DbId, header: LtdbHeader, key: impl Into<Data>) -> Self {
        Self {
            db_id,
            pad: Pad::ZERO,
            header,
            key: key.into(),
        }
    }
}

impl DbAndFlags {
    /// A database.
    #[must_use]
    pub fn new(db_id: DbId, flags: DbFlags) -> Self {
        Self {
            db_id,
            flags,
            pad: Pad::ZERO,
        }
    }
}

/// Size of a record's four lengths.
const RECORD_HEAD: usize = 16;

/// A record where it lies. Layout: total length, request, key length, data length, key, data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The asker's number.
    pub reqid: ReqId,
    /// The key.
    pub key: &'a [u8],
    /// The value; in most uses it begins with an [`LtdbHeader`].
    pub data: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Takes a record from the front of `input` without a copy.
    ///
    /// # Errors
    /// When the data ends too early or the lengths contradict each other.
    pub fn take(input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, length) = u32::take(input)?;
        let (rest, reqid) = ReqId::take(rest)?;
        let (rest, key_length) = u32::take(rest)?;
        let (rest, data_length) = u32::take(rest)?;
        let (key_length, data_length) = (key_length as usize, data_length as usize);
        let (rest, key) = bytes(rest, key_length)?;
        let (rest, data) = bytes(rest, data_length)?;
        if length as usize != RECORD_HEAD + key_length + data_length {
            return invalid("record length");
        }
        Ok((rest, Self { reqid, key, data }))
    }

    /// Appends the record.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_length(RECORD_HEAD + self.key.len() + self.data.len(), out);
        self.reqid.put(out);
        put_length(self.key.len(), out);
        put_length(self.data.len(), out);
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.data);
    }

    /// Splits the value into the record's header and its data.
    ///
    /// # Errors
    /// When the value is shorter than a header.
    pub fn header(&self) -> Result<(LtdbHeader, &'a [u8]), WireError> {
        LtdbHeader::split(self.data)
    }
}

/// A record of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecData {
    /// The asker's number.
    pub reqid: ReqId,
    /// The key.
    pub key: Bytes,
    /// The value; in most uses it begins with an [`LtdbHeader`].
    pub data: Bytes,
}

impl RecData {
    /// The same, borrowed.
    #[must_use]
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef {
            reqid: self.reqid,
            key: &self.key,
            data: &self.data,
        }
    }
}

impl Wire for RecData {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_ref().put(out);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, record) = RecordRef::take(input)?;
        let key = Bytes::copy_from_slice(record.key);
        let data = Bytes::copy_from_slice(record.data);
        Ok((
            rest,
            Self {
                reqid: record.reqid,
                key,
                data,
            },
        ))
    }
}

/// Records of one database, back to back in one buffer; their number and lengths were checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarshallBuffer {
    /// The database.
    pub db_id: DbId,
    count: u32,
    records: Vec<u8>,
}

impl MarshallBuffer {
    /// No records yet.
    #[must_use]
    pub fn new(db_id: DbId) -> Self {
        Self {
            db_id,
            ..Self::default()
        }
    }

    /// Appends a record.
    pub fn push(&mut self, reqid: ReqId, key: &[u8], data: &[u8]) {
        RecordRef { reqid, key, data }.put(&mut self.records);
        self.count += 1;
    }

    /// Appends a record whose value is `header` and `data`.
    pub fn push_with_header(&mut self, reqid: ReqId, header: &LtdbHeader, key: &[u8], data: &[u8]) {
        put_length(
            RECORD_HEAD + key.len() + LtdbHeader::SIZE + data.len(),
            &mut self.records,
        );
        reqid.put(&mut self.records);
        put_length(key.len(), &mut self.records);
        put_length(LtdbHeader::SIZE + data.len(), &mut self.records);
        self.records.extend_from_slice(key);
        header.put(&mut self.records);
        self.records.extend_from_slice(data);
        self.count += 1;
    }

    /// How many records.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all records.
    #[must_use]
    pub fn size(&self) -> usize {
        self.records.len()
    }

    /// The records, in order.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records {
            left: self.count,
            rest: &self.records,
        }
    }
}

impl Wire for MarshallBuffer {
    fn put(&self, out: &mut Vec<u8>) {
        self.db_id.put(out);
        self.count.put(out);
        out.extend_from_slice(&self.records);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, db_id) = DbId::take(input)?;
        let (begin, count) = u32::take(rest)?;
        let mut rest = begin;
        for _ in 0..count {
            (rest, _) = RecordRef::take(rest)?;
        }
        let records = begin[..begin.len() - rest.len()].to_vec();
        Ok((
            rest,
            Self {
                db_id,
                count,
                records,
            },
        ))
    }
}

/// A walk through records that lie back to back. Ends early if the bytes are not records.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    left: u32,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// The records of a marshalled payload where it lies, without a copy or a check beforehand:
    /// what is malformed ends the walk, and [`Records::left`] tells.
    ///
    /// # Errors
    /// When the payload has no room for its two head fields.
    pub fn of_payload(payload: &'a [u8]) -> Result<(DbId, Self), WireError> {
        let (rest, db_id) = DbId::take(payload).map_err(plain)?;
        let (rest, left) = u32::take(rest).map_err(plain)?;
        Ok((db_id, Self { left, rest }))
    }

    /// How many records are still to come, by the count.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.left
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = RecordRef<'a>;

    fn next(&mut self) -> Option<RecordRef<'a>> {
        if self.left == 0 {
            return None;
        }
        let (rest, record) = RecordRef::take(self.rest).ok()?;
        self.rest = rest;
        self.left -= 1;
        Some(record)
    }
}
