//! A few nodes in one test: storage in memory, packets handed over at once, events that always succeed.

mod bans;
mod calls;
mod commits;
mod controls;
mod full_disk;
mod leader_heard;
mod limits;
pub(crate) mod memory;
mod pushes;
mod rows;
mod scenarios;
mod shutdown;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use ctdb_config::nodes::NodeLine;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::control::{Control, SetDbReadonly};
use ctdb_protocol::id::{ClientId, DbId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReplyControl, ReqCall, ReqControl, ReqMessage};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::Text;
use ctdb_protocol::types::{CallFlags, CallFunction, ControlFlags, RecoveryMode, VnnMap};
use ctdb_protocol::wire::{Pad, all, encode};

use crate::effect::{Effect, Ticket};
use crate::input::Input;
use crate::letter::Delivery;
use crate::node::{Node, NodeConfig};
use crate::settings::Settings;
use crate::time::Now;

/// Nodes that hear each other at once.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) files: Vec<memory::Files>,
    now: Now,
    /// Packets that each client has got.
    inbox: BTreeMap<(usize, ClientId), Vec<(Header, Packet)>>,
    /// Locks that are awaited and not granted yet.
    pub(crate) awaited: Vec<(usize, Ticket)>,
    /// Grant locks as soon as they are asked for.
    pub(crate) grant: bool,
    /// Walks over files that were asked for.
    pub(crate) scans: u64,
    /// Do not answer them.
    pub(crate) hold_scans: bool,
    /// Updates are carried out, but do not end by themselves.
    pub(crate) hold_updates: bool,
    pub(crate) held_updates: Vec<(usize, Input)>,
    /// The limits of the repacks that were asked for.
    pub(crate) repacks: Vec<u32>,
    /// Those that were not answered.
    pub(crate) held_scans: Vec<(usize, Ticket)>,
    /// A node that nobody hears.
    pub(crate) mute: Option<usize>,
    /// Nodes that refuse controls of other nodes as C does one that it does not know.
    pub(crate) refuse_without_word: std::collections::BTreeSet<usize>,
    /// Lines of all logs.
    pub(crate) logged: Vec<String>,
    /// Nodes that have closed their connections to the others for good.
    pub(crate) left: Vec<usize>,
    /// Nodes whose watch was told to resign.
    pub(crate) resigned: Vec<usize>,
    reqid: u32,
}

/// Fixed configuration of a test node.
pub(crate) fn settings() -> Settings {
    Settings {
        pid: 1000,
        cluster_lock: None,
        test_mode: true,
        failover_disabled: false,
        shutdown_failover_timeout_s: 10,
        shutdown_extra_timeout_s: 0,
        start_as_disabled: false,
        start_as_stopped: false,
        leader_capability: true,
        lmaster_capability: true,
        samba_version: 4 << 16 | 22,
        strict_version: false,
        log_level: 3,
    }
}

impl Cluster {
    /// Nodes that are RUNNING after a first recovery.
    pub(crate) fn running(count: usize) -> Self {
        let lines: Vec<NodeLine> = (1..=u8::try_from(count).unwrap())
            .map(|n| NodeLine {
                address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)),
                deleted: false,
            })
            .collect();
        let files: Vec<memory::Files> = (0..count).map(|_| memory::Files::default()).collect();
        let nodes = files
            .iter()
            .map(|files| {
                Node::new(NodeConfig {
                    settings: settings(),
                    tunables: Tunables::default(),
                    nodes: lines.clone(),
                    storage: Box::new(memory::MemoryStorage(files.clone())),
                    delivery: Delivery::AtOnce,
                })
            })
            .collect();
        let now = Now {
            monotonic_us: 1_000_000,
            wall_us: 1_700_000_000_000_000,
        };
        let mut cluster = Self {
            nodes,
            files,
            now,
            inbox: BTreeMap::new(),
            awaited: Vec::new(),
            grant: true,
            scans: 0,
            hold_scans: false,
            hold_updates: false,
            held_updates: Vec::new(),
            repacks: Vec::new(),
            held_scans: Vec::new(),
            mute: None,
            refuse_without_word: std::collections::BTreeSet::new(),
            logged: Vec::new(),
            left: Vec::new(),
            resigned: Vec::new(),
            reqid: 0,
        };
        for index in 0..count {
            cluster.input(index, Input::Start);
        }
        for index in 0..count {
            for peer in (0..count).filter(|&peer| peer != index) {
                cluster.input(index, Input::PeerConnected { peer: pnn(peer) });
            }
        }
        cluster.recover();
        cluster.pass(1_000_000);
        cluster
    }

    /// What a recovery of empty databases amounts to.
    pub(crate) fn recover(&mut self) {
        let client = self.connect(0);
        let all_nodes: Vec<Pnn> = (0..self.nodes.len()).map(pnn).collect();
        let generation = Generation(7 + self.nodes[0].view().generation().0);
        let map = VnnMap {
            generation,
            nodes: all_nodes.clone(),
        };
        for &node in &all_nodes {
            self.must::<ctdb_protocol::control::SetRecmode>(client, node, &RecoveryMode::ACTIVE);
            self.must::<ctdb_protocol::control::SetVnnMap>(client, node, &map);
        }
        for index in 0..self.nodes.len() {
            self.nodes[index].databases.set_generation(generation);
        }
        for &node in &all_nodes {
            self.must::<ctdb_protocol::control::SetRecmode>(client, node, &RecoveryMode::NORMAL);
            self.must::<ctdb_protocol::control::EndRecovery>(client, node, &());
        }
    }

    /// Time passes; everything that is due happens.
    pub(crate) fn pass(&mut self, micros: u64) {
        let end = self.now.monotonic_us + micros;
        loop {
            let next = self
                .nodes
                .iter()
                .filter_map(Node::next_wake_us)
                .min()
                .unwrap_or(u64::MAX);
            if next > end {
                break;
            }
            let step = next.saturating_sub(self.now.monotonic_us);
            self.now.monotonic_us += step;
            self.now.wall_us += step;
            for index in 0..self.nodes.len() {
                self.input(index, Input::Wake);
            }
        }
        self.now.monotonic_us = end;
    }

    /// One input, and everything that follows from it at once.
    pub(crate) fn input(&mut self, index: usize, input: Input) {
        let mut queue = std::collections::VecDeque::from([(index, input)]);
        while let Some((index, input)) = queue.pop_front() {
            let mut effects = Vec::new();
            self.nodes[index].handle(self.now, input, &mut effects);
            for effect in effects {
                self.carry_out(index, effect, &mut queue);
            }
            if self.nodes[index].next_wake_us() == Some(0) {
                queue.push_back((index, Input::Wake));
            }
        }
    }

    fn carry_out(
        &mut self,
        index: usize,
        effect: Effect,
        queue: &mut std::collections::VecDeque<(usize, Input)>,
    ) {
        match effect {
            Effect::ToPeer { .. } if self.mute == Some(index) => {}
            Effect::ToPeer { peer, packet, .. }
                if self.refuse_without_word.contains(&(peer.0 as usize)) =>
            {
                if let Some(packet) = refusal(&packet) {
                    queue.push_back((index, Input::PeerPacket { from: peer, packet }));
                }
            }
            Effect::Log { text, .. } => self.logged.push(text),
            Effect::ToPeer { peer, packet, .. } => {
                queue.push_back((
                    peer.0 as usize,
                    Input::PeerPacket {
                        from: pnn(index),
                        packet,
                    },
                ));
            }
            Effect::ToClient { client, packet, .. } => {
                let decoded = Packet::decode(packet).unwrap();
                self.inbox.entry((index, client)).or_default().push(decoded);
            }
            Effect::OpenTransport { .. } => {
                queue.push_back((
                    index,
                    Input::TransportOpen {
                        result: Ok(pnn(index)),
                    },
                ));
            }
            Effect::RunEvent { ticket, .. } => {
                queue.push_back((index, Input::EventDone { ticket, status: 0 }))
            }
            Effect::AwaitLock { ticket, .. } if self.grant => {
                queue.push_back((index, Input::LockGranted { ticket }));
            }
            Effect::AwaitLock { ticket, .. } => self.awaited.push((index, ticket)),
            Effect::Update {
                ticket,
                path,
                rule,
                buffer,
                ..
            } => {
                let status = self.files[index].update(&path, rule, &buffer);
                let done = Input::UpdateDone { ticket, status };
                if self.hold_updates {
                    self.held_updates.push((index, done));
                } else {
                    queue.push_back((index, done));
                }
            }
            Effect::Scan { ticket, .. } if self.hold_scans => {
                self.held_scans.push((index, ticket));
            }
            Effect::Scan {
                ticket,
                path,
                filter,
                ..
            } => {
                self.scans += 1;
                let records = self.files[index].scan(&path, filter);
                queue.push_back((index, Input::ScanRecords { ticket, records }));
                queue.push_back((
                    index,
                    Input::ScanDone {
                        ticket,
                        complete: true,
                    },
                ));
            }
            Effect::Repack { ticket, limit, .. } => {
                self.repacks.push(limit);
                queue.push_back((index, Input::RepackDone { ticket }));
            }
            Effect::ReadAddresses => {
                queue.push_back((
                    index,
                    Input::SystemAddresses {
                        addresses: Vec::new(),
                        interfaces: vec!["eth0".to_owned()],
                    },
                ));
            }
            Effect::ReadPublicAddresses { ticket } => {
                queue.push_back((
                    index,
                    Input::PublicAddressesRead {
                        ticket,
                        addresses: Ok(Vec::new()),
                    },
                ));
            }
            Effect::ReadNodes { ticket } => {
                queue.push_back((
                    index,
                    Input::NodesRead {
                        ticket,
                        nodes: Err("no file".to_owned()),
                    },
                ));
            }
            Effect::CloseTransport => self.left.push(index),
            Effect::StopClusterWatch => self.resigned.push(index),
            Effect::DropClient { client } => queue.push_back((index, Input::ClientGone { client })),
            _ => {}
        }
    }

    /// A client of a node.
    pub(crate) fn connect(&mut self, index: usize) -> (usize, ClientId) {
        let client = self.nodes[index].next_client_id();
        self.input(
            index,
            Input::ClientConnected {
                client,
                pid: 4000 + i32::try_from(client.0).unwrap(),
            },
        );
        (index, client)
    }

    /// Sends a packet in a client's name and returns its request id.
    pub(crate) fn send(&mut self, client: (usize, ClientId), dest: Pnn, packet: &Packet) -> ReqId {
        self.reqid += 1;
        let reqid = ReqId(self.reqid);
        let header = Header::new(Generation(0), Pnn(0), dest, reqid);
        let packet = packet::encode(&header, packet);
        self.input(
            client.0,
            Input::ClientPacket {
                client: client.1,
                packet,
            },
        );
        reqid
    }

    /// Takes what a client has got.
    pub(crate) fn received(&mut self, client: (usize, ClientId)) -> Vec<(Header, Packet)> {
        self.inbox.remove(&client).unwrap_or_default()
    }

    /// Asks a node, by way of the client's own.
    pub(crate) fn control_raw(
        &mut self,
        client: (usize, ClientId),
        dest: Pnn,
        opcode: u32,
        srvid: Srvid,
        data: Bytes,
    ) -> Option<ReplyControl> {
        let flags = ControlFlags::empty();
        let control = ReqControl {
            opcode,
            pad: Pad::ZERO,
            srvid,
            client_id: ClientId(0),
            flags,
            data,
        };
        let reqid = self.send(client, dest, &Packet::ReqControl(control));
        let mut answer = None;
        self.inbox
            .entry(client)
            .or_default()
            .retain(|(header, packet)| match packet {
                Packet::ReplyControl(reply) if header.reqid == reqid => {
                    answer = Some(reply.clone());
                    false
                }
                _ => true,
            });
        answer
    }

    /// Asks a node, which must say yes.
    pub(crate) fn must<C: Control>(
        &mut self,
        client: (usize, ClientId),
        dest: Pnn,
        request: &C::Request,
    ) -> C::Reply {
        let data = Bytes::from(encode(request));
        let reply = self
            .control_raw(client, dest, C::CODE, Srvid(0), data)
            .expect("an answer");
        assert_eq!(reply.status, 0, "{} to node {dest}: {reply:?}", C::NAME);
        all(&reply.data).expect("a reply of the right type")
    }

    /// The statuses of the controls that were answered to this client since the last look.
    pub(crate) fn statuses(&mut self, client: (usize, ClientId)) -> Vec<i32> {
        let answers = self.received(client).into_iter();
        answers
            .filter_map(|(_, packet)| match packet {
                Packet::ReplyControl(reply) => Some(reply.status),
                _ => None,
            })
            .collect()
    }

    /// Every node may give out read-only copies of this database's records.
    pub(crate) fn track_copies(&mut self, db: DbId) {
        for index in 0..self.nodes.len() {
            let client = self.connect(index);
            self.must::<SetDbReadonly>(client, Pnn::CURRENT, &db);
        }
    }

    /// A client asks node 0 for a read-only copy of a record.
    pub(crate) fn want_copy(&mut self, reader: (usize, ClientId), db: DbId, key: &'static [u8]) {
        let call = ReqCall {
            flags: CallFlags::WANT_READONLY,
            db_id: db,
            callid: CallFunction::FETCH,
            hopcount: 0,
            key: Bytes::from_static(key),
            calldata: Bytes::new(),
        };
        self.send(reader, Pnn(0), &Packet::ReqCall(call));
    }

    /// Attaches a volatile database everywhere.
    pub(crate) fn attach(&mut self, name: &str) -> DbId {
        let client = self.connect(0);
        self.must::<ctdb_protocol::control::DbAttach>(client, Pnn::CURRENT, &Text::from(name))
    }

    /// A client's call for a record.
    pub(crate) fn call(
        &mut self,
        client: (usize, ClientId),
        db_id: DbId,
        key: &[u8],
        callid: CallFunction,
    ) -> ReqId {
        let call = ReqCall {
            flags: CallFlags::IMMEDIATE_MIGRATION,
            db_id,
            callid,
            hopcount: 0,
            key: Bytes::copy_from_slice(key),
            calldata: Bytes::new(),
        };
        self.send(client, Pnn(0), &Packet::ReqCall(call))
    }

    /// A client's message.
    pub(crate) fn message(
        &mut self,
        client: (usize, ClientId),
        dest: Pnn,
        srvid: Srvid,
        data: &'static [u8],
    ) {
        let message = ReqMessage {
            srvid,
            data: Bytes::from_static(data),
        };
        self.send(client, dest, &Packet::ReqMessage(message));
    }
}

pub(crate) fn pnn(index: usize) -> Pnn {
    Pnn(u32::try_from(index).unwrap())
}

/// The answer of a C daemon to a control that it does not know.
fn refusal(packet: &Bytes) -> Option<Bytes> {
    let (header, Packet::ReqControl(_)) = Packet::decode(packet.clone()).ok()? else {
        return None;
    };
    let answer = Packet::ReplyControl(ReplyControl {
        status: -1,
        data: Bytes::new(),
        errormsg: Bytes::new(),
    });
    let back = Header::new(
        header.generation,
        header.destnode,
        header.srcnode,
        header.reqid,
    );
    Some(packet::encode(&back, &answer))
}
