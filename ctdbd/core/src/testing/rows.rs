//! One row for every live control: what it answers, in which state of the cluster, to which request.
//!
//! Each row is also sent without wish for an answer, in another size, and, where it concerns the
//! sender's own client, from another node. A control without row fails the test, and so does a row
//! that answers otherwise.

mod address;
mod body;
mod cluster;
mod database;

use bytes::Bytes;
use ctdb_protocol::control::{self as c, Control, Life, TABLE};
use ctdb_protocol::id::{ClientId, DbId, Pnn, ReqId};
use ctdb_protocol::packet::{Packet, ReqControl};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{ControlFlags, RecoveryMode};
use ctdb_protocol::wire::Pad;

use self::body::{public_described, transaction, tunable, volatile, walk};
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

/// All rows.
fn rows() -> Vec<Row> {
    [cluster::rows(), database::rows(), address::rows()]
        .into_iter()
        .flatten()
        .collect()
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
        let generation = cluster.nodes[0].view().generation().0;
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
    let mut expected: Vec<u32> = live.map(|row| row.code).collect();
    expected.sort_unstable();
    assert_eq!(codes, expected);
}
