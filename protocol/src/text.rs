//! C's three ways to write a string. All keep the bytes as they came, so that what is passed on
//! is unchanged; the text proper ends at the first NUL.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use crate::wire::{Parsed, Wire, bytes, put_length};

/// The bytes before the first NUL.
fn before_nul(raw: &[u8]) -> &[u8] {
    raw.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A copy of `text` up to its first NUL, with a NUL behind.
fn with_nul(text: &[u8]) -> Bytes {
    let text = before_nul(text);
    let mut raw = Vec::with_capacity(text.len() + 1);
    raw.extend_from_slice(text);
    raw.push(0);
    raw.into()
}

macro_rules! texts {
    ($($(#[$meta:meta])* $name:ident;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(Bytes);

        impl $name {
            /// The text with a NUL behind it.
            #[must_use]
            pub fn new(text: impl AsRef<[u8]>) -> Self {
                Self(with_nul(text.as_ref()))
            }

            /// No text at all: no bytes, not even a NUL.
            #[must_use]
            pub fn none() -> Self {
                Self::default()
            }

            /// These bytes as they are, NUL or not.
            #[must_use]
            pub fn from_raw(raw: impl Into<Bytes>) -> Self {
                Self(raw.into())
            }

            /// Everything that came, the NUL and what follows it included.
            #[must_use]
            pub fn raw(&self) -> &[u8] {
                &self.0
            }

            /// The text without its NUL.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                before_nul(&self.0)
            }

            /// The text without its NUL, for people.
            #[must_use]
            pub fn to_str_lossy(&self) -> Cow<'_, str> {
                String::from_utf8_lossy(self.as_bytes())
            }

            /// Were there no bytes at all? (A NUL alone is the empty text, which is something.)
            #[must_use]
            pub fn is_none(&self) -> bool {
                self.0.is_empty()
            }

            /// Is there a NUL?
            #[must_use]
            pub fn is_terminated(&self) -> bool {
                self.0.contains(&0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_str_lossy())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.to_str_lossy())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }
    )*};
}

texts! {
    /// A NUL-terminated string that fills the rest of its payload.
    Text;
    /// A NUL-terminated string behind its 32-bit length, the NUL counted.
    CountedText;
}

impl Wire for Text {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.raw());
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        Ok((&[], Self(Bytes::copy_from_slice(input))))
    }
}

impl Wire for CountedText {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.raw().len(), out);
        out.extend_from_slice(self.raw());
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, length) = u32::take(input)?;
        let (rest, taken) = bytes(rest, length as usize)?;
        Ok((rest, Self(Bytes::copy_from_slice(taken))))
    }
}

/// A string in a fixed number of bytes. What follows the NUL is kept but means nothing.
#[derive(Clone, Copy)]
pub struct FixedText<const N: usize>(pub [u8; N]);

impl<const N: usize> FixedText<N> {
    /// The text, cut so that a NUL still fits.
    #[must_use]
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        let text = before_nul(text.as_ref());
        let length = text.len().min(N.saturating_sub(1));
        let mut fixed = [0; N];
        fixed[..length].copy_from_slice(&text[..length]);
        Self(fixed)
    }

    /// The text without its NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        before_nul(&self.0)
    }

    /// The text without its NUL, for people.
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Is there a NUL?
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.0.contains(&0)
    }
}

impl<const N: usize> Default for FixedText<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> PartialEq for FixedText<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl<const N: usize> Eq for FixedText<N> {}

impl<const N: usize> fmt::Display for FixedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str_lossy())
    }
}

impl<const N: usize> fmt::Debug for FixedText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_str_lossy())
    }
}

impl<const N: usize> Wire for FixedText<N> {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, taken) = bytes(input, N)?;
        let mut fixed = [0; N];
        fixed.copy_from_slice(taken);
        Ok((rest, Self(fixed)))
    }
}
