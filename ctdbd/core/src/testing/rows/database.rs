//! Controls about databases, walks, messages and tunnels.

use ctdb_protocol::control as c;

use super::body::{
    attach, none, persistent, persistent_records, pushed, records, scheduled, unknown,
    unknown_records, unknown_walk, unknown_walk_all, unknown_walk_all_ext, unknown_walk_ext,
    volatile, walk, walk_all, walk_all_ext, walk_ext, words,
};
use super::{
    Data, Done, Exact, Free, KEY, Later, Least, Locked, NO, Normal, Positive, Recovery, Row,
    UNKNOWN, own, row,
};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        // Databases.
        row::<c::GetDbPath>(
            Exact,
            &[
                (Normal, volatile, Data),
                (Recovery, volatile, Data),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::GetDbName>(
            Exact,
            &[
                (Normal, volatile, Data),
                (Recovery, volatile, Data),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::GetDbMap>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::DbOpenFlags>(
            Exact,
            &[
                (Normal, volatile, Data),
                (Recovery, volatile, Data),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::DbAttach>(
            Free,
            &[
                (Normal, |_| attach("new.tdb"), Data),
                (Normal, |_| attach("v.tdb"), Data),
                (Recovery, |_| attach("new.tdb"), Later),
                (Normal, |_| b"new.tdb".to_vec(), NO),
                (Locked, |_| attach("new.tdb"), NO),
            ],
        ),
        row::<c::DbAttachPersistent>(
            Free,
            &[
                (Normal, |_| attach("new.tdb"), Data),
                (Recovery, |_| attach("new.tdb"), Later),
                // Known, of another kind.
                (Normal, |_| attach("v.tdb"), NO),
                (Locked, |_| attach("new.tdb"), NO),
            ],
        ),
        row::<c::DbAttachReplicated>(
            Free,
            &[
                (Normal, |_| attach("new.tdb"), Data),
                (Recovery, |_| attach("new.tdb"), Later),
                (Normal, |_| attach("v.tdb"), NO),
                (Locked, |_| attach("new.tdb"), NO),
            ],
        ),
        row::<c::DbDetach>(
            Exact,
            &[
                (Locked, volatile, Done),
                (Normal, volatile, NO),
                (Recovery, volatile, NO),
                (Locked, persistent, NO),
                (Locked, unknown, NO),
            ],
        ),
        row::<c::EnableSeqnum>(
            Exact,
            &[
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Normal, unknown, NO),
            ],
        ),
        // From this node itself: ignored.
        row::<c::UpdateSeqnum>(
            Exact,
            &[
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Normal, unknown, Done),
            ],
        ),
        row::<c::UpdateRecord>(
            Least,
            &[
                (Normal, persistent_records, Done),
                (Recovery, persistent_records, NO),
                (Normal, unknown_records, NO),
            ],
        ),
        row::<c::TryDeleteRecords>(
            Least,
            &[
                (Normal, records, Data),
                (Recovery, records, Data),
                (Normal, unknown_records, NO),
            ],
        ),
        own::<c::StartPersistentUpdate>(Free, &[(Normal, none, Done), (Recovery, none, Done)]),
        own::<c::CancelPersistentUpdate>(Free, &[(Normal, none, Done), (Recovery, none, Done)]),
        own::<c::Trans3Commit>(
            Least,
            &[
                (Normal, persistent_records, Done),
                (Recovery, persistent_records, NO),
                (Normal, unknown_records, NO),
            ],
        ),
        row::<c::GetDbSeqnum>(
            Exact,
            &[
                (Normal, persistent_records, Data),
                (Recovery, persistent_records, Data),
                (Normal, unknown_records, NO),
            ],
        ),
        row::<c::DbSetHealthy>(
            Exact,
            &[
                (Normal, persistent, Done),
                (Recovery, persistent, Done),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::DbGetHealth>(
            Exact,
            &[
                (Normal, persistent, Done),
                (Recovery, persistent, Done),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::ScheduleForDeletion>(
            Exact,
            &[
                (Normal, |ids| scheduled(ids.volatile.0), Done),
                (Recovery, |ids| scheduled(ids.volatile.0), Done),
                (Normal, |_| scheduled(UNKNOWN), NO),
                // C takes the daemon down with it.
                (Normal, |ids| scheduled(ids.persistent.0), NO),
            ],
        ),
        row::<c::SetDbReadonly>(
            Exact,
            &[
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Normal, persistent, NO),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::SetDbSticky>(
            Exact,
            &[
                (Normal, volatile, Done),
                (Recovery, volatile, Done),
                (Normal, persistent, NO),
                (Normal, unknown, NO),
            ],
        ),
        row::<c::VacuumFetch>(
            Least,
            &[
                (Normal, records, Done),
                (Recovery, records, Done),
                (Normal, persistent_records, NO),
                (Normal, unknown_records, NO),
            ],
        ),
        row::<c::DbVacuum>(
            Exact,
            &[
                (Normal, |ids| [volatile(ids), vec![1]].concat(), Done),
                (Recovery, |ids| [volatile(ids), vec![1]].concat(), NO),
                (Normal, |ids| [persistent(ids), vec![1]].concat(), NO),
                (Normal, |ids| [unknown(ids), vec![1]].concat(), NO),
            ],
        ),
        row::<c::PushRecord>(
            Exact,
            &[
                (Normal, |ids| pushed(ids.generation, ids.volatile.0), Done),
                (Recovery, |ids| pushed(ids.generation, ids.volatile.0), Done),
                (Normal, |ids| pushed(ids.generation, UNKNOWN), NO),
                (Normal, |ids| pushed(ids.generation + 1, ids.volatile.0), NO),
            ],
        ),
        row::<c::PushRecordStore>(
            Exact,
            &[
                (Normal, |ids| pushed(ids.generation, ids.volatile.0), Done),
                (Recovery, |ids| pushed(ids.generation, ids.volatile.0), Done),
                (Normal, |ids| pushed(ids.generation, ids.persistent.0), NO),
                (Normal, |ids| pushed(ids.generation, UNKNOWN), NO),
                (Normal, |ids| pushed(ids.generation + 1, ids.volatile.0), NO),
            ],
        ),
        // Walks, messages, tunnels.
        own::<c::TraverseStart>(
            Exact,
            &[
                (Normal, walk, Done),
                (Recovery, walk, Done),
                (Normal, unknown_walk, NO),
            ],
        ),
        own::<c::TraverseStartExt>(
            Exact,
            &[
                (Normal, walk_ext, Done),
                (Recovery, walk_ext, Done),
                (Normal, unknown_walk_ext, NO),
            ],
        ),
        row::<c::TraverseAll>(
            Exact,
            &[
                (Normal, walk_all, Done),
                (Recovery, walk_all, Done),
                (Normal, unknown_walk_all, NO),
            ],
        ),
        row::<c::TraverseAllExt>(
            Exact,
            &[
                (Normal, walk_all_ext, Done),
                (Recovery, walk_all_ext, Done),
                (Normal, unknown_walk_all_ext, NO),
            ],
        ),
        // Of a walk that nobody has begun.
        row::<c::TraverseData>(
            Exact,
            &[
                (
                    Normal,
                    |_| [words(&[24, 999, 4, 4]), KEY.to_vec(), KEY.to_vec()].concat(),
                    NO,
                ),
                (
                    Recovery,
                    |_| [words(&[24, 999, 4, 4]), KEY.to_vec(), KEY.to_vec()].concat(),
                    NO,
                ),
            ],
        ),
        row::<c::TraverseKill>(
            Exact,
            &[
                (Normal, walk, Done),
                (Recovery, walk, Done),
                (Normal, unknown_walk, NO),
            ],
        ),
        own::<c::RegisterSrvid>(Free, &[(Normal, none, Done), (Recovery, none, Done)]),
        own::<c::DeregisterSrvid>(
            Free,
            &[(Normal, none, Positive), (Recovery, none, Positive)],
        ),
        own::<c::RegisterNotify>(
            Exact,
            &[
                (Normal, |_| words(&[0x77, 0, 4, 1]), Done),
                (Recovery, |_| words(&[0x77, 0, 4, 1]), Done),
            ],
        ),
        own::<c::DeregisterNotify>(
            Exact,
            &[
                (Normal, |_| words(&[0x77, 0]), NO),
                (Recovery, |_| words(&[0x77, 0]), NO),
            ],
        ),
        row::<c::CheckPidSrvid>(
            Exact,
            &[
                (Normal, |_| words(&[1, 0x77, 0]), NO),
                (Recovery, |_| words(&[1, 0x77, 0]), NO),
            ],
        ),
        own::<c::TunnelRegister>(Free, &[(Normal, none, Done), (Recovery, none, Done)]),
        own::<c::TunnelDeregister>(Free, &[(Normal, none, NO), (Recovery, none, NO)]),
    ]
}
