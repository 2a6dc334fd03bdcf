// SPDX-License-Identifier: GPL-3.0-or-later
//! Makes inputs out of good ones.

use crate::target::Sample;

/// A small generator (xorshift*): the same seed gives the same inputs everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`, or 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        match u64::try_from(end) {
            Ok(end) if end > 0 => usize::try_from(self.next() % end).unwrap_or(0),
            _ => 0,
        }
    }
}

/// Numbers that lengths and counts go wrong with.
const EDGES: [u32; 8] = [
    0,
    1,
    0x7F,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFF8,
    0xFFFF_FFFF,
];

/// One of `samples`, mostly damaged in a few places.
pub(crate) fn sample(random: &mut Random, samples: &[Sample]) -> Sample {
    let mut sample = samples[random.below(samples.len())].clone();
    for _ in 0..random.below(4) {
        damage(random, &mut sample, samples);
    }
    sample
}

fn damage(random: &mut Random, sample: &mut Sample, samples: &[Sample]) {
    let bytes = &mut sample.bytes;
    let at = random.below(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => {
            for _ in 0..=random.below(40) {
                bytes.push(random.next().to_le_bytes()[0]);
            }
        }
        2 | 3 => {
            let word = EDGES[random.below(EDGES.len())].to_le_bytes();
            let start = at / 4 * 4;
            if let Some(place) = bytes.get_mut(start..start + 4) {
                place.copy_from_slice(&word);
            }
        }
        4 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        5 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next().to_le_bytes()[0];
            }
        }
        6 => {
            let other = &samples[random.below(samples.len())].bytes;
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        // The bytes of one kind, read as another.
        _ => sample.id = samples[random.below(samples.len())].id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_inputs() {
        let samples = [
            Sample {
                id: 1,
                bytes: vec![7; 40],
            },
            Sample {
                id: 2,
                bytes: Vec::new(),
            },
        ];
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..100)
                .map(|_| sample(&mut random, &samples).bytes)
                .collect::<Vec<_>>()
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}
