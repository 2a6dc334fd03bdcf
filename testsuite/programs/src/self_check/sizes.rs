//! `protocol_types_compat_test`: structures have the sizes that C's compiler gave them.

use ctdb_protocol::sample::{Random, Sample};
use ctdb_protocol::types;
use ctdb_protocol::{Wire, encode};

use super::{Check, ensure};

/// A value of any content has so many bytes.
fn size<T: Wire + Sample>(random: &mut Random, expected: usize) -> Check {
    let found = encode(&T::sample(random)).len();
    let name = std::any::type_name::<T>();
    ensure(found == expected, || {
        format!("{name}: {found} bytes, C has {expected}")
    })
}

/// An empty list has so many bytes, and each item so many more.
fn list<T: Wire + Sample, L: Wire>(
    random: &mut Random,
    make: impl Fn(Vec<T>) -> L,
    head: usize,
    item: usize,
) -> Check {
    let items: Vec<T> = Vec::sample(random);
    let count = items.len();
    let found = encode(&make(items)).len();
    let name = std::any::type_name::<L>();
    let expected = head + count * item;
    ensure(found == expected, || {
        format!("{name} of {count}: {found} bytes, C has {expected}")
    })
}

/// All structures of a fixed size, and the lists of them.
///
/// # Errors
/// Which is of another size.
pub fn check(random: &mut Random) -> Check {
    size::<types::LatencyCounter>(random, 32)?;
    size::<types::Statistics>(random, 488)?;
    size::<types::LtdbHeader>(random, 24)?;
    size::<types::DbAndFlags>(random, 8)?;
    size::<types::PullDbExt>(random, 16)?;
    size::<types::TransDb>(random, 8)?;
    size::<types::TraverseStart>(random, 16)?;
    size::<types::TraverseStartExt>(random, 24)?;
    size::<types::TraverseAll>(random, 24)?;
    size::<types::TraverseAllExt>(random, 32)?;
    size::<types::SockAddr>(random, 28)?;
    size::<types::Connection>(random, 56)?;
    size::<types::NodeFlagChange>(random, 12)?;
    size::<types::TunableList>(random, 248)?;
    size::<types::Uptime>(random, 64)?;
    size::<types::PublicIp>(random, 32)?;
    size::<types::NodeAndFlags>(random, 36)?;
    size::<types::BanState>(random, 8)?;
    size::<types::Iface>(random, 24)?;
    size::<types::PidSrvid>(random, 12)?;
    size::<types::DbVacuum>(random, 5)?;
    size::<types::ElectionMessage>(random, 32)?;
    size::<types::SrvidMessage>(random, 16)?;
    size::<types::DisableMessage>(random, 24)?;
    size::<types::ServerId>(random, 24)?;
    size::<types::GLock>(random, 32)?;
    list(random, |nodes| types::NodeMap { nodes }, 4, 36)?;
    list(random, |dbs| types::DbMap { dbs }, 4, 8)?;
    list(random, |ips| types::PublicIpList { ips }, 4, 32)?;
    list(random, |ifaces| types::IfaceList { ifaces }, 4, 24)?;
    list(random, types::GLockList, 0, 32)?;
    let pad = Default::default();
    list(random, |stats| types::StatisticsList { pad, stats }, 8, 488)?;
    db_statistics(random)
}

/// 464 bytes, then the keys.
fn db_statistics(random: &mut Random) -> Check {
    let stats = types::DbStatistics::sample(random);
    let keys: usize = stats.hot_keys.iter().map(|hot| hot.key.len()).sum();
    let found = encode(&stats).len();
    ensure(found == 464 + keys, || {
        format!("DbStatistics: {found} bytes with {keys} of keys")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seeds() {
        for seed in 1..50 {
            assert_eq!(check(&mut Random::new(seed)), Ok(()));
        }
    }

    #[test]
    fn a_wrong_size_is_noticed() {
        assert!(size::<types::BanState>(&mut Random::new(1), 12).is_err());
    }
}
