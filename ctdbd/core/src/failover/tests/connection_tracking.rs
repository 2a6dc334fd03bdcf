// SPDX-License-Identifier: GPL-3.0-or-later
//! Connections and who is told of them.

use std::net::SocketAddr;

use ctdb_protocol::control::{
    GetTcpTickleList, ReleaseIp, SetTcpTickleList, Startup, TcpAdd, TcpAddDelayedUpdate, TcpClient,
    TcpClientDisconnected, TcpClientPassed, TcpRemove,
};
use ctdb_protocol::types::{Connection, ControlFlags, PublicIp, SockAddr, TickleList};

use super::host::{Host, PEER, addr};
use crate::input::Input;

fn connection(port: u16, last: u8) -> Connection {
    Connection {
        src: SockAddr::from(SocketAddr::from(([192, 168, 1, 1], port))),
        dst: SockAddr::from(SocketAddr::new(addr(last), 445)),
    }
}

fn ports(host: &mut Host, last: u8) -> Vec<u16> {
    let list = host.ask::<GetTcpTickleList>(&SockAddr::from(addr(last)));
    list.connections
        .iter()
        .map(|connection| connection.src.port())
        .collect()
}

#[test]
fn a_connection_is_told_to_all_nodes_and_forgotten_with_its_client() {
    let mut host = Host::new();
    host.take(1);
    assert_eq!(host.status::<TcpClient>(&connection(1000, 1)), 0);
    assert_eq!(host.controls_sent::<TcpAdd>(), [connection(1000, 1)]);
    assert_eq!(ports(&mut host, 1), [1000], "the own node hears it too");
    let client = host.client;
    host.client = host.connect();
    host.input(Input::ClientGone { client });
    assert_eq!(ports(&mut host, 1), [] as [u16; 0]);
    host.sent.clear();
    host.pass_ms(20_500);
    let lists = host.controls_sent::<SetTcpTickleList>();
    assert_eq!(lists.len(), 1);
    assert!(lists[0].connections.is_empty());
}

/// Clients that end because their address has left do not take the connections along: the node that
/// has the address now is to tickle them.
#[test]
fn r33_a_connection_outlives_a_client_that_lost_its_address() {
    let mut host = Host::new();
    host.take(1);
    host.status::<TcpClient>(&connection(1000, 1));
    assert_eq!(host.release(1, PEER), 0);
    let client = host.client;
    host.client = host.connect();
    host.input(Input::ClientGone { client });
    assert_eq!(ports(&mut host, 1), [1000]);
    // It comes back: the peers of its connections are tickled three times, and the list starts anew.
    assert_eq!(host.take(1), 0);
    host.pass_ms(4_000);
    let src: SocketAddr = "192.168.1.1:1000".parse().unwrap();
    let dst: SocketAddr = "10.0.0.1:445".parse().unwrap();
    assert_eq!(host.tickled, vec![vec![(src, dst)]; 3]);
    assert_eq!(ports(&mut host, 1), [] as [u16; 0]);
}

/// The script that releases an address cuts this node's end of its connections off, and smbd says so.
#[test]
fn r33_a_connection_that_its_address_s_release_cuts_off_stays_known_elsewhere() {
    let mut host = Host::new();
    host.take(1);
    host.status::<TcpClient>(&connection(1000, 1));
    host.status::<TcpClient>(&connection(1001, 1));
    host.slow_scripts = true;
    let release = PublicIp {
        pnn: PEER,
        addr: SockAddr::from(addr(1)),
    };
    let asked = host.send::<ReleaseIp>(&release, ControlFlags::empty());
    host.sent.clear();
    host.status::<TcpClientDisconnected>(&connection(1000, 1));
    let client = host.client;
    host.client = host.connect();
    host.input(Input::ClientGone { client });
    assert_eq!(ports(&mut host, 1), [1000, 1001]);
    host.end_events();
    assert!(host.answer(asked).is_none(), "its client is gone");
    assert_eq!(host.controls_sent::<TcpRemove>(), []);
    host.pass_ms(20_500);
    assert_eq!(host.controls_sent::<SetTcpTickleList>(), []);
    assert_eq!(ports(&mut host, 1), [1000, 1001]);
}

#[test]
fn r34_a_connection_moves_between_processes_or_ends() {
    let mut host = Host::new();
    host.take(1);
    host.status::<TcpClient>(&connection(1000, 1));
    host.status::<TcpClient>(&connection(1001, 1));
    let first = host.client;
    assert_eq!(host.status::<TcpClientPassed>(&connection(1000, 1)), 0);
    assert_eq!(
        host.status::<TcpClientDisconnected>(&connection(1001, 1)),
        0
    );
    assert_eq!(host.controls_sent::<TcpRemove>(), [connection(1001, 1)]);
    assert_eq!(
        host.status::<TcpClientDisconnected>(&connection(1001, 1)),
        0
    );
    assert!(
        host.controls_sent::<TcpRemove>().is_empty(),
        "once is enough"
    );
    host.client = host.connect();
    assert_eq!(host.status::<TcpClient>(&connection(1000, 1)), 0);
    let second = host.client;
    host.client = host.connect();
    host.input(Input::ClientGone { client: first });
    assert_eq!(ports(&mut host, 1), [1000]);
    host.input(Input::ClientGone { client: second });
    assert_eq!(ports(&mut host, 1), [] as [u16; 0]);
}

#[test]
fn connections_to_other_places_are_refused_or_ignored() {
    let mut host = Host::new();
    assert_eq!(
        host.status::<TcpClient>(&connection(1, 1)),
        -1,
        "nobody has it: smbd is to end"
    );
    assert_eq!(
        host.status::<TcpClient>(&connection(1, 99)),
        0,
        "not public"
    );
    assert_eq!(host.status::<TcpAdd>(&connection(1, 99)), -1);
    assert_eq!(host.status::<TcpRemove>(&connection(1, 99)), 0);
    assert_eq!(host.status::<TcpRemove>(&connection(1, 1)), 0);
    assert_eq!(
        host.status::<GetTcpTickleList>(&SockAddr::from(addr(99))),
        1
    );
}

#[test]
fn r38_mapped_addresses_are_the_plain_ones() {
    let mut host = Host::new();
    host.take(1);
    let mapped = Connection {
        src: "[::ffff:192.168.1.1]:1000"
            .parse::<SocketAddr>()
            .unwrap()
            .into(),
        dst: "[::ffff:10.0.0.1]:445"
            .parse::<SocketAddr>()
            .unwrap()
            .into(),
    };
    assert_eq!(host.status::<TcpClient>(&mapped), 0);
    assert_eq!(host.controls_sent::<TcpAdd>(), [connection(1000, 1)]);
    assert_eq!(host.status::<TcpClientDisconnected>(&mapped), 0);
    assert_eq!(host.controls_sent::<TcpRemove>(), [connection(1000, 1)]);
}

#[test]
fn lists_are_spread_by_the_node_that_hosts_and_taken_by_the_others() {
    let mut host = Host::new();
    host.take(1);
    host.pass_ms(25_000);
    host.sent.clear();
    assert_eq!(host.status::<TcpAdd>(&connection(7, 1)), 0);
    host.pass_ms(25_000);
    assert!(
        host.controls_sent::<SetTcpTickleList>().is_empty(),
        "all nodes know by TCP_ADD"
    );
    assert_eq!(host.status::<TcpAddDelayedUpdate>(&connection(8, 1)), 0);
    host.pass_ms(25_000);
    let lists = host.controls_sent::<SetTcpTickleList>();
    assert_eq!(lists.len(), 1);
    assert_eq!(lists[0].connections, [connection(7, 1), connection(8, 1)]);
    host.status::<Startup>(&());
    assert_eq!(
        host.controls_sent::<SetTcpTickleList>().len(),
        1,
        "for a node that has just come"
    );

    let list = |last| TickleList {
        addr: SockAddr::from(addr(last)),
        connections: vec![connection(9, last)],
    };
    assert_eq!(host.status::<SetTcpTickleList>(&list(1)), 0);
    assert_eq!(ports(&mut host, 1), [7, 8], "we know better");
    assert_eq!(host.status::<SetTcpTickleList>(&list(2)), 0);
    assert_eq!(ports(&mut host, 2), [9]);
    assert_eq!(host.status::<SetTcpTickleList>(&list(99)), 1);
    let other_port = SockAddr::from(addr(2)).with_port(139);
    assert!(
        host.ask::<GetTcpTickleList>(&other_port)
            .connections
            .is_empty()
    );
    let port = SockAddr::from(addr(2)).with_port(445);
    assert_eq!(host.ask::<GetTcpTickleList>(&port).connections.len(), 1);
}
