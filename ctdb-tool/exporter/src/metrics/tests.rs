// SPDX-License-Identifier: GPL-3.0-or-later
//! The text, without a daemon.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::testing::snapshot;
use crate::watch::{Cause, Unavailable};

fn seen(node: Result<Snapshot, Unavailable>) -> Arc<Seen> {
    Arc::new(Seen {
        node,
        took: Duration::from_millis(2),
        failures: [0, 3, 0],
    })
}

fn down() -> Arc<Seen> {
    seen(Err(Unavailable {
        cause: Cause::TimedOut,
        text: "silent".to_owned(),
    }))
}

fn lines(seen: &Arc<Seen>, form: Form) -> BTreeSet<String> {
    text_of(seen, form).lines().map(str::to_owned).collect()
}

#[test]
fn values_are_where_they_belong() {
    let lines = lines(&seen(Ok(snapshot())), Form::OpenMetrics);
    for wanted in [
        "ctdb_up 1",
        "ctdb_exporter_failures_total{reason=\"timed_out\"} 3",
        "ctdb_node_info{pnn=\"1\",address=\"10.0.0.2\"} 1",
        "ctdb_node_ok{pnn=\"0\"} 0",
        "ctdb_node_ok{pnn=\"1\"} 1",
        "ctdb_node_flag{pnn=\"0\",flag=\"banned\"} 1",
        "ctdb_node_flag{pnn=\"0\",flag=\"stopped\"} 0",
        "ctdb_run_state{state=\"running\"} 1",
        "ctdb_run_state{state=\"init\"} 0",
        "ctdb_leader_known 1",
        "ctdb_leader_pnn 1",
        "ctdb_generation 77",
        "ctdb_last_recovery_duration_seconds 1.5",
        "ctdb_public_addresses{host=\"this_node\"} 1",
        "ctdb_public_addresses{host=\"nobody\"} 1",
        "ctdb_interface_up{interface=\"eth0\"} 0",
        "ctdb_packets_total{peer=\"node\",direction=\"sent\"} 5",
        "ctdb_lock_wait_seconds_bucket{le=\"0.001\"} 4",
        "ctdb_lock_wait_seconds_bucket{le=\"+Inf\"} 6",
        "ctdb_lock_wait_seconds_count 6",
        "ctdb_call_hops_total{most=\"0\"} 2",
        "ctdb_call_hops_total{most=\"more\"} 1",
        "ctdb_database_bytes{database=\"locking.tdb\"} 4096",
        "# EOF",
    ] {
        assert!(lines.contains(wanted), "{wanted} is not in {lines:#?}");
    }
}

#[test]
fn names_from_outside_cannot_end_their_label() {
    let mut snapshot = snapshot();
    snapshot.databases[0].line.name = "a\"} 1\n# EOF\nevil{x=\"\\".to_owned();
    for form in [Form::OpenMetrics, Form::Classic] {
        let text = text_of(&seen(Ok(clone(&snapshot))), form);
        let wanted = r#"ctdb_database_bytes{database="a\"} 1\n# EOF\nevil{x=\"\\"} 4096"#;
        assert!(text.contains(wanted), "{text}");
        assert!(!text.contains("\nevil"), "{text}");
    }
}

/// The same node with another name of its first database.
fn clone(of: &Snapshot) -> Snapshot {
    let mut copy = snapshot();
    copy.databases[0]
        .line
        .name
        .clone_from(&of.databases[0].line.name);
    copy
}

#[test]
fn a_daemon_that_is_down_leaves_what_is_the_exporters() {
    let lines = lines(&down(), Form::Classic);
    assert!(lines.contains("ctdb_up 0"), "{lines:#?}");
    let samples = lines.iter().filter(|line| !line.starts_with('#'));
    for line in samples {
        assert!(
            line.starts_with("ctdb_up") || line.starts_with("ctdb_exporter_"),
            "{line}"
        );
    }
}

#[test]
fn the_classic_form_has_the_types_of_what_it_shows() {
    let lines = lines(&seen(Ok(snapshot())), Form::Classic);
    for wanted in [
        "# TYPE ctdb_recoveries_total counter",
        "# TYPE ctdb_node_info gauge",
        "# TYPE ctdb_lock_wait_seconds histogram",
        "ctdb_recoveries_total 9",
    ] {
        assert!(lines.contains(wanted), "{wanted} is not in {lines:#?}");
    }
    assert!(!lines.contains("# EOF"));
}

#[test]
fn accept_chooses_the_form() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    assert_eq!(Form::wanted(prometheus), Form::OpenMetrics);
    assert_eq!(Form::wanted("text/html,*/*"), Form::Classic);
    assert_eq!(Form::wanted(""), Form::Classic);
}

#[test]
fn the_manual_page_has_each_metric_with_its_labels_and_no_other() {
    let page = include_str!("../../../../ctdbd/docs/man/ctdb-exporter.1.md");
    let documented: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.starts_with("`ctdb_") && line.ends_with('`'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter_map(|term| term.strip_prefix("ctdb_"))
        .collect();
    let (up, down) = (seen(Ok(snapshot())), down());
    let mut known = BTreeSet::new();
    for metric in all() {
        let samples = match &metric.read {
            Read::Node(read) => read(up.node.as_ref().unwrap()),
            Read::Counted(_) => one(0_u32),
            Read::Here(read) => read(&down),
        };
        let labels: Vec<&str> = samples[0].labels.iter().map(|(name, _)| *name).collect();
        let term = match labels.is_empty() {
            true => metric.full_name(),
            false => format!("{}{{{}}}", metric.full_name(), labels.join(",")),
        };
        known.insert(term);
    }
    let known: BTreeSet<&str> = known
        .iter()
        .map(|name| name.strip_prefix("ctdb_").unwrap())
        .collect();
    assert_eq!(known, documented);
}
