// SPDX-License-Identifier: GPL-3.0-or-later
//! Runs against three nodes that answer as they are told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ctdb_protocol::control::{
    Control, GetAllTunables, GetNodeMap, GetPnn, GetPublicIps, Ipreallocated, Ping, ReleaseIp,
    StartIpreallocate, TakeoverIp,
};
use ctdb_protocol::packet::{Header, Packet, ReplyControl};
use ctdb_protocol::types::{NodeAndFlags, PublicIpList, SockAddr, TunableList};
use ctdb_protocol::{Srvid, encode, packet};
use tokio::sync::mpsc;

use super::*;

/// What a node says to a control; silence is a time-out.
#[derive(Clone, Copy)]
enum Says {
    Status(i32),
    Nothing,
    /// The connection to it breaks while it is asked.
    Leaves,
}

#[derive(Default)]
struct Cluster {
    says: BTreeMap<(u32, u32), Says>,
    heard: Vec<(u32, u32)>,
    banned: Vec<u32>,
    gone: Vec<u32>,
}

const NODES: u32 = 3;

fn addr() -> SockAddr {
    std::net::IpAddr::from([10, 0, 0, 1]).into()
}

fn data_for(opcode: u32, node: u32, flags: ControlFlags, gone: &[u32]) -> Vec<u8> {
    match opcode {
        GetAllTunables::CODE => {
            let mut values = [0; TunableList::COUNT];
            values[9] = 9;
            values[20] = 1;
            values[60] = 2;
            encode(&TunableList(values))
        }
        GetNodeMap::CODE => {
            let node = |pnn| NodeAndFlags {
                pnn: Pnn(pnn),
                flags: if gone.contains(&pnn) {
                    NodeFlags::DISCONNECTED
                } else {
                    NodeFlags::empty()
                },
                addr: SockAddr::UNSPECIFIED,
            };
            encode(&NodeMap {
                nodes: (0..NODES).map(node).collect(),
            })
        }
        // Node 0 hosts the one address, and only node 2 could host it from now on.
        GetPublicIps::CODE => {
            let listed = !flags.contains(ControlFlags::ONLY_AVAILABLE) || node == 2;
            let pnn = Pnn(0);
            let addr = addr();
            encode(&PublicIpList {
                ips: listed
                    .then_some(PublicIp { pnn, addr })
                    .into_iter()
                    .collect(),
            })
        }
        _ => Vec::new(),
    }
}

/// A daemon behind channels, and what it is told and asked.
fn cluster(says: &[(u32, u32, Says)]) -> (Client, Arc<Mutex<Cluster>>) {
    let state = Arc::new(Mutex::new(Cluster::default()));
    state.lock().unwrap().says = says
        .iter()
        .map(|(opcode, node, says)| ((*opcode, *node), *says))
        .collect();
    let (to_daemon, mut from_client) = mpsc::unbounded_channel::<Bytes>();
    let (to_client, from_daemon) = mpsc::unbounded_channel::<Bytes>();
    let shared = Arc::clone(&state);
    tokio::spawn(async move {
        while let Some(bytes) = from_client.recv().await {
            let (header, packet) = Packet::decode(bytes).unwrap();
            let mut state = shared.lock().unwrap();
            match packet {
                Packet::ReqMessage(message) if message.srvid == Srvid::BANNING => {
                    let pnn = u32::from_ne_bytes(message.data[..].try_into().unwrap());
                    state.banned.push(pnn);
                }
                Packet::ReqControl(control) => {
                    let node = if header.destnode == Pnn::CURRENT {
                        0
                    } else {
                        header.destnode.0
                    };
                    state.heard.push((control.opcode, node));
                    let says = state.says.get(&(control.opcode, node)).copied();
                    let status = match says.unwrap_or(Says::Status(0)) {
                        Says::Status(status) => status,
                        Says::Nothing => continue,
                        Says::Leaves => {
                            state.gone.push(node);
                            -1
                        }
                    };
                    let (opcode, flags) = (control.opcode, control.flags);
                    let data = Bytes::from(data_for(opcode, node, flags, &state.gone));
                    let errormsg = Bytes::new();
                    let reply = Packet::ReplyControl(ReplyControl {
                        status,
                        data,
                        errormsg,
                    });
                    let own = Pnn(0);
                    let back = Header::new(header.generation, own, own, header.reqid);
                    let _ = to_client.send(packet::encode(&back, &reply));
                }
                _ => {}
            }
        }
    });
    (Client::over(to_daemon, from_daemon), state)
}

async fn outcome(
    says: &[(u32, u32, Says)],
    orders: &Orders,
) -> (
    Result<(), TakeoverError>,
    Vec<(u32, u32)>,
    Vec<u32>,
    Vec<String>,
) {
    let (client, state) = cluster(says);
    let lines = RefCell::new(Vec::new());
    let log = |level: Level, text: &str| {
        if level <= Level::Warning {
            lines.borrow_mut().push(text.to_owned());
        }
    };
    let around = Surroundings {
        log: &log,
        wants: &|_| true,
        home_nodes: &|| Ok(Vec::new()),
    };
    let result = run(&client, orders, &around).await;
    let state = state.lock().unwrap();
    let asking = [
        GetPnn::CODE,
        GetAllTunables::CODE,
        GetNodeMap::CODE,
        GetPublicIps::CODE,
        Ping::CODE,
    ];
    let heard = state
        .heard
        .iter()
        .copied()
        .filter(|(opcode, _)| !asking.contains(opcode))
        .collect();
    (result, heard, state.banned.clone(), lines.into_inner())
}

#[tokio::test(start_paused = true)]
async fn stages_come_one_after_the_other() {
    let (result, heard, banned, lines) = outcome(&[], &Orders::default()).await;
    assert_eq!(result, Ok(()));
    let stages = [
        (StartIpreallocate::CODE, 0),
        (StartIpreallocate::CODE, 1),
        (StartIpreallocate::CODE, 2),
        (ReleaseIp::CODE, 0),
        (ReleaseIp::CODE, 1),
        (TakeoverIp::CODE, 2),
        (Ipreallocated::CODE, 0),
        (Ipreallocated::CODE, 1),
        (Ipreallocated::CODE, 2),
    ];
    assert_eq!(heard, stages);
    assert!(banned.is_empty() && lines.is_empty());
}

/// A node of version 4.17 refuses a control that it does not know; that is no fault of its.
#[tokio::test(start_paused = true)]
async fn an_old_node_does_not_fail_the_run() {
    let says = [(StartIpreallocate::CODE, 1, Says::Status(-1))];
    let (result, heard, banned, lines) = outcome(&says, &Orders::default()).await;
    assert_eq!(result, Ok(()));
    assert!(heard.contains(&(TakeoverIp::CODE, 2)));
    assert!(banned.is_empty() && lines.is_empty());
    // Any other answer is a failure of its scripts.
    let says = [(StartIpreallocate::CODE, 1, Says::Status(8))];
    let (result, heard, banned, _) = outcome(&says, &Orders::default()).await;
    assert_eq!(result, Err(TakeoverError(8)));
    assert!(!heard.contains(&(ReleaseIp::CODE, 0)));
    assert_eq!(banned, [1]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_before_all_is_released() {
    let says = [
        (ReleaseIp::CODE, 1, Says::Nothing),
        (ReleaseIp::CODE, 0, Says::Status(-1)),
    ];
    let begin = Instant::now();
    let (result, heard, banned, lines) = outcome(&says, &Orders::default()).await;
    assert_eq!(
        begin.elapsed().as_secs(),
        27,
        "three times TakeoverTimeout for all stages"
    );
    assert_eq!(result, Err(TakeoverError(-1)));
    assert!(
        !heard
            .iter()
            .any(|(opcode, _)| [TakeoverIp::CODE, Ipreallocated::CODE].contains(opcode))
    );
    assert_eq!(banned, [0], "the first to fail");
    let expected = [
        "RELEASE_IP 10.0.0.1 failed on node 0, ret=-1",
        "Assigning banning credits to node 0",
    ];
    assert_eq!(lines, expected);
}

/// Who goes down in the middle of a run is no offender, and is not to be banned when it is back.
#[tokio::test(start_paused = true)]
async fn a_node_that_leaves_gets_no_credits() {
    let says = [(ReleaseIp::CODE, 1, Says::Leaves)];
    let (result, _, banned, lines) = outcome(&says, &Orders::default()).await;
    assert_eq!(result, Err(TakeoverError(-1)));
    assert!(banned.is_empty(), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn without_failover_only_the_end_is_told() {
    let orders = Orders {
        failover_disabled: true,
        ..Orders::default()
    };
    let (result, heard, ..) = outcome(&[], &orders).await;
    assert_eq!(result, Ok(()));
    assert_eq!(heard, [0, 1, 2].map(|node| (Ipreallocated::CODE, node)));
}
