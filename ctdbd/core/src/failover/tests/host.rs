// SPDX-License-Identifier: GPL-3.0-or-later
//! The machine under the node.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use ctdb_config::nodes::NodeLine;
use ctdb_config::public_addresses::PublicAddressLine;
use ctdb_config::tunables::Tunables;
use ctdb_protocol::control::{Control, GetPublicIps, ReleaseIp, TakeoverIp};
use ctdb_protocol::id::{ClientId, Generation, Pnn, ReqId};
use ctdb_protocol::packet::{self, Header, Packet, ReplyControl, ReqControl};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{ControlFlags, NodeFlags, PublicIp, SockAddr};
use ctdb_protocol::wire::{Pad, all, encode};

use crate::cluster::testing::{set_flags, set_generation, set_recovery_mode, set_run_state};
use crate::effect::{Effect, Ticket};
use crate::input::Input;
use crate::letter::Delivery;
use crate::node::{Node, NodeConfig};
use crate::testing::{memory, settings};
use crate::time::Now;
use ctdb_protocol::types::{RecoveryMode, RunState};

/// Number of the node under test.
pub(super) const OWN: Pnn = Pnn(1);
/// Number of a connected peer.
pub(super) const PEER: Pnn = Pnn(0);

/// A node with three public addresses on two interfaces, on a machine that has these interfaces.
pub(super) struct Host {
    pub(super) node: Node,
    now: Now,
    pub(super) machine: BTreeSet<IpAddr>,
    pub(super) file: Result<Vec<PublicAddressLine>, String>,
    /// Events with their arguments, in order.
    pub(super) events: Vec<String>,
    /// What scripts return, where it is not 0.
    pub(super) statuses: BTreeMap<&'static str, i32>,
    /// Scripts that do not do their work.
    pub(super) idle_scripts: BTreeSet<&'static str>,
    /// Events are not ended by themselves.
    pub(super) slow_scripts: bool,
    running: Vec<(Ticket, &'static str, Vec<String>)>,
    /// `ADDRESS INTERFACE`.
    pub(super) announced: Vec<String>,
    pub(super) tickled: Vec<Vec<(SocketAddr, SocketAddr)>>,
    /// What went to the peer.
    pub(super) sent: Vec<Packet>,
    inbox: BTreeMap<ClientId, Vec<(Header, Packet)>>,
    last_reqid: u32,
    pub(super) client: ClientId,
}

pub(super) fn addr(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

pub(super) fn line(last: u8, interfaces: &[&str]) -> PublicAddressLine {
    PublicAddressLine {
        address: addr(last),
        prefix_bits: 24,
        interfaces: interfaces.iter().map(|&name| name.to_owned()).collect(),
    }
}

impl Host {
    pub(super) fn new() -> Self {
        let lines = [1, 2].map(|n| NodeLine {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, n)),
            deleted: false,
        });
        let mut settings = settings();
        settings.test_mode = false;
        let node = Node::new(NodeConfig {
            settings,
            tunables: Tunables::default(),
            nodes: lines.to_vec(),
            storage: Box::new(memory::MemoryStorage(memory::Files::default())),
            delivery: Delivery::AtOnce,
        });
        let mut host = Self {
            node,
            now: Now {
                monotonic_us: 1_000_000,
                wall_us: 1_700_000_000_000_000,
            },
            machine: BTreeSet::new(),
            file: Ok((1..=3).map(|last| line(last, &["eth0", "eth1"])).collect()),
            events: Vec::new(),
            statuses: BTreeMap::new(),
            idle_scripts: BTreeSet::new(),
            slow_scripts: false,
            running: Vec::new(),
            announced: Vec::new(),
            tickled: Vec::new(),
            sent: Vec::new(),
            inbox: BTreeMap::new(),
            last_reqid: 0,
            client: ClientId(0),
        };
        host.input(Input::Start);
        host.input(Input::PeerConnected { peer: PEER });
        host.client = host.connect();
        host.make_healthy();
        host.events.clear();
        host.sent.clear();
        host
    }

    /// As after the first recovery and monitor event.
    fn make_healthy(&mut self) {
        let cx = &mut self.node.cx;
        set_run_state(cx, RunState::RUNNING);
        set_recovery_mode(cx, RecoveryMode::NORMAL);
        set_generation(cx, Generation(7));
        self.set_flags(NodeFlags::empty());
    }

    pub(super) fn set_flags(&mut self, flags: NodeFlags) {
        set_flags(&mut self.node.cx, OWN, flags);
    }

    pub(super) fn connect(&mut self) -> ClientId {
        let client = self.node.next_client_id();
        self.input(Input::ClientConnected { client, pid: 4000 });
        client
    }

    pub(super) fn pass_ms(&mut self, ms: u64) {
        let end = self.now.monotonic_us + ms * 1000;
        while let Some(next) = self.node.next_wake_us().filter(|next| *next <= end) {
            self.now.monotonic_us = self.now.monotonic_us.max(next);
            self.input(Input::Wake);
        }
        self.now.monotonic_us = end;
    }

    pub(super) fn input(&mut self, input: Input) {
        let mut queue = VecDeque::from([input]);
        while let Some(input) = queue.pop_front() {
            let mut effects = Vec::new();
            self.node.handle(self.now, input, &mut effects);
            for effect in effects {
                queue.extend(self.carry_out(effect));
            }
            if self.node.next_wake_us() == Some(0) {
                queue.push_back(Input::Wake);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::OpenTransport { .. } => return Some(Input::TransportOpen { result: Ok(OWN) }),
            Effect::ToPeer { packet, .. } => self.sent.push(Packet::decode(packet).unwrap().1),
            Effect::ToClient { client, packet, .. } => {
                self.inbox
                    .entry(client)
                    .or_default()
                    .push(Packet::decode(packet).unwrap());
            }
            Effect::RunEvent {
                ticket,
                event,
                args,
                ..
            } => {
                self.events
                    .push(format!("{event} {}", args.join(" ")).trim_end().to_owned());
                if self.slow_scripts {
                    self.running.push((ticket, event, args));
                } else {
                    return Some(self.end_event(ticket, event, &args));
                }
            }
            Effect::ReadAddresses => {
                let addresses = self
                    .machine
                    .iter()
                    .map(|addr| (*addr, "eth0".to_owned()))
                    .collect();
                let interfaces = ["lo", "eth0", "eth1"].map(str::to_owned).to_vec();
                return Some(Input::SystemAddresses {
                    addresses,
                    interfaces,
                });
            }
            Effect::ReadPublicAddresses { ticket } => {
                return Some(Input::PublicAddressesRead {
                    ticket,
                    addresses: self.file.clone(),
                });
            }
            Effect::AnnounceAddress { address, interface } => {
                self.announced.push(format!("{address} {interface}"));
            }
            Effect::Tickle { connections } => self.tickled.push(connections),
            _ => {}
        }
        None
    }

    fn end_event(&mut self, ticket: Ticket, event: &'static str, args: &[String]) -> Input {
        let status = self.statuses.get(event).copied().unwrap_or(0);
        if status == 0 && !self.idle_scripts.contains(event) {
            match event {
                "takeip" => self.machine.insert(args[1].parse().unwrap()),
                "releaseip" => self.machine.remove(&args[1].parse().unwrap()),
                _ => true,
            };
        }
        Input::EventDone { ticket, status }
    }

    /// Ends the events that run.
    pub(super) fn end_events(&mut self) {
        for (ticket, event, args) in std::mem::take(&mut self.running) {
            let done = self.end_event(ticket, event, &args);
            self.input(done);
        }
    }

    /// Sends a control as the client and returns its request id.
    pub(super) fn send<C: Control>(&mut self, request: &C::Request, flags: ControlFlags) -> ReqId {
        self.last_reqid += 1;
        let reqid = ReqId(self.last_reqid);
        let control = ReqControl {
            opcode: C::CODE,
            pad: Pad::ZERO,
            srvid: Srvid(0),
            client_id: ClientId(0),
            flags,
            data: Bytes::from(encode(request)),
        };
        let header = Header::new(Generation(0), Pnn(0), Pnn::CURRENT, reqid);
        let packet = packet::encode(&header, &Packet::ReqControl(control));
        self.input(Input::ClientPacket {
            client: self.client,
            packet,
        });
        reqid
    }

    /// The answer to a control, if there is one by now.
    pub(super) fn answer(&mut self, reqid: ReqId) -> Option<ReplyControl> {
        let inbox = self.inbox.entry(self.client).or_default();
        let at = inbox.iter().position(|(header, packet)| {
            header.reqid == reqid && matches!(packet, Packet::ReplyControl(_))
        })?;
        match inbox.remove(at).1 {
            Packet::ReplyControl(reply) => Some(reply),
            _ => None,
        }
    }

    /// The status of a control that is answered at once.
    pub(super) fn status<C: Control>(&mut self, request: &C::Request) -> i32 {
        let reqid = self.send::<C>(request, ControlFlags::empty());
        self.answer(reqid).expect("an answer").status
    }

    /// The answer of a control that succeeds at once.
    pub(super) fn ask<C: Control>(&mut self, request: &C::Request) -> C::Reply {
        let reqid = self.send::<C>(request, ControlFlags::empty());
        let reply = self.answer(reqid).expect("an answer");
        assert_eq!(reply.status, 0, "{}", C::NAME);
        all(&reply.data).unwrap()
    }

    pub(super) fn take(&mut self, last: u8) -> i32 {
        self.status::<TakeoverIp>(&PublicIp {
            pnn: OWN,
            addr: SockAddr::from(addr(last)),
        })
    }

    pub(super) fn release(&mut self, last: u8, target: Pnn) -> i32 {
        self.status::<ReleaseIp>(&PublicIp {
            pnn: target,
            addr: SockAddr::from(addr(last)),
        })
    }

    /// The node of each address in GET_PUBLIC_IPS, as `LAST:PNN`.
    pub(super) fn places(&mut self, flags: ControlFlags) -> String {
        let reqid = self.send::<GetPublicIps>(&(), flags);
        let reply = self.answer(reqid).expect("an answer");
        let list: ctdb_protocol::types::PublicIpList = all(&reply.data).unwrap();
        let place = |ip: &PublicIp| {
            let text = ip.addr.to_string();
            let last = text.rsplit('.').next().unwrap_or_default().to_owned();
            format!("{last}:{}", ip.pnn.0.cast_signed())
        };
        list.ips.iter().map(place).collect::<Vec<_>>().join(" ")
    }

    /// Messages that the client has got since the last time, as `NAME PAYLOAD`.
    pub(super) fn messages(&mut self) -> Vec<String> {
        let inbox = self.inbox.entry(self.client).or_default();
        let mut texts = Vec::new();
        inbox.retain(|(_, packet)| {
            let Packet::ReqMessage(message) = packet else {
                return true;
            };
            let named = Srvid::NAMED
                .iter()
                .find(|(srvid, _)| *srvid == message.srvid);
            let name = named.map_or("?", |(_, name)| name);
            let payload = String::from_utf8_lossy(&message.data).replace('\0', "$");
            texts.push(format!("{name} {payload}").trim_end().to_owned());
            false
        });
        texts
    }

    pub(super) fn listen(&mut self, srvid: Srvid) {
        let client = self.client;
        assert!(self.node.proxy.register(client, srvid));
    }

    /// Controls with this opcode that went to the peer since the last time.
    pub(super) fn controls_sent<C: Control>(&mut self) -> Vec<C::Request> {
        let mut found = Vec::new();
        self.sent.retain(|packet| match packet {
            Packet::ReqControl(control) if control.opcode == C::CODE => {
                found.push(all::<C::Request>(&control.data).unwrap());
                false
            }
            _ => true,
        });
        found
    }
}
