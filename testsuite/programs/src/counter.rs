//! Counters that programs keep in records and check afterwards.

/// The number that a record holds as decimal text, so that `ctdb pfetch` shows it; an empty record, or
/// one that holds anything else, counts as 0.
#[must_use]
pub fn counter(data: &[u8]) -> u64 {
    std::str::from_utf8(data)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
