//! Short stories about leadership, written as what each node hears.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

fn ms(milliseconds: u64) -> Instant {
    Duration::from_millis(milliseconds)
}

fn status(connected: &[u32], total: usize) -> Status {
    Status {
        flags: NodeFlags::empty(),
        capable: true,
        connected: connected.iter().map(|pnn| Pnn(*pnn)).collect(),
        total,
        election_timeout: Duration::from_secs(3),
        wall: (99, 0),
    }
}

fn node(own: u32, cluster_lock: bool) -> Election {
    let settings = Settings {
        own: Pnn(own),
        cluster_lock,
        leader_timeout: TIMEOUT,
        fast_start: false,
        priority: (i64::from(own), 0),
    };
    let mut leader = Election::new(settings, ms(0));
    tell(&mut leader, 0, Input::Status(status(&[0, 1, 2], 3)));
    leader
}

fn tell(leader: &mut Election, at_ms: u64, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    leader.handle(ms(at_ms), input, &mut effects);
    effects.retain(|effect| !matches!(effect, Effect::Log(_)));
    effects
}

fn hear(leader: &mut Election, at_ms: u64, from: u32) -> Vec<Effect> {
    tell(leader, at_ms, Input::Leader(Pnn(from)))
}

fn changed(from: Pnn, to: Pnn) -> Effect {
    Effect::Changed { from, to }
}

/// A node that took the lock at one second.
fn holder(own: u32) -> Election {
    let mut leader = node(own, true);
    tell(&mut leader, 1_000, Input::ColdStart);
    tell(&mut leader, 1_000, Input::Lock(LockAnswer::Held));
    assert!(leader.leads() && leader.holds_lock());
    leader
}

#[test]
fn silence_leads_to_recovery_mode_then_to_a_race() {
    let mut leader = node(1, true);
    assert_eq!(tell(&mut leader, 4_999, Input::Timer), []);
    assert_eq!(tell(&mut leader, 5_000, Input::Timer), [Effect::Prepare]);
    let race = [Effect::Broadcast(Pnn::UNKNOWN), Effect::TryLock];
    assert_eq!(tell(&mut leader, 5_010, Input::Prepared { ok: true }), race);
    assert!(leader.electing());
    let won = [Effect::Broadcast(Pnn(1)), changed(Pnn::UNKNOWN, Pnn(1))];
    assert_eq!(tell(&mut leader, 5_020, Input::Lock(LockAnswer::Held)), won);
    assert_eq!(
        tell(&mut leader, 6_020, Input::Timer),
        [Effect::Broadcast(Pnn(1))]
    );
}

#[test]
fn r16_a_second_timeout_during_an_attempt_starts_nothing() {
    // R16
    let mut leader = node(1, true);
    tell(&mut leader, 5_000, Input::Timer);
    tell(&mut leader, 5_000, Input::Prepared { ok: true });
    assert_eq!(tell(&mut leader, 60_000, Input::Timer), []);
    assert!(!leader.holds_lock());
}

#[test]
fn a_stopped_node_notices_that_it_missed_its_leader() {
    // R14, cluster.030: the messages of the leader are in the queue, but the time is over.
    let mut leader = node(1, true);
    hear(&mut leader, 1_000, 0);
    assert_eq!(leader.leader(), Pnn(0));
    let effects = hear(&mut leader, 11_000, 0);
    assert!(effects.contains(&Effect::Prepare), "{effects:?}");
}

#[test]
fn losers_adopt_the_winner_and_are_quiet() {
    let mut leader = node(2, true);
    tell(&mut leader, 1_000, Input::ColdStart);
    assert_eq!(
        tell(&mut leader, 1_001, Input::Lock(LockAnswer::Contended)),
        []
    );
    assert_eq!(hear(&mut leader, 1_050, 0), [changed(Pnn::UNKNOWN, Pnn(0))]);
    for second in 2..60 {
        hear(&mut leader, second * 1_000, 0);
        assert_eq!(tell(&mut leader, second * 1_000 + 500, Input::Timer), []);
    }
}

#[test]
fn losers_try_again_quietly_while_nobody_leads() {
    let mut leader = node(2, true);
    tell(&mut leader, 1_000, Input::ColdStart);
    tell(&mut leader, 1_000, Input::Lock(LockAnswer::Contended));
    assert_eq!(tell(&mut leader, 1_150, Input::Timer), [Effect::TryLock]);
    tell(&mut leader, 1_151, Input::Lock(LockAnswer::Contended));
    assert_eq!(tell(&mut leader, 1_300, Input::Timer), []);
    assert_eq!(tell(&mut leader, 1_450, Input::Timer), [Effect::TryLock]);
}

#[test]
fn r15_the_holder_of_the_lock_reasserts_itself() {
    // R15: a late broadcast of the holder before.
    let mut leader = holder(1);
    assert_eq!(hear(&mut leader, 1_500, 0), []);
    assert!(leader.leads());
    let unknown = Input::Leader(Pnn::UNKNOWN);
    assert_eq!(
        tell(&mut leader, 1_600, unknown),
        [Effect::Broadcast(Pnn(1))]
    );
}

#[test]
fn a_broken_connection_to_the_leader_elects_at_once_without_recovery_mode() {
    let mut leader = node(1, true);
    hear(&mut leader, 1_000, 0);
    let effects = tell(&mut leader, 1_700, Input::Status(status(&[1, 2], 3)));
    let expected = [
        Effect::Broadcast(Pnn::UNKNOWN),
        Effect::TryLock,
        changed(Pnn(0), Pnn::UNKNOWN),
    ];
    assert_eq!(effects, expected);
}

#[test]
fn recovery_mode_does_not_wait_for_an_attempt_that_hangs() {
    // Seed 5060428: cut off from the leader, and the lock is on a filesystem that hangs.
    let mut leader = node(1, true);
    hear(&mut leader, 1_000, 0);
    let effects = tell(&mut leader, 2_000, Input::Status(status(&[1, 2], 3)));
    assert!(effects.contains(&Effect::TryLock), "{effects:?}");
    assert!(!effects.contains(&Effect::Prepare), "{effects:?}");
    assert_eq!(tell(&mut leader, 6_999, Input::Timer), []);
    assert_eq!(tell(&mut leader, 7_000, Input::Timer), [Effect::Prepare]);
    assert_eq!(tell(&mut leader, 7_010, Input::Prepared { ok: true }), []);
    assert_eq!(tell(&mut leader, 110_000, Input::Timer), []);
}

#[test]
fn a_leader_that_may_lead_no_longer_says_so() {
    let mut leader = holder(1);
    let stopped = Status {
        flags: NodeFlags::STOPPED,
        ..status(&[0, 1, 2], 3)
    };
    let effects = tell(&mut leader, 2_000, Input::Status(stopped));
    let expected = [
        Effect::Broadcast(Pnn(1)),
        Effect::ReleaseLock,
        Effect::Broadcast(Pnn::UNKNOWN),
        changed(Pnn(1), Pnn::UNKNOWN),
    ];
    assert_eq!(effects, expected);
    let race = [Effect::TryLock];
    let mut other = node(2, true);
    hear(&mut other, 1_000, 1);
    let unknown = Input::Leader(Pnn::UNKNOWN);
    assert_eq!(tell(&mut other, 2_000, unknown)[..1], race);
}

#[test]
fn a_leader_that_sees_half_of_the_nodes_lets_others_try_the_lock() {
    let mut leader = holder(0);
    let effects = tell(&mut leader, 1_500, Input::Status(status(&[0], 3)));
    let expected = [
        Effect::ReleaseLock,
        Effect::Broadcast(Pnn::UNKNOWN),
        changed(Pnn(0), Pnn::UNKNOWN),
    ];
    assert_eq!(effects, expected);
    // Two thirds are out of sight: two thirds of twice the leader timeout.
    assert_eq!(tell(&mut leader, 8_000, Input::Timer), []);
    assert_eq!(tell(&mut leader, 8_167, Input::Timer), [Effect::TryLock]);
    tell(&mut leader, 8_170, Input::Lock(LockAnswer::Held));
    assert!(leader.leads(), "a last survivor serves");
}

#[test]
fn the_larger_side_tries_at_once() {
    let mut leader = node(1, true);
    hear(&mut leader, 1_000, 0);
    let effects = tell(&mut leader, 1_500, Input::Status(status(&[1, 2], 3)));
    assert!(effects.contains(&Effect::TryLock));
}

#[test]
fn an_attempt_that_was_given_up_is_released_when_it_succeeds() {
    // R12: the node is stopped while the lock is being tried.
    let mut leader = node(1, true);
    tell(&mut leader, 1_000, Input::ColdStart);
    let stopped = Status {
        flags: NodeFlags::STOPPED,
        ..status(&[0, 1, 2], 3)
    };
    tell(&mut leader, 1_100, Input::Status(stopped));
    let effects = tell(&mut leader, 1_200, Input::Lock(LockAnswer::Held));
    assert_eq!(effects[..1], [Effect::ReleaseLock]);
    assert!(!leader.holds_lock());
}

#[test]
fn a_failing_lock_leaves_the_cluster_without_leader_and_bans_nobody() {
    // R13, cluster.016
    let mut leader = node(1, true);
    tell(&mut leader, 1_000, Input::ColdStart);
    for second in 1..30 {
        tell(
            &mut leader,
            second * 1_000 + 1,
            Input::Lock(LockAnswer::Failed),
        );
        tell(&mut leader, second * 1_000 + 999, Input::Timer);
        tell(
            &mut leader,
            second * 1_000 + 999,
            Input::Prepared { ok: true },
        );
        assert_eq!(leader.leader(), Pnn::UNKNOWN);
    }
}

#[test]
fn the_eldest_wins_an_election_and_ends_it_when_all_yield() {
    let mut nodes: Vec<Election> = (0..3).map(|own| node(own, false)).collect();
    let effects = tell(&mut nodes[1], 1_000, Input::ColdStart);
    assert_eq!(effects[0], Effect::Broadcast(Pnn::UNKNOWN));
    let Effect::Announce(second) = effects[1] else {
        panic!("{effects:?}")
    };
    // Node 2 is younger and yields, node 0 is elder and answers.
    let yields = tell(&mut nodes[2], 1_001, Input::Election(second));
    assert!(yields.contains(&Effect::Yield(Pnn(1))));
    assert_eq!(tell(&mut nodes[0], 1_001, Input::Election(second)), []);
    tell(&mut nodes[1], 1_002, Input::Yielded(Pnn(2)));
    assert!(nodes[1].electing(), "node 0 has not yielded");
    let effects = tell(&mut nodes[0], 1_041, Input::Timer);
    let Effect::Announce(first) = effects[0] else {
        panic!("{effects:?}")
    };
    for other in [1, 2] {
        let effects = tell(&mut nodes[other], 1_042, Input::Election(first));
        assert!(effects.contains(&Effect::Yield(Pnn(0))));
    }
    tell(&mut nodes[0], 1_043, Input::Yielded(Pnn(1)));
    let effects = tell(&mut nodes[0], 1_043, Input::Yielded(Pnn(2)));
    assert_eq!(effects, [Effect::Broadcast(Pnn(0))]);
    hear(&mut nodes[1], 1_044, 0);
    assert!(!nodes[1].electing());
    assert_eq!(nodes[1].leader(), Pnn(0));
}

#[test]
fn peers_that_do_not_yield_are_given_the_whole_time() {
    let mut leader = node(0, false);
    tell(&mut leader, 1_000, Input::ColdStart);
    assert_eq!(tell(&mut leader, 3_999, Input::Timer), []);
    assert!(leader.electing());
    assert_eq!(
        tell(&mut leader, 4_000, Input::Timer),
        [Effect::Broadcast(Pnn(0))]
    );
}

#[test]
fn an_inactive_candidate_loses_whatever_its_age() {
    let mut leader = node(2, false);
    let candidate = Candidate {
        pnn: Pnn(0),
        connected: 0,
        priority: (0, 0),
        flags: NodeFlags::STOPPED,
    };
    tell(&mut leader, 1_000, Input::Election(candidate));
    let effects = tell(&mut leader, 1_050, Input::Timer);
    assert!(
        matches!(effects[..], [Effect::Announce(_), ..]),
        "{effects:?}"
    );
}

#[test]
fn unknown_without_lock_is_followed_by_an_election_whoever_starts_it() {
    // Trap 10: a C node that said UNKNOWN may die before its ELECTION.
    let mut leader = node(1, false);
    hear(&mut leader, 1_000, 0);
    tell(&mut leader, 2_000, Input::Leader(Pnn::UNKNOWN));
    assert!(leader.electing());
    let effects = tell(&mut leader, 5_000, Input::Timer);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Announce(_))),
        "{effects:?}"
    );
}

#[test]
fn two_leaders_without_lock_settle_it_by_an_election() {
    let mut leader = node(1, false);
    tell(&mut leader, 1_000, Input::ColdStart);
    tell(&mut leader, 4_000, Input::Timer);
    assert!(leader.leads());
    assert_eq!(hear(&mut leader, 9_000, 0).last(), Some(&Effect::Prepare));
}

#[test]
fn resigning_releases_before_it_tells() {
    let mut leader = holder(1);
    let effects = tell(&mut leader, 1_500, Input::Resign);
    let expected = [
        Effect::ReleaseLock,
        Effect::Broadcast(Pnn::UNKNOWN),
        changed(Pnn(1), Pnn::UNKNOWN),
    ];
    assert_eq!(effects, expected);
    assert_eq!(tell(&mut leader, 60_000, Input::Timer), []);
}

#[test]
fn a_node_that_was_away_comes_last_in_the_next_election() {
    // recovery.001: a continued node does not take leadership back.
    let mut leader = node(0, false);
    let stopped = Status {
        flags: NodeFlags::STOPPED,
        ..status(&[0, 1, 2], 3)
    };
    tell(&mut leader, 1_000, Input::Status(stopped));
    tell(&mut leader, 2_000, Input::Status(status(&[0, 1, 2], 3)));
    let elder = Candidate {
        pnn: Pnn(2),
        connected: 3,
        priority: (2, 0),
        flags: NodeFlags::empty(),
    };
    assert!(tell(&mut leader, 2_001, Input::Election(elder)).contains(&Effect::Yield(Pnn(2))));
}
