//! What a cluster mutex helper says: one character on its standard output, as upstream's helpers do.

/// How an attempt at the cluster lock went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockAnswer {
    /// `0`: it is held until the helper ends.
    Held,
    /// `1`: somebody else has it.
    Contended,
    /// `2`: no answer came in time, or the helper says so.
    TimedOut,
    /// `3`, anything else, or nothing: the helper failed.
    Failed,
}

impl LockAnswer {
    /// From the helper's output.
    #[must_use]
    pub fn from_output(character: Option<u8>) -> Self {
        match character {
            Some(b'0') => Self::Held,
            Some(b'1') => Self::Contended,
            Some(b'2') => Self::TimedOut,
            _ => Self::Failed,
        }
    }

    /// What upstream's log says of a lock that was not taken. It logs contention too; here the losers of
    /// each election would, although nothing is wrong.
    #[must_use]
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Held | Self::Contended => None,
            Self::TimedOut => Some("timeout"),
            Self::Failed => Some("unknown error"),
        }
    }
}
