//! Random values of every type, for tests here and in other crates (feature `sample`). The tables'
//! macros extend to this: a new row or field is sampled without another word.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use crate::ReqId;
use crate::text::{CountedText, FixedText, Text};
use crate::types::{
    DbStatistics, GLockList, HotKey, MarshallBuffer, RecData, SockAddr, StatisticsList,
    TunableList, VarList,
};
use crate::wire::{Blob, Data, Pad, Seconds};

/// A source of random numbers that a seed repeats (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        // The bias is of no concern to tests.
        usize::try_from(self.number() >> 1).unwrap_or(0) % limit
    }

    /// Fewer than `limit` bytes.
    pub fn bytes(&mut self, limit: usize) -> Vec<u8> {
        let length = self.below(limit);
        (0..length).map(|_| u8::sample(self)).collect()
    }

    /// Fewer than `limit` capital letters.
    pub fn letters(&mut self, limit: usize) -> Vec<u8> {
        let length = self.below(limit);
        (0..length)
            .map(|_| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[self.below(26)])
            .collect()
    }
}

/// A type with random values.
pub trait Sample {
    /// Any value that can be on the wire.
    fn sample(random: &mut Random) -> Self;
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Sample for $int {
            #[allow(clippy::cast_possible_truncation, reason = "the low bits are as random")]
            fn sample(random: &mut Random) -> Self {
                random.number() as Self
            }
        }
    )*};
}

integers!(u8, u16, u32, i32, u64, i64);

impl Sample for () {
    fn sample(_: &mut Random) -> Self {}
}

impl Sample for bool {
    fn sample(random: &mut Random) -> Self {
        random.number() >> 63 == 1
    }
}

impl Sample for Seconds {
    fn sample(random: &mut Random) -> Self {
        Self(f64::from(u32::sample(random)) / 1000.0)
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(random: &mut Random) -> Self {
        let length = random.below(9);
        (0..length).map(|_| T::sample(random)).collect()
    }
}

impl<T: Sample, const N: usize> Sample for [T; N] {
    fn sample(random: &mut Random) -> Self {
        std::array::from_fn(|_| T::sample(random))
    }
}

/// Zeros, as C writes them.
impl<const N: usize> Sample for Pad<N> {
    fn sample(_: &mut Random) -> Self {
        Self::ZERO
    }
}

impl Sample for Bytes {
    fn sample(random: &mut Random) -> Self {
        random.bytes(200).into()
    }
}

impl Sample for Data {
    fn sample(random: &mut Random) -> Self {
        Self(Bytes::sample(random))
    }
}

impl Sample for Blob {
    fn sample(random: &mut Random) -> Self {
        Self(Bytes::sample(random))
    }
}

impl Sample for Text {
    fn sample(random: &mut Random) -> Self {
        Self::new(random.letters(100))
    }
}

impl Sample for CountedText {
    fn sample(random: &mut Random) -> Self {
        Self::new(random.letters(100))
    }
}

impl<const N: usize> Sample for FixedText<N> {
    fn sample(random: &mut Random) -> Self {
        Self::new(random.letters(N + 3))
    }
}

impl Sample for SockAddr {
    fn sample(random: &mut Random) -> Self {
        let ip: IpAddr = match bool::sample(random) {
            true => Ipv4Addr::from(u32::sample(random)).into(),
            false => Ipv6Addr::from(<[u8; 16]>::sample(random)).into(),
        };
        SocketAddr::new(ip, u16::sample(random)).into()
    }
}

impl Sample for TunableList {
    fn sample(random: &mut Random) -> Self {
        Self(Sample::sample(random))
    }
}

impl Sample for VarList {
    fn sample(random: &mut Random) -> Self {
        let names: Vec<Vec<u8>> = (0..random.below(20)).map(|_| random.letters(30)).collect();
        Self(CountedText::new(names.join(&b':')))
    }
}

impl Sample for GLockList {
    fn sample(random: &mut Random) -> Self {
        Self(Vec::sample(random))
    }
}

impl Sample for RecData {
    fn sample(random: &mut Random) -> Self {
        Self {
            reqid: ReqId::sample(random),
            key: Bytes::sample(random),
            data: Bytes::sample(random),
        }
    }
}

impl Sample for MarshallBuffer {
    fn sample(random: &mut Random) -> Self {
        let mut buffer = Self::new(Sample::sample(random));
        for _ in 0..random.below(20) {
            let record = RecData::sample(random);
            buffer.push(record.reqid, &record.key, &record.data);
        }
        buffer
    }
}

impl Sample for StatisticsList {
    fn sample(random: &mut Random) -> Self {
        Self {
            pad: Pad::ZERO,
            stats: Vec::sample(random),
        }
    }
}

impl Sample for HotKey {
    fn sample(random: &mut Random) -> Self {
        Self {
            count: Sample::sample(random),
            pad: Pad::ZERO,
            pointer: Pad::ZERO,
            key: Sample::sample(random),
        }
    }
}

impl Sample for DbStatistics {
    fn sample(random: &mut Random) -> Self {
        Self {
            locks: Sample::sample(random),
            vacuum_latency: Sample::sample(random),
            ro_delegations: Sample::sample(random),
            ro_revokes: Sample::sample(random),
            hop_count_bucket: Sample::sample(random),
            num_hot_keys: Self::HOT_KEYS as u32,
            pad: Pad::ZERO,
            hot_keys: Sample::sample(random),
        }
    }
}

/// Processor time of this thread so far. Unlike a clock it says the same on a crowded machine.
///
/// # Panics
/// Not on Linux.
#[must_use]
pub fn cpu_time_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has this");
    let on_cpu_ns = text
        .split(' ')
        .next()
        .and_then(|word| word.parse::<u64>().ok());
    on_cpu_ns.expect("the first number") / 1_000_000
}
