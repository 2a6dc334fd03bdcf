//! Tunables on the wire. Names, defaults and meanings are crate ctdb-config's.

use crate::text::CountedText;
use crate::wire::{Parsed, Wire};

wire_struct! {
    /// A tunable's new value.
    pub struct Tunable {
        /// The value.
        value: u32,
        /// The name, in any case.
        name: CountedText,
    }
}

/// All tunables' values, in the fixed order of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunableList(pub [u32; Self::COUNT]);

impl TunableList {
    /// How many there are.
    pub const COUNT: usize = 62;
}

impl Wire for TunableList {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, values) = <[u32; Self::COUNT]>::take(input)?;
        Ok((rest, Self(values)))
    }
}

/// Names, joined by colons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VarList(pub CountedText);

impl VarList {
    /// Joins the names.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        Self(CountedText::new(names.join(":")))
    }

    /// The names, as bytes. Empty ones do not exist.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0
            .as_bytes()
            .split(|byte| *byte == b':')
            .filter(|name| !name.is_empty())
    }
}

impl Wire for VarList {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, names) = CountedText::take(input)?;
        Ok((rest, Self(names)))
    }
}
