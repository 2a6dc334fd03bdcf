// SPDX-License-Identifier: GPL-3.0-or-later
//! Addresses that come and go.

use ctdb_protocol::control::{
    GetIfaces, GetPublicIpInfo, Ipreallocated, ReleaseIp, SetIfaceLinkState, StartIpreallocate,
    StopNode,
};
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::text::FixedText;
use ctdb_protocol::types::{ControlFlags, Iface, NodeFlags, PublicIp, SockAddr};

use super::host::{Host, OWN, PEER, addr};
use crate::cluster::testing::{set_generation, set_recovery_mode, set_run_state};
use ctdb_protocol::types::{RecoveryMode, RunState};

const ALL: ControlFlags = ControlFlags::empty();

fn link(host: &mut Host, name: &str, state: u16) -> i32 {
    let name = FixedText::new(name);
    host.status::<SetIfaceLinkState>(&Iface {
        name,
        link_state: state,
        references: 0,
    })
}

#[test]
fn an_address_is_taken_announced_and_told_of() {
    let mut host = Host::new();
    host.listen(Srvid::TAKE_IP);
    assert_eq!(host.take(1), 0);
    assert_eq!(host.events, ["takeip eth0 10.0.0.1 24"]);
    assert_eq!(host.messages(), ["TAKE_IP 10.0.0.1$"]);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:1");
    assert_eq!(host.announced, ["10.0.0.1 eth0"]);
    host.pass_ms(1_050);
    assert_eq!(host.announced.len(), 1);
    host.pass_ms(5_000);
    assert_eq!(host.announced.len(), 3);
    // Again, since a run takes every address every time.
    assert_eq!(host.take(1), 0);
    assert_eq!(host.events.len(), 1);
    // The next one goes where there is less.
    assert_eq!(host.take(2), 0);
    assert_eq!(host.events[1], "takeip eth1 10.0.0.2 24");
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let mut host = Host::new();
    let take = |host: &mut Host, pnn, last| {
        host.status::<ctdb_protocol::control::TakeoverIp>(&PublicIp {
            pnn,
            addr: SockAddr::from(addr(last)),
        })
    };
    assert_eq!(take(&mut host, PEER, 1), -1, "another node was meant");
    assert_eq!(take(&mut host, OWN, 99), 0, "not ours to care for");
    assert_eq!(link(&mut host, "eth0", 0), 0);
    assert_eq!(link(&mut host, "eth1", 0), 0);
    assert_eq!(take(&mut host, OWN, 1), -1, "no link");
    assert_eq!(link(&mut host, "eth1", 1), 0);
    set_recovery_mode(&mut host.node.cx, RecoveryMode::ACTIVE);
    assert_eq!(take(&mut host, OWN, 1), -1, "no takeip during a recovery");
    assert!(host.events.is_empty());
}

#[test]
fn a_failed_takeip_is_told_and_tried_again() {
    let mut host = Host::new();
    host.statuses.insert("takeip", 8);
    assert_eq!(host.take(1), 8);
    assert_eq!(
        host.places(ALL),
        "3:-1 2:-1 1:1",
        "so that its absence is noticed"
    );
    assert!(host.announced.is_empty());
    host.statuses.clear();
    assert_eq!(host.take(1), 0);
    // Scripts that run out of time count as done.
    host.statuses.insert("takeip", 110);
    assert_eq!(host.take(2), 0);
}

#[test]
fn one_update_of_an_address_at_a_time() {
    let mut host = Host::new();
    host.slow_scripts = true;
    let request = PublicIp {
        pnn: OWN,
        addr: SockAddr::from(addr(1)),
    };
    let reqid = host.send::<ctdb_protocol::control::TakeoverIp>(&request, ALL);
    assert!(host.answer(reqid).is_none());
    assert_eq!(host.take(1), -1);
    host.machine.insert(addr(1));
    assert_eq!(host.release(1, PEER), -1);
    host.end_events();
    assert_eq!(host.answer(reqid).unwrap().status, 0);
}

#[test]
fn an_address_that_another_node_should_have_bans_this_node() {
    let mut host = Host::new();
    assert_eq!(host.release(1, PEER), 0);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:0");
    host.machine.insert(addr(1));
    assert_eq!(host.take(1), -1);
    assert!(host.node.view().own_flags().contains(NodeFlags::BANNED));
}

#[test]
fn a_release_tells_clients_only_if_something_was_there() {
    let mut host = Host::new();
    host.listen(Srvid::RELEASE_IP);
    assert_eq!(host.release(1, PEER), 0);
    assert_eq!(host.release(99, PEER), 0);
    assert!(host.events.is_empty() && host.messages().is_empty());
    host.take(1);
    assert_eq!(host.release(1, PEER), 0);
    assert_eq!(host.events[1], "releaseip eth0 10.0.0.1 24");
    assert_eq!(host.messages(), ["RELEASE_IP 10.0.0.1$"]);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:0");
}

/// While the node stood still another may have announced it.
#[test]
fn an_address_that_stays_is_announced_again_after_a_recovery() {
    let mut host = Host::new();
    host.take(1);
    host.pass_ms(5_000);
    assert_eq!(host.announced.len(), 3);
    assert_eq!(host.take(1), 0);
    host.pass_ms(5_000);
    assert_eq!(host.announced.len(), 3, "nothing has happened");
    set_generation(&mut host.node.cx, Generation(4711));
    assert_eq!(host.take(1), 0);
    assert_eq!(host.take(1), 0);
    host.pass_ms(5_000);
    assert_eq!(host.announced.len(), 6);
    assert_eq!(host.events, ["takeip eth0 10.0.0.1 24"]);
}

#[test]
fn r38_announcements_of_an_address_that_leaves_are_cancelled() {
    let mut host = Host::new();
    host.take(1);
    assert_eq!(host.release(1, PEER), 0);
    host.pass_ms(5_000);
    assert_eq!(host.announced.len(), 1);
}

/// Redundant as far as a node knows itself: it was told who has the address, or scripts took it away.
#[test]
fn r35_a_redundant_release_is_harmless() {
    let mut host = Host::new();
    host.take(1);
    host.machine.remove(&addr(1));
    host.events.clear();
    assert_eq!(host.release(1, PEER), 0);
    assert_eq!(host.release(1, PEER), 0);
    assert!(host.events.is_empty());
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:0");
}

#[test]
fn a_release_that_leaves_the_address_is_a_failure_whatever_the_scripts_say() {
    let mut host = Host::new();
    host.take(1);
    host.idle_scripts.insert("releaseip");
    assert_eq!(host.release(1, PEER), -1);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:1");
    host.idle_scripts.clear();
    // The address is gone although the script failed: released.
    host.statuses.insert("releaseip", 8);
    host.machine.remove(&addr(1));
    assert_eq!(host.release(1, Pnn::UNKNOWN), 0);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:-1");
}

#[test]
fn an_address_follows_the_link() {
    let mut host = Host::new();
    host.take(1);
    assert_eq!(link(&mut host, "eth0", 0), 0);
    assert_eq!(host.take(1), 0);
    assert_eq!(host.events[1], "updateip eth0 eth1 10.0.0.1 24");
    let info = host.ask::<GetPublicIpInfo>(&SockAddr::from(addr(1)));
    assert_eq!(info.active_idx, 1);
    assert_eq!(info.ifaces.ifaces[1].references, 1);
    // Back again, which fails: it stays where it was, and nobody counts as its node.
    link(&mut host, "eth0", 1);
    link(&mut host, "eth1", 0);
    host.statuses.insert("updateip", 8);
    assert_eq!(host.take(1), 8);
    let info = host.ask::<GetPublicIpInfo>(&SockAddr::from(addr(1)));
    assert_eq!((info.active_idx, info.ip.pnn), (1, Pnn::UNKNOWN));
}

#[test]
fn an_address_that_nobody_put_there_is_taken_by_updateip() {
    let mut host = Host::new();
    host.machine.insert(addr(1));
    assert_eq!(host.take(1), 0);
    assert_eq!(host.events, ["updateip __none__ eth0 10.0.0.1 24"]);
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:1");
}

#[test]
fn r35_an_update_of_an_address_that_has_vanished_becomes_a_takeip() {
    let mut host = Host::new();
    host.take(1);
    host.machine.clear();
    link(&mut host, "eth0", 0);
    assert_eq!(host.take(1), 0);
    assert_eq!(host.events[1], "takeip eth1 10.0.0.1 24");
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:1");
}

#[test]
fn r37_only_a_healthy_running_node_has_addresses_available() {
    let mut host = Host::new();
    let available = ControlFlags::ONLY_AVAILABLE;
    assert_eq!(host.places(available), "3:-1 2:-1 1:-1");
    for flag in [
        NodeFlags::UNHEALTHY,
        NodeFlags::PERMANENTLY_DISABLED,
        NodeFlags::BANNED,
        NodeFlags::STOPPED,
    ] {
        host.set_flags(flag);
        assert_eq!(host.places(available), "", "{flag:?}");
        assert_eq!(host.places(ALL), "3:-1 2:-1 1:-1");
    }
    host.set_flags(NodeFlags::empty());
    for state in [RunState::STARTUP, RunState::SHUTDOWN] {
        set_run_state(&mut host.node.cx, state);
        assert_eq!(host.places(available), "", "{state:?}");
    }
    set_run_state(&mut host.node.cx, RunState::RUNNING);
    link(&mut host, "eth0", 0);
    assert_eq!(host.places(available), "3:-1 2:-1 1:-1");
    link(&mut host, "eth1", 0);
    assert_eq!(host.places(available), "");
}

#[test]
fn a_stopped_node_lets_go_of_everything_at_once() {
    let mut host = Host::new();
    host.take(1);
    host.take(2);
    host.events.clear();
    host.listen(Srvid::RELEASE_IP);
    assert_eq!(host.status::<StopNode>(&()), 0);
    assert_eq!(
        host.events,
        ["releaseip eth1 10.0.0.2 24", "releaseip eth0 10.0.0.1 24"]
    );
    assert_eq!(
        host.messages(),
        ["RELEASE_IP 10.0.0.2$", "RELEASE_IP 10.0.0.1$"]
    );
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:-1");
    assert!(host.machine.is_empty());
}

/// The takeover run that follows comes while the node is still letting go.
#[test]
fn a_release_of_an_address_that_is_being_dropped_waits_for_that() {
    for (stays, status, place) in [(false, 0, "1:0"), (true, -1, "1:1")] {
        let mut host = Host::new();
        host.take(1);
        if stays {
            host.idle_scripts.insert("releaseip");
        }
        host.slow_scripts = true;
        host.status::<StopNode>(&());
        let release = PublicIp {
            pnn: PEER,
            addr: SockAddr::from(addr(1)),
        };
        let asked = host.send::<ReleaseIp>(&release, ControlFlags::empty());
        assert!(host.answer(asked).is_none());
        host.end_events();
        assert_eq!(host.answer(asked).unwrap().status, status);
        assert_eq!(host.places(ALL), format!("3:-1 2:-1 {place}"));
        assert_eq!(host.events[1..], ["releaseip eth0 10.0.0.1 24"]);
    }
}

#[test]
fn dropping_goes_on_behind_an_address_that_does_not_leave() {
    let mut host = Host::new();
    host.take(1);
    host.take(2);
    host.idle_scripts.insert("releaseip");
    host.status::<StopNode>(&());
    assert_eq!(host.places(ALL), "3:-1 2:1 1:1");
    host.idle_scripts.clear();
    host.events.clear();
    // A recovery that does not end has the same effect.
    host.node
        .cx
        .arm_at(0, crate::cluster::Due::DropAllAddresses);
    host.pass_ms(1);
    assert_eq!(
        host.events,
        ["releaseip eth1 10.0.0.2 24", "releaseip eth0 10.0.0.1 24"]
    );
    assert_eq!(host.places(ALL), "3:-1 2:-1 1:-1");
}

#[test]
fn events_around_a_run_are_told_even_if_they_fail() {
    let mut host = Host::new();
    host.listen(Srvid::START_IPREALLOCATE);
    host.listen(Srvid::IPREALLOCATED);
    host.statuses.insert("ipreallocated", 8);
    assert_eq!(host.status::<StartIpreallocate>(&()), 0);
    set_recovery_mode(&mut host.node.cx, RecoveryMode::ACTIVE);
    assert_eq!(host.status::<Ipreallocated>(&()), 8);
    assert_eq!(host.messages(), ["START_IPREALLOCATE", "IPREALLOCATED"]);
    set_run_state(&mut host.node.cx, RunState::STARTUP);
    assert_eq!(host.status::<StartIpreallocate>(&()), 0);
    assert_eq!(host.events, ["startipreallocate", "ipreallocated"]);
    assert!(host.messages().is_empty());
}

#[test]
fn link_states_are_checked() {
    let mut host = Host::new();
    assert_eq!(link(&mut host, "eth9", 1), -1);
    assert_eq!(link(&mut host, "eth0", 2), -1);
    let referenced = Iface {
        name: FixedText::new("eth0"),
        link_state: 0,
        references: 1,
    };
    assert_eq!(host.status::<SetIfaceLinkState>(&referenced), -1);
    let unterminated = Iface {
        name: FixedText([b'x'; 18]),
        link_state: 0,
        references: 0,
    };
    assert_eq!(host.status::<SetIfaceLinkState>(&unterminated), -1);
    assert_eq!(link(&mut host, "eth0", 0), 0);
    let list = host.ask::<GetIfaces>(&()).ifaces;
    let states: Vec<_> = list
        .iter()
        .map(|iface| (iface.name.to_string(), iface.link_state))
        .collect();
    assert_eq!(states, [("eth1".to_owned(), 1), ("eth0".to_owned(), 0)]);
}
