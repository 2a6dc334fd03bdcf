//! Packets: a header of 32 bytes and one of ten bodies. Decoding copies nothing: keys and data are
//! slices of the received buffer.

use bytes::Bytes;

use crate::id::{ClientId, DbId, Generation, Pnn, ReqId};
use crate::srvid::Srvid;
use crate::types::{CallFlags, CallFunction, ControlFlags, RecordFlags, TunnelFlags};
use crate::wire::{Pad, Wire, WireError, front, put_length};

/// "CTDB".
pub const MAGIC: u32 = 0x4354_4442;
/// The protocol's version.
pub const VERSION: u32 = 1;
/// Packets are padded with zeros to a multiple of this.
pub const ALIGNMENT: usize = 8;

wire_struct! {
    /// In front of every packet.
    #[derive(Copy)]
    pub struct Header {
        /// Bytes of the whole packet. When encoding: at least so many, 0 for the usual size.
        length: u32,
        /// [`MAGIC`].
        magic: u32,
        /// [`VERSION`].
        version: u32,
        /// The sender's generation.
        generation: Generation,
        /// Which body follows. Filled in by [`encode`].
        operation: u32,
        /// Where it goes.
        destnode: Pnn,
        /// Where it comes from.
        srcnode: Pnn,
        /// Matches answer and request.
        reqid: ReqId,
    }
}

impl Header {
    /// Bytes on the wire.
    pub const SIZE: usize = 32;

    /// A header for a new packet.
    #[must_use]
    pub fn new(generation: Generation, srcnode: Pnn, destnode: Pnn, reqid: ReqId) -> Self {
        Self {
            length: 0,
            magic: MAGIC,
            version: VERSION,
            generation,
            operation: 0,
            destnode,
            srcnode,
            reqid,
        }
    }

    /// Reads a packet's header and checks magic, version and length against the packet.
    ///
    /// # Errors
    /// Which of them is wrong.
    pub fn decode(packet: &[u8]) -> Result<Self, WireError> {
        let header: Self = front(packet)?;
        if header.magic != MAGIC {
            return Err(WireError::Magic(header.magic));
        }
        if header.version != VERSION {
            return Err(WireError::Version(header.version));
        }
        if header.length as usize != packet.len() {
            return Err(WireError::Length(header.length));
        }
        Ok(header)
    }
}

/// Asks for a record's migration, and for what a function makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReqCall {
    /// How.
    pub flags: CallFlags,
    /// The database.
    pub db_id: DbId,
    /// The function.
    pub callid: CallFunction,
    /// How often it was redirected.
    pub hopcount: u32,
    /// The record.
    pub key: Bytes,
    /// For the function.
    pub calldata: Bytes,
}

/// Answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyCall {
    /// The function's status.
    pub status: i32,
    /// What it returns.
    pub data: Bytes,
}

/// Answers a call that could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyError {
    /// What went wrong.
    pub status: i32,
    /// The same in words.
    pub msg: Bytes,
}

/// The data master gives a record to its location master, for `dmaster`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReqDmaster {
    /// The database.
    pub db_id: DbId,
    /// A hole.
    pub pad: Pad<4>,
    /// The record's sequence number.
    pub rsn: u64,
    /// Who shall have the record.
    pub dmaster: Pnn,
    /// The record.
    pub key: Bytes,
    /// Its data.
    pub data: Bytes,
    /// Its flags, behind the data and not counted; very old daemons send none.
    pub record_flags: Option<RecordFlags>,
}

/// The location master gives a record to its new data master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyDmaster {
    /// The database.
    pub db_id: DbId,
    /// A hole.
    pub pad: Pad<4>,
    /// The record's sequence number.
    pub rsn: u64,
    /// The record.
    pub key: Bytes,
    /// Its data.
    pub data: Bytes,
    /// Its flags, behind the data and not counted; very old daemons send none.
    pub record_flags: Option<RecordFlags>,
}

/// A message to a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReqMessage {
    /// The port.
    pub srvid: Srvid,
    /// See [`crate::message`].
    pub data: Bytes,
}

/// A control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReqControl {
    /// See [`crate::control`].
    pub opcode: u32,
    /// Unused.
    pub pad: Pad<4>,
    /// A port or tunnel, for controls about those.
    pub srvid: Srvid,
    /// The client that asks, filled in by its daemon.
    pub client_id: ClientId,
    /// How.
    pub flags: ControlFlags,
    /// The payload.
    pub data: Bytes,
}

/// Answers a control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyControl {
    /// 0 for success; some controls answer with the status itself.
    pub status: i32,
    /// The payload.
    pub data: Bytes,
    /// What went wrong, in words.
    pub errormsg: Bytes,
}

/// "I live."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReqKeepalive {
    /// Samba's version: major << 16 | minor.
    pub version: u32,
    /// Seconds since the daemon started.
    pub uptime_s: u32,
}

/// Data for a tunnel's other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReqTunnel {
    /// The tunnel.
    pub tunnel_id: Srvid,
    /// How.
    pub flags: TunnelFlags,
    /// The data.
    pub data: Bytes,
}

/// A packet's body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the structures of the same names carry the text"
)]
pub enum Packet {
    ReqCall(ReqCall),
    ReplyCall(ReplyCall),
    ReqDmaster(ReqDmaster),
    ReplyDmaster(ReplyDmaster),
    ReplyError(ReplyError),
    ReqMessage(ReqMessage),
    ReqControl(ReqControl),
    ReplyControl(ReplyControl),
    ReqKeepalive(ReqKeepalive),
    ReqTunnel(ReqTunnel),
}

/// Declares the operations' numbers, how each body is read and written, and how small C never
/// makes such a packet.
macro_rules! operations {
    ($($(#[$meta:meta])* $number:literal $constant:ident $name:ident, least $least:literal;)*) => {
        $($(#[$meta])* pub const $constant: u32 = $number;)*

        /// Every operation and its name.
        pub const OPERATIONS: &[(u32, &str)] = &[$(($number, stringify!($constant))),*];

        #[cfg(any(test, feature = "sample"))]
        impl Packet {
            /// A random body; none for an operation that does not exist.
            pub fn sample(operation: u32, random: &mut $crate::sample::Random) -> Option<Self> {
                match operation {
                    $($number => Some(Self::$name($crate::sample::Sample::sample(random))),)*
                    _ => None,
                }
            }
        }

        impl Packet {
            /// The number of the operation.
            #[must_use]
            pub fn operation(&self) -> u32 {
                match self { $(Self::$name(_) => $number),* }
            }

            /// The size of C's structure, rounded up: the C daemon sends no smaller packet.
            fn least(&self) -> usize {
                match self { $(Self::$name(_) => $least),* }
            }

            fn put(&self, out: &mut Vec<u8>) {
                match self { $(Self::$name(body) => body.put(out)),* }
            }

            fn take(operation: u32, body: &mut Reader) -> Result<Self, WireError> {
                match operation {
                    $($number => $name::take(body).map(Self::$name),)*
                    _ => Err(WireError::Operation(operation)),
                }
            }

            /// Bytes of keys and data.
            fn payload(&self) -> usize {
                match self { $(Self::$name(body) => body.payload()),* }
            }
        }
    };
}

operations! {
    /// Asks for a record.
    0 REQ_CALL ReqCall, least 64;
    /// Answers with it.
    1 REPLY_CALL ReplyCall, least 48;
    /// Passes a record to its location master.
    2 REQ_DMASTER ReqDmaster, least 64;
    /// Passes a record to its new data master.
    3 REPLY_DMASTER ReplyDmaster, least 64;
    /// A call failed.
    4 REPLY_ERROR ReplyError, least 48;
    /// A message.
    5 REQ_MESSAGE ReqMessage, least 48;
    /// A control.
    7 REQ_CONTROL ReqControl, least 64;
    /// Its answer.
    8 REPLY_CONTROL ReplyControl, least 48;
    /// A sign of life.
    9 REQ_KEEPALIVE ReqKeepalive, least 40;
    /// Tunnel data.
    10 REQ_TUNNEL ReqTunnel, least 48;
}

impl Packet {
    /// Takes a whole packet apart; lengths are checked against what is there.
    ///
    /// # Errors
    /// What is wrong with it: the sender is to blame.
    pub fn decode(packet: Bytes) -> Result<(Header, Self), WireError> {
        let header = Header::decode(&packet)?;
        let body = Self::decode_body(header.operation, packet)?;
        Ok((header, body))
    }

    /// Takes a packet apart as if its header named `operation`; the header is not looked at.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn decode_body(operation: u32, packet: Bytes) -> Result<Self, WireError> {
        if packet.len() < Header::SIZE {
            return Err(WireError::Short {
                wanted: Header::SIZE,
                found: packet.len(),
            });
        }
        Self::take(
            operation,
            &mut Reader {
                packet,
                at: Header::SIZE,
            },
        )
    }

    /// See [`encode`].
    #[must_use]
    pub fn encode(&self, header: &Header) -> Bytes {
        encode(header, self)
    }
}

/// A whole packet: the header with length and operation filled in, the body, zeros.
#[must_use]
pub fn encode(header: &Header, packet: &Packet) -> Bytes {
    let header = Header {
        operation: packet.operation(),
        ..*header
    };
    encode_as(&header, packet)
}

/// The same, but with the header's operation as it is. For tests.
#[must_use]
pub fn encode_as(header: &Header, packet: &Packet) -> Bytes {
    let mut out = Vec::with_capacity(72 + packet.payload());
    encode_into(header, packet, &mut out);
    out.into()
}

/// Appends a whole packet to `out`.
pub fn encode_into(header: &Header, packet: &Packet, out: &mut Vec<u8>) {
    let begin = out.len();
    header.put(out);
    packet.put(out);
    let least = match header.length {
        0 => packet.least(),
        length => length as usize,
    };
    let length = (out.len() - begin).next_multiple_of(ALIGNMENT).max(least);
    out.resize(begin + length, 0);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out[begin..begin + 4].copy_from_slice(&length.to_ne_bytes());
}

/// Reads a body: numbers by value, bytes as slices of the packet.
struct Reader {
    packet: Bytes,
    at: usize,
}

impl Reader {
    fn value<T: Wire>(&mut self) -> Result<T, WireError> {
        let input = self.packet.get(self.at..).unwrap_or_default();
        let (rest, value) = T::take(input).map_err(crate::wire::plain)?;
        self.at = self.packet.len() - rest.len();
        Ok(value)
    }

    fn bytes(&mut self, length: u32) -> Result<Bytes, WireError> {
        let found = self.packet.len() - self.at;
        let wanted = length as usize;
        if wanted > found {
            return Err(WireError::Short { wanted, found });
        }
        let slice = self.packet.slice(self.at..self.at + wanted);
        self.at += wanted;
        Ok(slice)
    }

    /// A length, and directly behind it so many bytes.
    fn data(&mut self) -> Result<Bytes, WireError> {
        let length = self.value()?;
        self.bytes(length)
    }

    /// Flags behind a record's data, when there is room for them.
    fn record_flags(&mut self) -> Option<RecordFlags> {
        self.value().ok()
    }
}

/// What [`operations!`] needs of a body.
trait Body: Sized {
    fn take(reader: &mut Reader) -> Result<Self, WireError>;
    fn put(&self, out: &mut Vec<u8>);
    fn payload(&self) -> usize;
}

impl Body for ReqCall {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        let flags = reader.value()?;
        let db_id = reader.value()?;
        let callid = reader.value()?;
        let hopcount = reader.value()?;
        let (key_length, data_length) = (reader.value()?, reader.value()?);
        let key = reader.bytes(key_length)?;
        let calldata = reader.bytes(data_length)?;
        Ok(Self {
            flags,
            db_id,
            callid,
            hopcount,
            key,
            calldata,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.flags.put(out);
        self.db_id.put(out);
        self.callid.put(out);
        self.hopcount.put(out);
        put_length(self.key.len(), out);
        put_length(self.calldata.len(), out);
        out.extend_from_slice(&self.key);
        out.extend_from_slice(&self.calldata);
    }

    fn payload(&self) -> usize {
        self.key.len() + self.calldata.len()
    }
}

impl Body for ReplyCall {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            status: reader.value()?,
            data: reader.data()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.status.put(out);
        put_length(self.data.len(), out);
        out.extend_from_slice(&self.data);
    }

    fn payload(&self) -> usize {
        self.data.len()
    }
}

impl Body for ReplyError {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            status: reader.value()?,
            msg: reader.data()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.status.put(out);
        put_length(self.msg.len(), out);
        out.extend_from_slice(&self.msg);
    }

    fn payload(&self) -> usize {
        self.msg.len()
    }
}

impl Body for ReqDmaster {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        let db_id = reader.value()?;
        let pad = reader.value()?;
        let rsn = reader.value()?;
        let dmaster = reader.value()?;
        let (key_length, data_length) = (reader.value()?, reader.value()?);
        let key = reader.bytes(key_length)?;
        let data = reader.bytes(data_length)?;
        let record_flags = reader.record_flags();
        Ok(Self {
            db_id,
            pad,
            rsn,
            dmaster,
            key,
            data,
            record_flags,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.db_id.put(out);
        self.pad.put(out);
        self.rsn.put(out);
        self.dmaster.put(out);
        put_record(&self.key, &self.data, self.record_flags, out);
    }

    fn payload(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

impl Body for ReplyDmaster {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        let db_id = reader.value()?;
        let pad = reader.value()?;
        let rsn = reader.value()?;
        let (key_length, data_length) = (reader.value()?, reader.value()?);
        let key = reader.bytes(key_length)?;
        let data = reader.bytes(data_length)?;
        let record_flags = reader.record_flags();
        Ok(Self {
            db_id,
            pad,
            rsn,
            key,
            data,
            record_flags,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.db_id.put(out);
        self.pad.put(out);
        self.rsn.put(out);
        put_record(&self.key, &self.data, self.record_flags, out);
    }

    fn payload(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

/// The end of both dmaster packets.
fn put_record(key: &[u8], data: &[u8], flags: Option<RecordFlags>, out: &mut Vec<u8>) {
    put_length(key.len(), out);
    put_length(data.len(), out);
    out.extend_from_slice(key);
    out.extend_from_slice(data);
    if let Some(flags) = flags {
        flags.put(out);
    }
}

impl Body for ReqMessage {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            srvid: reader.value()?,
            data: reader.data()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.srvid.put(out);
        put_length(self.data.len(), out);
        out.extend_from_slice(&self.data);
    }

    fn payload(&self) -> usize {
        self.data.len()
    }
}

impl Body for ReqControl {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            opcode: reader.value()?,
            pad: reader.value()?,
            srvid: reader.value()?,
            client_id: reader.value()?,
            flags: reader.value()?,
            data: reader.data()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.opcode.put(out);
        self.pad.put(out);
        self.srvid.put(out);
        self.client_id.put(out);
        self.flags.put(out);
        put_length(self.data.len(), out);
        out.extend_from_slice(&self.data);
    }

    fn payload(&self) -> usize {
        self.data.len()
    }
}

impl Body for ReplyControl {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        let status = reader.value()?;
        let (data_length, error_length) = (reader.value()?, reader.value()?);
        let data = reader.bytes(data_length)?;
        let errormsg = reader.bytes(error_length)?;
        Ok(Self {
            status,
            data,
            errormsg,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.status.put(out);
        put_length(self.data.len(), out);
        put_length(self.errormsg.len(), out);
        out.extend_from_slice(&self.data);
        out.extend_from_slice(&self.errormsg);
    }

    fn payload(&self) -> usize {
        self.data.len() + self.errormsg.len()
    }
}

impl Body for ReqKeepalive {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            version: reader.value()?,
            uptime_s: reader.value()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.version.put(out);
        self.uptime_s.put(out);
    }

    fn payload(&self) -> usize {
        0
    }
}

impl Body for ReqTunnel {
    fn take(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            tunnel_id: reader.value()?,
            flags: reader.value()?,
            data: reader.data()?,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        self.tunnel_id.put(out);
        self.flags.put(out);
        put_length(self.data.len(), out);
        out.extend_from_slice(&self.data);
    }

    fn payload(&self) -> usize {
        self.data.len()
    }
}

/// Random bodies, field by field.
#[cfg(any(test, feature = "sample"))]
mod samples {
    use super::*;
    use crate::sample::{Random, Sample};

    macro_rules! bodies {
        ($($name:ident { $($field:ident),* })*) => {$(
            impl Sample for $name {
                fn sample(random: &mut Random) -> Self {
                    Self { $($field: Sample::sample(random)),* }
                }
            }
        )*};
    }

    bodies! {
        ReqCall { flags, db_id, callid, hopcount, key, calldata }
        ReplyCall { status, data }
        ReplyError { status, msg }
        ReqDmaster { db_id, pad, rsn, dmaster, key, data, record_flags }
        ReplyDmaster { db_id, pad, rsn, key, data, record_flags }
        ReqMessage { srvid, data }
        ReqControl { opcode, pad, srvid, client_id, flags, data }
        ReplyControl { status, data, errormsg }
        ReqKeepalive { version, uptime_s }
        ReqTunnel { tunnel_id, flags, data }
    }

    /// Always there: padding makes absent flags look like flags of zero.
    impl Sample for Option<RecordFlags> {
        fn sample(random: &mut Random) -> Self {
            Some(Sample::sample(random))
        }
    }
}
