//! One row for every live control: what it answers, in which state of the cluster, to which request.
//!
//! Each row is also sent without wish for an answer, in another size, and, where it concerns the
//! sender's own client, from another node. A control without row fails the test, and so does a row
//! that answers otherwise.

use bytes::Bytes;
use ctdb_protocol::control::{self as c, Control, Life, TABLE};
use ctdb_protocol::id::{ClientId, DbId, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqControl};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{ControlFlags, RecoveryMode};
use ctdb_protocol::wire::{Pad, encode};

use super::Cluster;

use Outcome::{Code, Data, Done, Later, Never, Positive};
use Size::{Exact, Free, Least};
use State::{Frozen, Locked, Normal, Pushing, Recovery, Transaction};

/// What the cluster is doing when the control comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Normal,
    Recovery,
    /// In recovery with the volatile database frozen.
    Frozen,
    /// And in transaction 7.
    Transaction,
    /// And records are expected.
    Pushing,
    /// Normal, but clients may not attach databases.
    Locked,
}

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Status 0 without data.
    Done,
    /// Status 0 with data.
    Data,
    /// This status, without data.
    Code(i32),
    /// A status above 0.
    Positive,
    /// Nothing within three seconds: it waits for something.
    Later,
    /// Nothing.
    Never,
}

/// Which sizes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// One byte more or less is refused.
    Exact,
    /// One byte more is taken as if it were not there, one less is refused.
    Least,
    /// Nobody looks.
    Free,
}

const NO: Outcome = Code(-1);
const TID: u32 = 7;
const KEY: &[u8] = b"key\0";
/// A database that does not exist.
const UNKNOWN: u32 = 0x0bad_0bad;

/// Numbers of the databases.
#[derive(Debug, Clone, Copy)]
struct Ids {
    volatile: DbId,
    persistent: DbId,
    generation: u32,
    pid: i32,
}

type Body = fn(&Ids) -> Vec<u8>;
type Case = (State, Body, Outcome);

struct Row {
    code: u32,
    size: Size,
    /// Whether it concerns the client that sends it, so that no other node's client may.
    of_client: bool,
    cases: &'static [Case],
}

fn row<C: Control>(size: Size, cases: &'static [Case]) -> Row {
    Row {
        code: C::CODE,
        size,
        of_client: false,
        cases,
    }
}

fn own<C: Control>(size: Size, cases: &'static [Case]) -> Row {
    Row {
        of_client: true,
        ..row::<C>(size, cases)
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn none(_: &Ids) -> Vec<u8> {
    Vec::new()
}
fn zero(_: &Ids) -> Vec<u8> {
    words(&[0])
}
fn one(_: &Ids) -> Vec<u8> {
    words(&[1])
}
fn volatile(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0])
}
fn persistent(ids: &Ids) -> Vec<u8> {
    words(&[ids.persistent.0])
}
fn unknown(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN])
}
/// A database and three more words, the port among them.
fn walk(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, 1, 0x77, 0])
}
fn unknown_walk(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, 1, 0x77, 0])
}
fn walk_ext(ids: &Ids) -> Vec<u8> {
    [walk(ids), words(&[1, 0])].concat()
}
fn unknown_walk_ext(ids: &Ids) -> Vec<u8> {
    [unknown_walk(ids), words(&[1, 0])].concat()
}
fn walk_all(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, 1, 0, 1, 0x77, 0])
}
fn unknown_walk_all(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, 1, 0, 1, 0x77, 0])
}
fn walk_all_ext(ids: &Ids) -> Vec<u8> {
    [walk_all(ids), words(&[1, 0])].concat()
}
fn unknown_walk_all_ext(ids: &Ids) -> Vec<u8> {
    [unknown_walk_all(ids), words(&[1, 0])].concat()
}
/// No records of a database.
fn records(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, 0])
}
fn persistent_records(ids: &Ids) -> Vec<u8> {
    words(&[ids.persistent.0, 0])
}
fn unknown_records(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, 0])
}
fn transaction(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, TID])
}
fn other_transaction(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, TID + 1])
}
fn unknown_transaction(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, TID])
}
fn address(last: u8) -> Vec<u8> {
    let address = std::net::SocketAddr::from(([10, 9, 9, last], 0));
    encode(&ctdb_protocol::types::SockAddr::from(address))
}
/// The public address.
fn public(_: &Ids) -> Vec<u8> {
    address(9)
}
/// Another one.
fn elsewhere(_: &Ids) -> Vec<u8> {
    address(8)
}
fn to_public(_: &Ids) -> Vec<u8> {
    [address(1), address(9)].concat()
}
fn to_elsewhere(_: &Ids) -> Vec<u8> {
    [address(1), address(8)].concat()
}
fn described(last: u8, interface: &str) -> Vec<u8> {
    let length = u32::try_from(interface.len() + 1).unwrap();
    let text = [interface.as_bytes(), b"\0"].concat();
    [address(last), words(&[24, length]), text].concat()
}
fn public_described(_: &Ids) -> Vec<u8> {
    described(9, "eth0")
}
fn new_described(_: &Ids) -> Vec<u8> {
    described(7, "eth0")
}
fn without_interface(_: &Ids) -> Vec<u8> {
    described(7, "eth9")
}
fn on_node(node: u32, last: u8) -> Vec<u8> {
    [words(&[node]), address(last)].concat()
}
fn public_here(_: &Ids) -> Vec<u8> {
    on_node(0, 9)
}
fn public_there(_: &Ids) -> Vec<u8> {
    on_node(1, 9)
}
fn elsewhere_here(_: &Ids) -> Vec<u8> {
    on_node(0, 8)
}
fn interface(name: &str, link: u16, references: u32) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(18, 0);
    bytes.extend(link.to_ne_bytes());
    [bytes, words(&[references])].concat()
}
fn tunable(value: Option<u32>, name: &str) -> Vec<u8> {
    let length = u32::try_from(name.len() + 1).unwrap();
    let value = value.map(|value| words(&[value])).unwrap_or_default();
    [value, words(&[length]), name.as_bytes().to_vec(), vec![0]].concat()
}
fn header(dmaster: u32) -> Vec<u8> {
    words(&[1, 0, dmaster, 0, 0, 0])
}
fn key() -> Vec<u8> {
    [words(&[4]), KEY.to_vec()].concat()
}
fn scheduled(db: u32) -> Vec<u8> {
    [words(&[db, 0]), header(0), key()].concat()
}
fn pushed(generation: u32, db: u32) -> Vec<u8> {
    [words(&[generation, db]), header(1), key(), key()].concat()
}
fn attach(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// The table.
fn rows() -> Vec<Row> {
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
                // Another generation: ignored, whatever is in it.
                (Normal, |ids| pushed(ids.generation + 1, UNKNOWN), Done),
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
        // Public addresses.
        own::<c::TcpClient>(
            Exact,
            &[
                (Normal, to_elsewhere, Done),
                (Recovery, to_elsewhere, Done),
                (Normal, to_public, NO),
            ],
        ),
        own::<c::TcpClientDisconnected>(
            Exact,
            &[(Normal, to_public, Done), (Recovery, to_public, Done)],
        ),
        own::<c::TcpClientPassed>(
            Exact,
            &[(Normal, to_public, Done), (Recovery, to_public, Done)],
        ),
        row::<c::TcpAdd>(
            Exact,
            &[
                (Normal, to_public, Done),
                (Recovery, to_public, Done),
                (Normal, to_elsewhere, NO),
            ],
        ),
        row::<c::TcpAddDelayedUpdate>(
            Exact,
            &[
                (Normal, to_public, Done),
                (Recovery, to_public, Done),
                (Normal, to_elsewhere, NO),
            ],
        ),
        row::<c::TcpRemove>(
            Exact,
            &[
                (Normal, to_public, Done),
                (Recovery, to_public, Done),
                (Normal, to_elsewhere, Done),
            ],
        ),
        row::<c::GetTcpTickleList>(
            Exact,
            &[
                (Normal, public, Data),
                (Recovery, public, Data),
                (Normal, elsewhere, Code(1)),
            ],
        ),
        row::<c::SetTcpTickleList>(
            Least,
            &[
                (Normal, |_| [address(9), words(&[0])].concat(), Done),
                (Recovery, |_| [address(9), words(&[0])].concat(), Done),
                (Normal, |_| [address(8), words(&[0])].concat(), Code(1)),
            ],
        ),
        row::<c::SendGratuitousArp>(
            Exact,
            &[
                (Normal, public_described, Done),
                (Recovery, public_described, Done),
            ],
        ),
        row::<c::AddPublicIp>(
            Exact,
            &[
                (Normal, new_described, Done),
                (Recovery, new_described, Done),
                (Normal, public_described, NO),
                (Normal, without_interface, NO),
            ],
        ),
        row::<c::DelPublicIp>(
            Exact,
            &[
                (Normal, public_described, Done),
                (Recovery, public_described, Done),
                (Normal, new_described, NO),
            ],
        ),
        row::<c::ReleaseIp>(
            Exact,
            &[
                (Normal, public_there, Done),
                (Recovery, public_there, Done),
                (Normal, elsewhere_here, Done),
            ],
        ),
        row::<c::TakeoverIp>(
            Exact,
            &[
                (Normal, public_here, Done),
                (Normal, elsewhere_here, Done),
                (Recovery, public_here, NO),
                (Normal, public_there, NO),
            ],
        ),
        row::<c::GetPublicIps>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::GetPublicIpInfo>(
            Exact,
            &[
                (Normal, public, Data),
                (Recovery, public, Data),
                (Normal, elsewhere, NO),
            ],
        ),
        row::<c::GetIfaces>(Exact, &[(Normal, none, Data), (Recovery, none, Data)]),
        row::<c::SetIfaceLinkState>(
            Exact,
            &[
                (Normal, |_| interface("eth0", 0, 0), Done),
                (Recovery, |_| interface("eth0", 0, 0), Done),
                (Normal, |_| interface("eth0", 2, 0), NO),
                (Normal, |_| interface("eth0", 1, 1), NO),
                (Normal, |_| interface("eth9", 1, 0), NO),
            ],
        ),
        row::<c::ReloadPublicIps>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::Ipreallocated>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
        row::<c::StartIpreallocate>(Exact, &[(Normal, none, Done), (Recovery, none, Done)]),
    ]
}

/// Two nodes with two databases and a public address, in a state.
struct Scene {
    cluster: Cluster,
    client: (usize, ClientId),
    ids: Ids,
}

impl Scene {
    fn new(state: State) -> Self {
        let mut cluster = Cluster::running(2);
        let client = cluster.connect(0);
        let volatile = cluster.attach("v.tdb");
        let name = ctdb_protocol::text::Text::from("p.tdb");
        let persistent = cluster.must::<c::DbAttachPersistent>(client, Pnn::CURRENT, &name);
        let generation = cluster.nodes[0].shared().vnn_map.generation.0;
        let pid = 4000 + i32::try_from(client.1.0).unwrap();
        let ids = Ids {
            volatile,
            persistent,
            generation,
            pid,
        };
        let mut scene = Self {
            cluster,
            client,
            ids,
        };
        scene.prepare(c::AddPublicIp::CODE, public_described);
        scene.enter(state);
        scene
    }

    fn enter(&mut self, state: State) {
        if state == Locked {
            return self.prepare(c::SetTunable::CODE, |_| {
                tunable(Some(0), "AllowClientDBAttach")
            });
        }
        if state == Normal {
            return;
        }
        let mode = RecoveryMode::ACTIVE;
        self.cluster
            .must::<c::SetRecmode>(self.client, Pnn::CURRENT, &mode);
        let steps: [(u32, Body); 3] = [
            (c::DbFreeze::CODE, volatile),
            (c::DbTransactionStart::CODE, transaction),
            (c::DbPushStart::CODE, walk),
        ];
        let count = match state {
            Normal | Recovery | Locked => 0,
            Frozen => 1,
            Transaction => 2,
            Pushing => 3,
        };
        for (code, body) in &steps[..count] {
            self.prepare(*code, *body);
        }
    }

    fn prepare(&mut self, code: u32, body: Body) {
        let answer = self.ask(Pnn::CURRENT, code, body(&self.ids), ControlFlags::empty());
        assert_eq!(answer, Done, "control {code} to get ready");
    }

    /// Sends a control and waits for three seconds.
    fn ask(&mut self, dest: Pnn, opcode: u32, data: Vec<u8>, flags: ControlFlags) -> Outcome {
        let packet = Packet::ReqControl(ReqControl {
            opcode,
            pad: Pad::ZERO,
            srvid: Srvid(0x77),
            client_id: ClientId(0),
            flags,
            data: Bytes::from(data),
        });
        let reqid = self.cluster.send(self.client, dest, &packet);
        let at_once = self.answer(reqid);
        at_once.unwrap_or_else(|| {
            self.cluster.pass(3_000_000);
            self.answer(reqid).unwrap_or(Later)
        })
    }

    fn answer(&mut self, reqid: ReqId) -> Option<Outcome> {
        let mut answers = self.cluster.received(self.client).into_iter();
        answers.find_map(|(header, packet)| match packet {
            Packet::ReplyControl(reply) if header.reqid == reqid => {
                Some(match (reply.status, reply.data.is_empty()) {
                    (0, true) => Done,
                    (0, false) => Data,
                    (status, true) => Code(status),
                    (status, false) => panic!("status {status} with data"),
                })
            }
            _ => None,
        })
    }

    fn serves(&mut self) -> bool {
        let none = ControlFlags::empty();
        matches!(
            self.ask(Pnn::CURRENT, c::Ping::CODE, Vec::new(), none),
            Code(1..)
        )
    }
}

fn agrees(expected: Outcome, found: Outcome) -> bool {
    match expected {
        Positive => matches!(found, Code(1..)),
        Never => found == Later,
        other => other == found,
    }
}

/// Rows answer as they say; wrong ones are listed together.
#[test]
fn every_control_answers_as_its_row_says() {
    let mut wrong = Vec::new();
    for row in rows() {
        let states: Vec<State> = row.cases.iter().map(|(state, ..)| *state).collect();
        assert!(
            states.contains(&Normal) && states.contains(&Recovery),
            "row {}",
            row.code
        );
        let name = c::find(row.code).expect("a control").name;
        for (number, (state, body, expected)) in row.cases.iter().enumerate() {
            let mut scene = Scene::new(*state);
            let data = body(&scene.ids);
            let found = scene.ask(Pnn::CURRENT, row.code, data, ControlFlags::empty());
            if !agrees(*expected, found) {
                wrong.push(format!(
                    "{name} case {number} ({state:?}): {expected:?}, found {found:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without wish for an answer there is none, and the node serves on.
#[test]
fn no_control_answers_who_wants_no_answer() {
    for row in rows() {
        let name = c::find(row.code).expect("a control").name;
        for (state, body, _) in row.cases {
            let mut scene = Scene::new(*state);
            let data = body(&scene.ids);
            let found = scene.ask(Pnn::CURRENT, row.code, data, ControlFlags::NOREPLY);
            assert_eq!(found, Later, "{name}");
            assert!(row.code == c::Shutdown::CODE || scene.serves(), "{name}");
        }
    }
}

/// Sizes are checked where C checks them.
#[test]
fn payloads_of_another_size_are_refused_or_not_looked_at() {
    let mut wrong = Vec::new();
    for row in rows() {
        let name = c::find(row.code).expect("a control").name;
        let (state, body, expected) = row.cases[0];
        let mut check = |change: i32, expected: Outcome| {
            let mut scene = Scene::new(state);
            let mut data = body(&scene.ids);
            let length = i32::try_from(data.len()).unwrap() + change;
            data.resize(usize::try_from(length).unwrap(), 0);
            let found = scene.ask(Pnn::CURRENT, row.code, data, ControlFlags::empty());
            if !agrees(expected, found) {
                wrong.push(format!("{name} {change:+}: {expected:?}, found {found:?}"));
            }
        };
        check(1, if row.size == Exact { NO } else { expected });
        let empty = body(&Scene::new(state).ids).is_empty();
        if row.size != Free && !empty {
            check(-1, NO);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a client asks about itself, only its own daemon does.
#[test]
fn controls_about_a_client_are_refused_on_other_nodes() {
    for row in rows().iter().filter(|row| row.of_client) {
        let name = c::find(row.code).expect("a control").name;
        let mut scene = Scene::new(Normal);
        let data = (row.cases[0].1)(&scene.ids);
        let found = scene.ask(Pnn(1), row.code, data, ControlFlags::empty());
        assert_eq!(found, NO, "{name}");
    }
}

#[test]
fn every_live_control_has_one_row_and_no_other_has() {
    let mut codes: Vec<u32> = rows().iter().map(|row| row.code).collect();
    codes.sort_unstable();
    let live = TABLE.iter().filter(|row| row.life == Life::Live);
    assert_eq!(codes, live.map(|row| row.code).collect::<Vec<u32>>());
}
