//! How a value becomes bytes and comes back. Used by every table of this crate.

use std::ops::Deref;

use byteorder::{ByteOrder, NativeEndian};
use bytes::Bytes;

/// Why bytes were refused. Nothing here allocates: refusing must be cheap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The data ended inside a value.
    #[error("data too short: {wanted} bytes wanted, {found} found")]
    Short {
        /// Bytes needed from this point on.
        wanted: usize,
        /// Bytes present from this point on.
        found: usize,
    },
    /// The value ended before the data did.
    #[error("{0} bytes left over")]
    Trailing(usize),
    /// A field holds what it must not.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// Not a CTDB packet.
    #[error("invalid ctdb_magic 0x{0:08x}")]
    Magic(u32),
    /// From a machine of the other endianness.
    #[error("packet in the other byte order: nodes of both byte orders cannot form one cluster")]
    ByteOrder,
    /// Another protocol version.
    #[error("invalid ctdb version {0}")]
    Version(u32),
    /// The header's length is impossible, or not that of the data.
    #[error("invalid packet length {0}")]
    Length(u32),
    /// No such packet operation.
    #[error("unknown packet operation {0}")]
    Operation(u32),
    /// No such control.
    #[error("unknown control opcode {0}")]
    Opcode(u32),
}

impl<'a> nom::error::ParseError<&'a [u8]> for WireError {
    fn from_error_kind(input: &'a [u8], _: nom::error::ErrorKind) -> Self {
        Self::Short {
            wanted: input.len() + 1,
            found: input.len(),
        }
    }

    fn append(_: &'a [u8], _: nom::error::ErrorKind, other: Self) -> Self {
        other
    }
}

/// The rest of the data and a value, as nom's parsers return them.
pub type Parsed<'a, T> = nom::IResult<&'a [u8], T, WireError>;

/// Something with a layout on the wire.
pub trait Wire: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes a value from the front. Never allocates more than a small multiple of `input`.
    ///
    /// # Errors
    /// When the data ends too early or a field holds what it must not.
    fn take(input: &[u8]) -> Parsed<'_, Self>;
}

/// The bytes of a value.
#[must_use]
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// A value that fills `input` exactly.
///
/// # Errors
/// As [`Wire::take`], and [`WireError::Trailing`] when bytes are left over.
pub fn all<T: Wire>(input: &[u8]) -> Result<T, WireError> {
    match T::take(input).map_err(plain)? {
        ([], value) => Ok(value),
        (rest, _) => Err(WireError::Trailing(rest.len())),
    }
}

/// A value at the front of `input`; what follows is ignored, as C does for some payloads.
///
/// # Errors
/// As [`Wire::take`].
pub fn front<T: Wire>(input: &[u8]) -> Result<T, WireError> {
    T::take(input).map(|(_, value)| value).map_err(plain)
}

/// Takes nom's wrapping off an error.
pub(crate) fn plain(error: nom::Err<WireError>) -> WireError {
    match error {
        nom::Err::Error(error) | nom::Err::Failure(error) => error,
        nom::Err::Incomplete(_) => WireError::Short {
            wanted: 1,
            found: 0,
        },
    }
}

/// Makes a field's content an error.
pub(crate) fn invalid<T>(what: &'static str) -> Parsed<'static, T> {
    Err(nom::Err::Failure(WireError::Invalid(what)))
}

/// Takes `wanted` bytes.
pub(crate) fn bytes(input: &[u8], wanted: usize) -> Parsed<'_, &[u8]> {
    match input.split_at_checked(wanted) {
        Some((taken, rest)) => Ok((rest, taken)),
        None => Err(nom::Err::Error(WireError::Short {
            wanted,
            found: input.len(),
        })),
    }
}

macro_rules! integers {
    ($($int:ty, $size:literal, $read:ident;)*) => {$(
        impl Wire for $int {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }

            fn take(input: &[u8]) -> Parsed<'_, Self> {
                let (rest, taken) = bytes(input, $size)?;
                Ok((rest, NativeEndian::$read(taken)))
            }
        }
    )*};
}

integers! {
    u16, 2, read_u16;
    u32, 4, read_u32;
    i32, 4, read_i32;
    u64, 8, read_u64;
    i64, 8, read_i64;
}

impl Wire for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, taken) = bytes(input, 1)?;
        Ok((rest, taken[0]))
    }
}

impl Wire for () {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        Ok((input, ()))
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        match u8::take(input)? {
            (rest, 0) => Ok((rest, false)),
            (rest, 1) => Ok((rest, true)),
            _ => invalid("truth value"),
        }
    }
}

/// A list behind its 32-bit count.
impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for item in self {
            item.put(out);
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, count) = u32::take(input)?;
        items(rest, count)
    }
}

/// Takes `count` values. A count from outside reserves nothing: the list grows with the data.
pub(crate) fn items<T: Wire>(mut input: &[u8], count: u32) -> Parsed<'_, Vec<T>> {
    let mut list = Vec::new();
    for _ in 0..count {
        // A value without bytes cannot be counted, or a count alone would fill memory.
        let (rest, item) = T::take(input)?;
        if rest.len() == input.len() {
            return invalid("list of empty values");
        }
        input = rest;
        list.push(item);
    }
    Ok((input, list))
}

impl<T: Wire + Copy + Default, const N: usize> Wire for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        for item in self {
            item.put(out);
        }
    }

    fn take(mut input: &[u8]) -> Parsed<'_, Self> {
        let mut array = [T::default(); N];
        for slot in &mut array {
            (input, *slot) = T::take(input)?;
        }
        Ok((input, array))
    }
}

/// Writes a length; what does not fit 32 bits cannot be in memory that came from the wire.
pub(crate) fn put_length(length: usize, out: &mut Vec<u8>) {
    u32::try_from(length).unwrap_or(u32::MAX).put(out);
}

/// Holes that C's compiler left in a structure. Kept, so that a packet passed on is unchanged,
/// but no part of the value: two structures that differ only here are equal.
#[derive(Debug, Clone, Copy)]
pub struct Pad<const N: usize>(pub [u8; N]);

impl<const N: usize> Pad<N> {
    /// What new structures carry.
    pub const ZERO: Self = Self([0; N]);
}

impl<const N: usize> Default for Pad<N> {
    fn default() -> Self {
        Self::ZERO
    }
}

impl<const N: usize> PartialEq for Pad<N> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<const N: usize> Eq for Pad<N> {}

impl<const N: usize> Wire for Pad<N> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, taken) = bytes(input, N)?;
        let mut pad = Self::ZERO;
        pad.0.copy_from_slice(taken);
        Ok((rest, pad))
    }
}

/// Seconds as a C `double`. Compared by its bits, so that values can be keys and be checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seconds(pub f64);

impl PartialEq for Seconds {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Seconds {}

impl Wire for Seconds {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.to_bits().put(out);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, bits) = u64::take(input)?;
        Ok((rest, Self(f64::from_bits(bits))))
    }
}

macro_rules! byte_strings {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub Bytes);

        impl Deref for $name {
            type Target = [u8];

            fn deref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<&[u8]> for $name {
            fn from(bytes: &[u8]) -> Self {
                Self(Bytes::copy_from_slice(bytes))
            }
        }

        impl From<Vec<u8>> for $name {
            fn from(bytes: Vec<u8>) -> Self {
                Self(bytes.into())
            }
        }

        impl From<Bytes> for $name {
            fn from(bytes: Bytes) -> Self {
                Self(bytes)
            }
        }
    )*};
}

byte_strings! {
    /// Bytes behind their 32-bit length.
    Data;
    /// Bytes that fill the rest of their payload.
    Blob;
}

impl Wire for Data {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, length) = u32::take(input)?;
        let (rest, taken) = bytes(rest, length as usize)?;
        Ok((rest, taken.into()))
    }
}

impl Wire for Blob {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        Ok((&[], input.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_count_reserves_nothing() {
        let input = u32::MAX.to_ne_bytes();
        assert_eq!(
            all::<Vec<u64>>(&input),
            Err(WireError::Short {
                wanted: 8,
                found: 0
            })
        );
        assert_eq!(
            all::<Vec<()>>(&input),
            Err(WireError::Invalid("list of empty values"))
        );
        assert_eq!(
            all::<Data>(&input),
            Err(WireError::Short {
                wanted: 0xFFFF_FFFF,
                found: 0
            })
        );
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert_eq!(all::<u32>(&[0; 5]), Err(WireError::Trailing(1)));
        assert_eq!(front::<u32>(&[0; 5]), Ok(0));
    }
}
