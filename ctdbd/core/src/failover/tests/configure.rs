// SPDX-License-Identifier: GPL-3.0-or-later
//! Addresses that are added, removed and read again.

use ctdb_protocol::control::{
    AddPublicIp, DelPublicIp, GetIfaces, ReloadPublicIps, SendGratuitousArp,
};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::packet::Packet;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::CountedText;
use ctdb_protocol::types::{AddrInfo, ControlFlags, SockAddr};

use super::host::{Host, OWN, PEER, addr, line};

const ALL: ControlFlags = ControlFlags::empty();

fn info(last: u8, interfaces: &str) -> AddrInfo {
    let iface = CountedText::new(interfaces);
    AddrInfo {
        addr: SockAddr::from(addr(last)),
        mask: 24,
        iface,
    }
}

fn interfaces(host: &mut Host) -> Vec<String> {
    let list = host.ask::<GetIfaces>(&()).ifaces;
    list.iter().map(|iface| iface.name.to_string()).collect()
}

#[test]
fn addresses_are_added_where_the_machine_has_the_interface() {
    let mut host = Host::new();
    assert_eq!(host.status::<AddPublicIp>(&info(4, "lo,eth1")), 0);
    assert_eq!(host.places(ALL), "4:-1 3:-1 2:-1 1:-1");
    assert_eq!(interfaces(&mut host), ["lo", "eth1", "eth0"]);
    assert_eq!(host.status::<AddPublicIp>(&info(4, "lo")), -1, "twice");
    assert_eq!(
        host.status::<AddPublicIp>(&info(5, "eth0,eth7")),
        -1,
        "no such interface"
    );
    assert_eq!(host.take(4), 0);
    assert_eq!(host.events, ["takeip lo 10.0.0.4 24"]);
}

#[test]
fn an_address_goes_at_once_or_with_its_release() {
    let mut host = Host::new();
    let gone = |last| AddrInfo {
        mask: 0,
        iface: CountedText::none(),
        ..info(last, "")
    };
    host.status::<AddPublicIp>(&info(4, "lo"));
    assert_eq!(host.status::<DelPublicIp>(&gone(4)), 0);
    assert_eq!(interfaces(&mut host), ["eth1", "eth0"]);
    assert_eq!(host.status::<DelPublicIp>(&gone(4)), -1);
    host.take(1);
    assert_eq!(host.status::<DelPublicIp>(&gone(1)), 0);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:1");
    assert_eq!(host.places(ControlFlags::ONLY_AVAILABLE), "3:-1 2:-1");
    assert_eq!(host.release(1, Pnn::UNKNOWN), 0);
    assert_eq!(host.places(ALL), "3:-1 2:-1");
}

#[test]
fn the_file_is_read_again() {
    let mut host = Host::new();
    host.take(1);
    host.sent.clear();
    host.file = Ok(vec![line(3, &["eth1"]), line(4, &["eth0"])]);
    assert_eq!(host.status::<ReloadPublicIps>(&()), 0);
    assert_eq!(host.places(ALL), "4:-1 3:-1 1:1", "1 waits for its release");
    let asked = host.sent.iter().any(|packet| {
        matches!(packet, Packet::ReqMessage(message)
            if message.srvid == Srvid::REBALANCE_NODE && message.data[..] == OWN.0.to_ne_bytes())
    });
    assert!(asked, "the leader is asked to give this node its part");
    assert_eq!(host.release(1, PEER), 0);
    assert_eq!(host.places(ALL), "4:-1 3:-1");
}

#[test]
fn an_address_that_is_back_in_the_file_outlives_its_release() {
    let mut host = Host::new();
    host.take(1);
    host.file = Ok(vec![line(2, &["eth0"]), line(3, &["eth1"])]);
    assert_eq!(host.status::<ReloadPublicIps>(&()), 0);
    host.file = Ok(vec![line(1, &["eth0"]), line(2, &["eth0"])]);
    assert_eq!(host.status::<ReloadPublicIps>(&()), 0);
    assert_eq!(host.release(1, PEER), 0);
    assert_eq!(host.places(ALL), "2:-1 1:0");
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let mut host = Host::new();
    let bad: [Result<Vec<_>, String>; 3] = [
        Err("Badly formed line 1 in public address list".to_owned()),
        Ok(vec![line(7, &["eth9"])]),
        Ok(vec![line(7, &["eth0"]), line(7, &["eth1"])]),
    ];
    for file in bad {
        host.file = file;
        assert_eq!(host.status::<ReloadPublicIps>(&()), 1);
        assert_eq!(host.places(ALL), "3:-1 2:-1 1:-1");
    }
}

#[test]
fn any_address_is_announced_when_asked() {
    let mut host = Host::new();
    assert_eq!(host.status::<SendGratuitousArp>(&info(200, "eth1")), 0);
    host.pass_ms(10_000);
    assert_eq!(host.announced, ["10.0.0.200 eth1"; 3]);
}
