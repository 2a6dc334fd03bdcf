//! Every control answers, whatever is in it.

use bytes::Bytes;
use ctdb_protocol::control::{Life, TABLE};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;

use super::Cluster;
use crate::input::Input;

/// Answered when something else has ended, or not at all.
const LATER: [u32; 5] = [
    16,  // SET_RECMODE: here at once, but with a cluster lock later
    36,  // SHUTDOWN
    155, // DB_VACUUM
    33,  // FREEZE
    70,  // START_RECOVERY
];

#[test]
fn obsolete_and_unknown_controls_are_refused() {
    let mut cluster = Cluster::running(1);
    let client = cluster.connect(0);
    let obsolete = TABLE
        .iter()
        .filter(|row| row.life != Life::Live)
        .map(|row| row.code);
    for code in obsolete.chain([2, 12, 28, 38, 163, 1000, u32::MAX]) {
        let reply = cluster.control_raw(client, Pnn::CURRENT, code, Srvid(0), Bytes::new());
        assert_eq!(reply.expect("an answer").status, -1, "control {code}");
    }
}

/// Procedures inside the daemon connect with its pid; `ctdb process-exists` must not find it.
#[test]
fn the_daemon_is_no_client_of_itself() {
    let mut cluster = Cluster::running(1);
    let client = cluster.nodes[0].next_client_id();
    cluster.input(0, Input::ClientConnected { client, pid: 1000 });
    let asker = cluster.connect(0);
    let exists = |cluster: &mut Cluster, pid: i32| {
        let data = Bytes::copy_from_slice(&pid.to_ne_bytes());
        let reply = cluster.control_raw(asker, Pnn::CURRENT, 0, Srvid(0), data);
        reply.expect("an answer").status
    };
    assert_eq!(exists(&mut cluster, 1000), -1);
    let pid = 4000 + i32::try_from(asker.1.0).expect("a small number");
    assert_eq!(exists(&mut cluster, pid), 0);
}

/// Short, long and random payloads: an answer each, no panic, and the node still serves afterwards.
#[test]
fn no_payload_harms_the_node() {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    for row in TABLE
        .iter()
        .filter(|row| row.life == Life::Live && row.code != 36)
    {
        let mut cluster = Cluster::running(2);
        cluster.attach("volatile.tdb");
        for length in [0, 1, 4, 5, 8, 12, 16, 24, 28, 32, 36, 56, 64, 100] {
            for round in 0..4 {
                let client = cluster.connect(0);
                let mut data = vec![0_u8; length];
                for byte in &mut data {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    *byte = if round % 2 == 0 {
                        seed as u8
                    } else {
                        (seed as u8) & 1
                    };
                }
                let reply = cluster.control_raw(
                    client,
                    Pnn(round % 2),
                    row.code,
                    Srvid(seed),
                    Bytes::from(data),
                );
                let late = LATER.contains(&row.code) || reply.is_some();
                assert!(
                    late,
                    "control {} with {length} bytes was not answered",
                    row.name
                );
            }
        }
        let client = cluster.connect(1);
        let reply = cluster.control_raw(client, Pnn::CURRENT, 3, Srvid(0), Bytes::new());
        assert!(
            reply.expect("ping is answered").status >= 1,
            "after {}",
            row.name
        );
    }
}
