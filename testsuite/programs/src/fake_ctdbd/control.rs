//! Answers to controls.

use bytes::Bytes;
use ctdb_config::level::Level;
use ctdb_config::nodes::Nodes;
use ctdb_protocol::control::Request;
use ctdb_protocol::packet::ReqControl;
use ctdb_protocol::text::{FixedText, Text};
use ctdb_protocol::types::{
    BanState, Capabilities, ControlFlags, DbAndFlags, DbFlags, DbMap, Iface, IfaceList,
    NodeAndFlags, NodeFlagChange, NodeFlags, NodeMap, PublicIp, PublicIpInfo, PublicIpList,
    RecordRef, RecoveryMode, RunState, SockAddr, TraverseStartExt, TunableList, Uptime, VarList,
};
use ctdb_protocol::{DbId, Generation, PORT, Pnn, Srvid, Wire, encode};

use super::cluster::{Cluster, Node, now};
use super::database::Database;
use super::stanza::nowhere;

/// A reply's contents.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: i32,
    pub(super) data: Bytes,
    pub(super) words: String,
}

/// What a control leads to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// An answer, now.
    Answer(Answer),
    /// Records to this port, then the answer, then the port's end mark.
    Records(Srvid, Vec<Bytes>, Bytes),
    /// An answer after a recovery.
    Recovery,
    /// An answer now, and an unbanned node after so many seconds.
    Ban(Pnn, u32),
    /// A question about the client, which the server answers.
    Client(ClientQuestion),
    /// None, ever.
    Silence,
    /// The end, when this client is gone.
    Shutdown,
}

/// What only the server knows.
#[derive(Debug)]
pub(super) enum ClientQuestion {
    /// How many clients are there?
    Count,
    /// Is there a client with this process id?
    Process(i32),
    /// Is there one with this process id and this port?
    Port(i32, Srvid),
    /// It wants what comes to this port.
    Register(Srvid),
    /// It no longer does.
    Deregister(Srvid),
}

/// `EINVAL`.
const INVALID: i32 = 22;
/// `ENOENT`.
const MISSING: i32 = 2;

fn done() -> Outcome {
    Outcome::Answer(Answer::default())
}

fn status(status: i32) -> Outcome {
    Outcome::Answer(Answer {
        status,
        ..Answer::default()
    })
}

fn data(data: &impl Wire) -> Outcome {
    Outcome::Answer(Answer {
        data: encode(data).into(),
        ..Answer::default()
    })
}

fn refuse(status: i32, words: impl Into<String>) -> Outcome {
    Outcome::Answer(Answer {
        status,
        data: Bytes::new(),
        words: words.into(),
    })
}

impl Cluster {
    /// A control to `at`.
    pub(super) fn control(&mut self, at: Pnn, control: &ReqControl) -> Outcome {
        if self.node(at).is_none() {
            return refuse(-1, "Invalid node");
        }
        if let Some(failure) = self.fake_failure(at, control.opcode) {
            return failure;
        }
        match Request::take(control.opcode, &control.data) {
            Ok(request) => self.request(at, control, request),
            Err(_) if control.flags.contains(ControlFlags::NOREPLY) => Outcome::Silence,
            Err(_) => refuse(-1, "Not implemented"),
        }
    }

    fn fake_failure(&self, at: Pnn, opcode: u32) -> Option<Outcome> {
        let failing = self.failing.iter().rev().find(|failing| {
            failing.opcode == opcode && (failing.pnn == at || failing.pnn == Pnn::UNKNOWN)
        })?;
        Some(match &failing.refusal {
            Some(words) => {
                self.log(Level::Error, || {
                    format!("Control {opcode} fake error on node {at}")
                });
                refuse(-1, words.clone())
            }
            None => {
                self.log(Level::Error, || {
                    format!("Control {opcode} fake timeout on node {at}")
                });
                Outcome::Silence
            }
        })
    }

    fn request(&mut self, at: Pnn, control: &ReqControl, request: Request) -> Outcome {
        match request {
            Request::ProcessExists(pid) => Outcome::Client(ClientQuestion::Process(pid)),
            Request::CheckPidSrvid(ask) => {
                Outcome::Client(ClientQuestion::Port(ask.pid, ask.srvid))
            }
            Request::Ping(()) => Outcome::Client(ClientQuestion::Count),
            Request::RegisterSrvid(()) => Outcome::Client(ClientQuestion::Register(control.srvid)),
            Request::DeregisterSrvid(()) => {
                Outcome::Client(ClientQuestion::Deregister(control.srvid))
            }
            Request::GetPid(()) => status(std::process::id().cast_signed()),
            Request::GetPnn(()) => status(at.0.cast_signed()),
            Request::GetDebug(()) => data(&self.debug_level),
            Request::SetDebug(level) => {
                self.debug_level = level;
                done()
            }
            Request::Uptime(()) => data(&Uptime {
                current_time: now(),
                ..self.times
            }),
            Request::Shutdown(()) => Outcome::Shutdown,
            Request::GetRunstate(()) => data(&self.runstate),
            Request::GetReclockFile(()) => match &self.reclock {
                Some(reclock) => data(&Text::new(reclock)),
                None => done(),
            },
            Request::Ipreallocated(()) | Request::StartIpreallocate(()) => done(),
            Request::SetTunable(_)
            | Request::GetTunable(_)
            | Request::ListTunables(())
            | Request::GetAllTunables(()) => self.tunable(request),
            Request::GetVnnMap(()) => data(&self.vnn_map),
            Request::GetRecmode(()) => status(self.recmode.0.cast_signed()),
            Request::SetRecmode(RecoveryMode::NORMAL) => {
                refuse(-1, "Client cannot set recmode to NORMAL")
            }
            Request::SetRecmode(_) => {
                self.recmode = RecoveryMode::ACTIVE;
                Outcome::Recovery
            }
            Request::GetNodeMap(())
            | Request::GetNodesFile(())
            | Request::ReloadNodesFile(())
            | Request::GetCapabilities(())
            | Request::ModifyFlags(_)
            | Request::StopNode(())
            | Request::ContinueNode(())
            | Request::DisableNode(())
            | Request::EnableNode(())
            | Request::SetBanState(_) => self.node_control(at, request),
            Request::GetPublicIps(())
            | Request::ReleaseIp(_)
            | Request::TakeoverIp(_)
            | Request::GetPublicIpInfo(_)
            | Request::GetIfaces(())
            | Request::SetIfaceLinkState(_) => self.address_control(at, control.flags, request),
            request => self.database_control(control, request),
        }
    }

    fn tunable(&mut self, request: Request) -> Outcome {
        match request {
            Request::SetTunable(new) => {
                match self.tunables.set(&new.name.to_str_lossy(), new.value) {
                    Some(row) => status(i32::from(row.obsolete)),
                    None => status(-1),
                }
            }
            Request::GetTunable(name) => match self.tunables.get(&name.to_str_lossy()) {
                Some(value) => data(&value),
                None => status(-1),
            },
            Request::ListTunables(()) => data(&VarList::new(ctdb_config::tunables::names())),
            _ => data(&TunableList(self.tunables.to_list())),
        }
    }

    fn node_control(&mut self, at: Pnn, request: Request) -> Outcome {
        match request {
            Request::GetNodeMap(()) => data(&NodeMap {
                nodes: self.nodes.iter().map(seen).collect(),
            }),
            Request::GetNodesFile(()) => match self.nodes_list(at) {
                Some(nodes) => data(&NodeMap { nodes }),
                None => refuse(-1, "Failed to read nodes file"),
            },
            Request::ReloadNodesFile(()) => match self.nodes_list(at) {
                Some(nodes) => self.take_nodes(&nodes),
                None => refuse(-1, "Memory error"),
            },
            Request::ModifyFlags(change) => self.modify_flags(&change),
            Request::SetBanState(ban) => self.ban(at, &ban),
            request => match self.node_mut(at) {
                Some(node) => own_flags(node, &request),
                None => refuse(-1, "Invalid node"),
            },
        }
    }

    /// The nodes list of a node: its own one or everybody's. None: neither can be read.
    fn nodes_list(&self, at: Pnn) -> Option<Vec<NodeAndFlags>> {
        let base = std::env::var("CTDB_BASE").ok()?;
        let (own, common) = match self.nodes_command {
            true => (
                format!("!{base}/nodes.sh {at}"),
                format!("!{base}/nodes.sh"),
            ),
            false => (format!("{base}/nodes.{at}"), format!("{base}/nodes")),
        };
        let list = match Nodes::read(&own) {
            // An empty list of its own is how a test says that it cannot be read.
            Ok(Nodes(lines)) if lines.is_empty() => {
                self.log(Level::Error, || {
                    format!("Failed to read nodes file \"{own}\"")
                });
                return None;
            }
            Ok(list) => list,
            Err(_) => match Nodes::read(&common) {
                Ok(list) => list,
                Err(_) => {
                    self.log(Level::Error, || {
                        format!("Failed to read nodes file \"{common}\"")
                    });
                    return None;
                }
            },
        };
        let seen = |(pnn, line): (u32, ctdb_config::nodes::NodeLine)| NodeAndFlags {
            pnn: Pnn(pnn),
            flags: if line.deleted {
                NodeFlags::DELETED
            } else {
                NodeFlags::empty()
            },
            addr: SockAddr::from(line.address).with_port(PORT),
        };
        Some((0..).zip(list.0).map(seen).collect())
    }

    /// Makes the nodes those of a list.
    fn take_nodes(&mut self, list: &[NodeAndFlags]) -> Outcome {
        for (index, line) in list.iter().enumerate() {
            match self.nodes.get_mut(index) {
                Some(node) if node.addr == line.addr => {}
                Some(node) if line.flags.contains(NodeFlags::DELETED) => {
                    node.flags |= NodeFlags::DELETED;
                    node.addr = nowhere();
                }
                Some(node) if node.flags.contains(NodeFlags::DELETED) => {
                    node.flags -= NodeFlags::DELETED;
                    node.addr = line.addr;
                }
                _ => self.nodes.push(Node {
                    pnn: line.pnn,
                    addr: line.addr,
                    flags: line.flags & NodeFlags::DELETED,
                    capabilities: Capabilities::DEFAULT,
                    silent: false,
                    quiet: None,
                }),
            }
        }
        done()
    }

    /// Only whether a node is disabled can be changed, whoever is asked.
    fn modify_flags(&mut self, change: &NodeFlagChange) -> Outcome {
        const DISABLED: NodeFlags = NodeFlags::PERMANENTLY_DISABLED;
        if !DISABLED.contains(change.old_flags) || !DISABLED.contains(change.new_flags) {
            return refuse(INVALID, "Failed to MODIFY_FLAGS");
        }
        let Some(node) = self.node_mut(change.pnn) else {
            return refuse(-1, "Invalid node");
        };
        node.flags
            .set(DISABLED, change.new_flags.contains(DISABLED));
        done()
    }

    fn ban(&mut self, at: Pnn, ban: &BanState) -> Outcome {
        if ban.pnn != at {
            return refuse(INVALID, "Failed to ban node");
        }
        let Some(node) = self.node_mut(at) else {
            return refuse(-1, "Invalid node");
        };
        node.flags.set(NodeFlags::BANNED, ban.time_s > 0);
        if ban.time_s == 0 {
            return done();
        }
        self.vnn_map.generation = Generation::INVALID;
        Outcome::Ban(at, ban.time_s)
    }

    fn address_control(&mut self, at: Pnn, flags: ControlFlags, request: Request) -> Outcome {
        match request {
            Request::GetPublicIps(()) => data(&PublicIpList {
                ips: self.addresses(at, flags),
            }),
            Request::ReleaseIp(ip) => self.release(at, &ip),
            Request::TakeoverIp(ip) => {
                if let Some(known) = self.known_ip(at, &ip.addr) {
                    known.pnn = ip.pnn;
                }
                done()
            }
            Request::GetPublicIpInfo(addr) => match self.known_ip(at, &addr).map(|ip| *ip) {
                Some(ip) => data(&PublicIpInfo {
                    ip,
                    active_idx: 0,
                    ifaces: self.iface_list(),
                }),
                None => {
                    self.log(Level::Error, || {
                        format!("GET_PUBLIC_IP_INFO: not known public IP {addr}")
                    });
                    refuse(-1, "Unknown address")
                }
            },
            Request::SetIfaceLinkState(iface) => self.set_link(&iface),
            _ => data(&self.iface_list()),
        }
    }

    fn addresses(&self, at: Pnn, flags: ControlFlags) -> Vec<PublicIp> {
        let unusable = self.node(at).is_none_or(|node| {
            node.flags
                .intersects(NodeFlags::INACTIVE | NodeFlags::DISABLED)
        });
        let idle = self.runstate != RunState::RUNNING || unusable;
        if flags.contains(ControlFlags::ONLY_AVAILABLE) && idle {
            return Vec::new();
        }
        let known = self
            .known_ips
            .as_ref()
            .and_then(|known| known.get(at.0 as usize));
        known.cloned().unwrap_or_default()
    }

    fn known_ip(&mut self, at: Pnn, addr: &SockAddr) -> Option<&mut PublicIp> {
        let known = self.known_ips.as_mut()?.get_mut(at.0 as usize)?;
        known.iter_mut().find(|known| known.addr.same_ip(addr))
    }

    fn release(&mut self, at: Pnn, ip: &PublicIp) -> Outcome {
        let Some(known) = self.known_ip(at, &ip.addr) else {
            return done();
        };
        if known.pnn != at && ip.pnn == at {
            self.log(Level::Error, || {
                format!("error: RELEASE_IP {} - to TAKE_IP node {}", ip.addr, ip.pnn)
            });
            return refuse(-1, "RELEASE_IP to TAKE_IP node");
        }
        known.pnn = ip.pnn;
        done()
    }

    fn iface_list(&self) -> IfaceList {
        let seen = self.interfaces.iter().map(|interface| Iface {
            name: FixedText::new(&interface.name),
            link_state: u16::from(interface.link_up),
            references: interface.references,
        });
        IfaceList {
            ifaces: seen.collect(),
        }
    }

    fn set_link(&mut self, iface: &Iface) -> Outcome {
        if iface.name.0[16] != 0 {
            return refuse(-1, "interface name not terminated");
        }
        if iface.link_state > 1 {
            return refuse(-1, "invalid link state");
        }
        if iface.references != 0 {
            return refuse(-1, "references should be 0");
        }
        let known = self
            .interfaces
            .iter_mut()
            .find(|known| known.name.as_bytes() == iface.name.as_bytes());
        match known {
            Some(known) => {
                known.link_up = iface.link_state == 1;
                done()
            }
            None => refuse(-1, "interface not found"),
        }
    }

    fn database_control(&mut self, control: &ReqControl, request: Request) -> Outcome {
        match request {
            Request::GetDbMap(()) => data(&DbMap {
                dbs: self
                    .databases
                    .iter()
                    .map(|db| DbAndFlags::new(db.id, db.flags))
                    .collect(),
            }),
            Request::DbAttach(name) => self.attach(&name, DbFlags::empty()),
            Request::DbAttachPersistent(name) => self.attach(&name, DbFlags::PERSISTENT),
            Request::DbAttachReplicated(name) => self.attach(&name, DbFlags::REPLICATED),
            Request::GetDbPath(id) => self.of_database(id, |db| {
                data(&Text::new(db.path.as_os_str().as_encoded_bytes()))
            }),
            Request::GetDbName(id) => self.of_database(id, |db| data(&Text::new(&db.name))),
            Request::DbGetHealth(id) => self.of_database(id, |_| done()),
            Request::DbOpenFlags(id) => {
                self.of_database(id, |db| data(&db.open_flags().bits().cast_signed()))
            }
            Request::GetDbSeqnum(ask) => self.of_database(ask.db_id, |db| match db.sequence() {
                Some(sequence) => data(&sequence),
                None => refuse(INVALID, "Failed to get seqnum"),
            }),
            Request::SetDbReadonly(id) => self.set_flag(id, DbFlags::READONLY, "READONLY"),
            Request::SetDbSticky(id) => self.set_flag(id, DbFlags::STICKY, "STICKY"),
            Request::Trans3Commit(records) => match self.database(records.db_id) {
                None => refuse(-1, "Unknown database"),
                Some(db) if !db.is_transactional() => {
                    refuse(-1, "Transactions on volatile database")
                }
                Some(db) => match db.commit(&records) {
                    Some(()) => done(),
                    None => refuse(-1, "Transaction failed"),
                },
            },
            Request::TraverseStartExt(walk) => match self.database(walk.db_id) {
                Some(db) => traverse(db, &walk),
                None => refuse(-1, "Unknown database"),
            },
            _ if control.flags.contains(ControlFlags::NOREPLY) => Outcome::Silence,
            _ => refuse(-1, "Not implemented"),
        }
    }

    /// The database of an id.
    pub(super) fn database(&self, id: DbId) -> Option<&Database> {
        self.databases.iter().find(|db| db.id == id)
    }

    fn of_database(&self, id: DbId, answer: impl FnOnce(&Database) -> Outcome) -> Outcome {
        match self.database(id) {
            Some(db) => answer(db),
            None => refuse(MISSING, "Database not found"),
        }
    }

    fn attach(&mut self, name: &Text, flags: DbFlags) -> Outcome {
        let name = name.to_str_lossy();
        if let Some(db) = self.databases.iter().find(|db| db.name == name) {
            return data(&db.id);
        }
        match Database::attach(&name, self.dbdir.join(&*name), flags) {
            Ok(db) => {
                let id = db.id;
                self.databases.push(db);
                data(&id)
            }
            Err(error) => {
                self.log(Level::Error, || error.to_string());
                refuse(-1, "Failed to attach database")
            }
        }
    }

    fn set_flag(&mut self, id: DbId, flag: DbFlags, name: &str) -> Outcome {
        match self.databases.iter_mut().find(|db| db.id == id) {
            None => refuse(MISSING, "Database not found"),
            Some(db) if db.flags.contains(DbFlags::PERSISTENT) => {
                refuse(INVALID, format!("Can not set {name} on persistent db"))
            }
            Some(db) => {
                db.flags |= flag;
                done()
            }
        }
    }
}

/// A node as the node map shows it.
fn seen(node: &Node) -> NodeAndFlags {
    NodeAndFlags {
        pnn: node.pnn,
        flags: node.flags,
        addr: node.addr,
    }
}

/// Controls about the flags of the node that is asked.
fn own_flags(node: &mut Node, request: &Request) -> Outcome {
    match request {
        Request::GetCapabilities(()) if node.silent => return Outcome::Silence,
        Request::GetCapabilities(()) => return data(&node.capabilities),
        Request::StopNode(()) => node.flags |= NodeFlags::STOPPED,
        Request::ContinueNode(()) => node.flags -= NodeFlags::STOPPED,
        Request::DisableNode(()) => node.flags |= NodeFlags::PERMANENTLY_DISABLED,
        Request::EnableNode(()) => node.flags -= NodeFlags::PERMANENTLY_DISABLED,
        _ => return refuse(-1, "Not implemented"),
    }
    done()
}

/// All records of a database as messages, and the message that ends them.
fn traverse(db: &Database, walk: &TraverseStartExt) -> Outcome {
    let mut records = Vec::new();
    let record = |key: &[u8], data: &[u8]| {
        let mut message = Vec::new();
        RecordRef {
            reqid: walk.reqid,
            key,
            data,
        }
        .put(&mut message);
        Bytes::from(message)
    };
    let shown = db.each(|key, value| {
        if value.len() > ctdb_protocol::types::LtdbHeader::SIZE || walk.with_empty_records {
            records.push(record(key, value));
        }
    });
    match shown {
        Some(()) => Outcome::Records(walk.srvid, records, record(&[], &[])),
        None => refuse(-1, "Database has no file"),
    }
}
