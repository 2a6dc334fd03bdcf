//! Identifiers. None of them is ever a bare integer outside this crate.

use std::fmt;

use crate::wire::{Parsed, Wire};

/// Declares identifiers that are integers on the wire.
macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident($int:ty) = $format:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        #[cfg(any(test, feature = "sample"))]
        impl $crate::sample::Sample for $name {
            fn sample(random: &mut $crate::sample::Random) -> Self {
                Self($crate::sample::Sample::sample(random))
            }
        }

        impl Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }

            fn take(input: &[u8]) -> Parsed<'_, Self> {
                let (rest, value) = <$int>::take(input)?;
                Ok((rest, Self(value)))
            }
        }
    )*};
}
pub(crate) use ids;

ids! {
    /// A node's number: its line in the nodes list, counted from 0. Also the special destinations.
    Pnn(u32) = "{}";
    /// A database: the hash of its name.
    DbId(u32) = "0x{:08x}";
    /// Which recovery a set of active nodes came from.
    Generation(u32) = "{}";
    /// Matches an answer with its request.
    ReqId(u32) = "{}";
    /// A client of one daemon. Zero means that a daemon itself is the sender.
    ClientId(u32) = "{}";
}

impl Pnn {
    /// The daemon that the client is connected to.
    pub const CURRENT: Self = Self(0xF000_0001);
    /// Every node that is not deleted.
    pub const BROADCAST_ALL: Self = Self(0xF000_0002);
    /// Every node that is not deleted, disconnected, banned or stopped.
    pub const BROADCAST_ACTIVE: Self = Self(0xF000_0003);
    /// Every node that is not deleted or disconnected.
    pub const BROADCAST_CONNECTED: Self = Self(0xF000_0004);
    /// Named by the protocol, implemented nowhere.
    pub const MULTICAST: Self = Self(0xF000_0005);
    /// No node.
    pub const UNKNOWN: Self = Self(0xFFFF_FFFF);

    /// Is this one of the three broadcast destinations?
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        matches!(
            self,
            Self::BROADCAST_ALL | Self::BROADCAST_ACTIVE | Self::BROADCAST_CONNECTED
        )
    }
}

impl Generation {
    /// No recovery has happened, or the node is inactive.
    pub const INVALID: Self = Self(1);
}
