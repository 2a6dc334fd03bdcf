//! Controls about the daemon, nodes and recovery.

use ctdb_protocol::control as c;

use super::body::{
    none, one, other_transaction, transaction, tunable, unknown, unknown_transaction, unknown_walk,
    volatile, walk, words, zero,
};
use super::{
    Code, Data, Done, Exact, Free, Frozen, Least, NO, Never, Normal, Positive, Pushing, Recovery,
    Row, Transaction, row,
};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        // Identity, statistics, tunables.
        row::<c::ProcessExists>(
            Exact,
            &[
                (Normal, |ids| ids.pid.to_ne_bytes().to_vec(), Done),
                (Recovery, |ids| ids.pid.to_ne_bytes().to_vec(), Done),
                (Normal, one, NO),
            ],
        ),
        row::<c::Statistics>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::Ping>(
            Exact,
            &[(Normal, none, Positive), (Recovery, none, Positive)],
        ),
        row::<c::GetDebug>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::SetDebug>(Exact, &[(Normal, one, Done), (Recovery, one, Done)]),
        row::<c::StatisticsReset>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::DumpMemory>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::GetPid>(
            Free,
            &[(Normal, none, Code(1000)), (Recovery, none, Code(1000))],
        ),
        row::<c::GetPnn>(Free, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::SetTunable>(
            Least,
            &[
                (Normal, |_| tunable(Some(5), "MonitorInterval"), Done),
                (Recovery, |_| tunable(Some(5), "monitorinterval"), Done),
                (Normal, |_| tunable(Some(5), "NoSuchThing"), NO),
                // Obsolete: kept, with a warning.
                (Normal, |_| tunable(Some(5), "VacuumLimit"), Code(1)),
            ],
        ),
        row::<c::GetTunable>(
            Least,
            &[
                (Normal, |_| tunable(None, "MonitorInterval"), Data),
                (Recovery, |_| tunable(None, "MonitorInterval"), Data),
                (Normal, |_| tunable(None, "NoSuchThing"), Code(-22)),
            ],
        ),
        row::<c::ListTunables>(Free, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::GetAllTunables>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::Uptime>(Free, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::GetCapabilities>(Free, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::RecdPing>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::RecdReclockLatency>(
            Exact,
            &[
                (Normal, |_| 0.25_f64.to_ne_bytes().to_vec(), Done),
                (Recovery, |_| 0.25_f64.to_ne_bytes().to_vec(), Done),
            ],
        ),
        row::<c::GetReclockFile>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::SetLmasterRole>(Exact, &[(Normal, zero, Done), (Recovery, zero, Done)]),
        row::<c::SetRecmasterRole>(Exact, &[(Normal, zero, Done), (Recovery, zero, Done)]),
        row::<c::GetStatHistory>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::GetDbStatistics>(
            Exact,
            &[
                (Normal, volatile, Data),
                (Recovery, volatile, Data),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::GetRunstate>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::EchoData>(
            Exact,
            &[
                (Normal, |_| words(&[0, 4, 9]), Data),
                (Recovery, |_| words(&[0, 4, 9]), Data),
            ],
        ),
        // Nodes, flags, bans.
        row::<c::Shutdown>(Free, &[(Normal, none, Never), (Recovery, none, Never)]),
        row::<c::Startup>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::ModifyFlags>(
            Exact,
            &[
                (Normal, |_| words(&[1, 2, 0]), Done),
                (Recovery, |_| words(&[1, 2, 0]), Done),
                (Normal, |_| words(&[9, 2, 0]), NO),
            ],
        ),
        // The test's nodes list cannot be read.
        row::<c::ReloadNodesFile>(Exact, &[(Normal, none, NO), (Recovery, none, NO)]),
        row::<c::GetNodesFile>(Exact, &[(Normal, none, NO), (Recovery, none, NO)]),
        row::<c::GetNodeMap>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::StopNode>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::ContinueNode>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::DisableNode>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::EnableNode>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::SetBanState>(
            Exact,
            &[
                (Normal, |_| words(&[0, 30]), Done),
                (Recovery, |_| words(&[0, 30]), Done),
                (Normal, |_| words(&[1, 30]), NO),
            ],
        ),
        row::<c::GetBanState>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        // Recovery.
        row::<c::GetVnnMap>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::SetVnnMap>(
            Least,
            &[
                (Recovery, |_| words(&[99, 2, 0, 1]), Done),
                (Normal, |_| words(&[99, 2, 0, 1]), NO),
            ],
        ),
        row::<c::GetRecmode>(Free, &[(Normal, none, Done), (Recovery, none, Code(1))]),
        row::<c::SetRecmode>(
            Exact,
            &[
                (Normal, zero, Done),
                (Recovery, zero, Done),
                (Normal, one, Done),
                (Recovery, one, Done),
            ],
        ),
        row::<c::Freeze>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::StartRecovery>(Free, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::EndRecovery>(Free, &[(Normal, none, Done), (Recovery, none, NO)]),
        row::<c::DbFreeze>(
            Exact,
            &[
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Frozen, volatile, Done),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::DbThaw>(
            Exact,
            &[
                (Frozen, volatile, Done),
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::DbTransactionStart>(
            Exact,
            &[
                (Frozen, transaction, Done),
                (Transaction, transaction, Done),
                (Normal, transaction, NO),
                (Recovery, transaction, NO),
                (Frozen, unknown_transaction, NO),
            ],
        ),
        row::<c::DbTransactionCommit>(
            Exact,
            &[
                (Transaction, transaction, Done),
                (Transaction, other_transaction, NO),
                (Frozen, transaction, NO),
                (Normal, transaction, NO),
                (Recovery, transaction, NO),
                (Normal, unknown_transaction, NO),
            ],
        ),
        row::<c::DbTransactionCancel>(
            Exact,
            &[
                (Transaction, volatile, Done),
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::WipeDatabase>(
            Exact,
            &[
                (Transaction, transaction, Done),
                (Transaction, other_transaction, NO),
                (Frozen, transaction, NO),
                (Normal, transaction, NO),
                (Recovery, transaction, NO),
            ],
        ),
        row::<c::DbPull>(
            Exact,
            &[
                (Frozen, walk, Data),
                (Normal, walk, NO),
                (Recovery, walk, NO),
                (Frozen, unknown_walk, NO),
            ],
        ),
        row::<c::DbPushStart>(
            Exact,
            &[
                (Frozen, walk, Done),
                (Normal, walk, NO),
                (Recovery, walk, NO),
                (Frozen, unknown_walk, NO),
            ],
        ),
        row::<c::DbPushConfirm>(
            Exact,
            &[
                (Pushing, volatile, Data),
                (Frozen, volatile, NO),
                (Normal, volatile, NO),
                (Recovery, volatile, NO),
                (Pushing, unknown, NO),
            ],
        ),
    ]
}
