// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb upgrade-check` and `ctdb version -v`: which program each node runs, which version of Samba it speaks, and
//! whether one node after the other may be replaced now.

use super::nodes_file::same;
use super::none;
use super::status::node_lines;
use crate::failure::{Failure, Outcome};
use crate::inquiry;
use crate::output::status::NodeLine;
use crate::output::{Report, Rows};
use crate::packages;
use crate::reasons;
use crate::session::{Session, connected};
use ctdb_config::Release;
use ctdb_config::tunables::Tunables;
use ctdb_core::transport::SUPPORTED_MINORS;
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{NodeFlags, RunState};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Exit status of no-go.
const NO_GO: i32 = 1;

/// What is known of a node's program.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Program {
    /// Not connected: nothing is known.
    Unknown,
    /// It does not answer our questions, but controls: Samba's, or one of ours that is starting.
    C,
    /// Ours, with its name and version.
    Ours(String),
}

/// One node.
#[derive(Debug, Clone)]
struct Speaker {
    pnn: Pnn,
    address: String,
    state: String,
    flags: NodeFlags,
    program: Program,
    /// `MAJOR.MINOR` of Samba: its own of ours, of a C node what a node of ours has heard from it.
    speaks: Option<String>,
    /// Version of the packets.
    protocol: Option<u64>,
}

impl Speaker {
    fn program(&self) -> &str {
        match &self.program {
            Program::Unknown => "unknown",
            Program::C => "C ctdb",
            Program::Ours(name) => name,
        }
    }

    fn deleted(&self) -> bool {
        self.flags.contains(NodeFlags::DELETED)
    }

    fn json(&self) -> Value {
        let implementation = match self.program {
            Program::Unknown => Value::Null,
            Program::C => "c".into(),
            Program::Ours(_) => "ctdb-rs".into(),
        };
        json!({
            "pnn": self.pnn.0,
            "address": self.address,
            "state": self.state,
            "implementation": implementation,
            "program": self.program(),
            "speaks": self.speaks,
            "protocol": self.protocol,
        })
    }
}

fn write_speakers(out: &mut dyn Write, speakers: &[Speaker]) -> io::Result<()> {
    writeln!(
        out,
        "{:<5} {:<16} {:<16} {:<8} {:<9} State",
        "Node", "Address", "Program", "Speaks", "Protocol"
    )?;
    for s in speakers {
        let unknown = || "unknown".to_owned();
        writeln!(
            out,
            "{:<5} {:<16} {:<16} {:<8} {:<9} {}",
            s.pnn.0,
            s.address,
            s.program(),
            s.speaks.clone().unwrap_or_else(unknown),
            s.protocol.map_or_else(unknown, |p| p.to_string()),
            s.state
        )?;
    }
    Ok(())
}

fn speaker_rows(speakers: &[Speaker]) -> Rows {
    let mut rows = Rows::new(&["Node", "Address", "Program", "Speaks", "Protocol", "State"]);
    for s in speakers {
        rows.push(vec![
            s.pnn.to_string(),
            s.address.clone(),
            s.program().to_owned(),
            s.speaks.clone().unwrap_or_default(),
            s.protocol.map_or_else(String::new, |p| p.to_string()),
            s.state.clone(),
        ]);
    }
    rows
}

/// What `version -v` shows.
struct Versions {
    version: String,
    speakers: Vec<Speaker>,
}

impl Report for Versions {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        writeln!(out, "{}", self.version)?;
        write_speakers(out, &self.speakers)
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        Some(speaker_rows(&self.speakers))
    }

    fn json(&self) -> Value {
        let nodes: Vec<Value> = self.speakers.iter().map(Speaker::json).collect();
        json!({ "version": self.version, "nodes": nodes })
    }
}

/// `ctdb version -v`.
pub async fn versions(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let speakers = speakers(session).await?;
    let version = Release::in_force(&session.console.paths).version();
    session.console.out.show(&Versions { version, speakers })?;
    Ok(0)
}

/// What `upgrade-check` shows.
struct Verdict {
    speakers: Vec<Speaker>,
    /// Why not; empty means go.
    stops: Vec<String>,
    /// What to know.
    notes: Vec<String>,
}

impl Report for Verdict {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        write_speakers(out, &self.speakers)?;
        self.notes
            .iter()
            .try_for_each(|note| writeln!(out, "Note: {note}"))?;
        if self.stops.is_empty() {
            return writeln!(out, "Go: one node may be replaced now");
        }
        self.stops
            .iter()
            .try_for_each(|stop| writeln!(out, "No-go: {stop}"))
    }

    fn json(&self) -> Value {
        json!({
            "go": self.stops.is_empty(),
            "reasons": self.stops,
            "notes": self.notes,
            "nodes": self.speakers.iter().map(Speaker::json).collect::<Vec<_>>(),
        })
    }
}

/// What one node says of what must be the same everywhere.
struct Settings {
    pnn: Pnn,
    run_state: RunState,
    cluster_lock: String,
    same_nodes: bool,
    mixed_allowed: bool,
}

/// `ctdb upgrade-check`.
pub async fn upgrade_check(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let speakers = speakers(session).await?;
    let settings = settings(session).await?;
    let mut stops = of_nodes(&speakers);
    stops.extend(of_versions(&speakers, &settings));
    stops.extend(of_settings(&settings));
    stops.extend(of_etcd_lock(&speakers, &settings));
    stops.extend(reasons::of_cluster(session).await?);
    let mut notes = notes(&speakers);
    notes.extend(packages::warnings());
    let status = if stops.is_empty() { 0 } else { NO_GO };
    session.console.out.show(&Verdict {
        speakers,
        stops,
        notes,
    })?;
    Ok(status)
}

async fn speakers(session: &mut Session) -> Result<Vec<Speaker>, Failure> {
    let map = session.nodemap().await?;
    let lines = node_lines(session, &map.nodes).await?;
    let reachable = connected(&map);
    let answers = inquiry::ask(session, &reachable, false).await?;
    let heard = heard(&answers);
    let speaker = |line: &NodeLine| {
        let pnn = Pnn(line.pnn);
        let answer = answers.get(&pnn);
        let text = |name: &str| answer.and_then(|a| a[name].as_str()).map(str::to_owned);
        Speaker {
            pnn,
            address: line.address.clone(),
            state: line.state(),
            flags: line.flags,
            program: match text("program") {
                Some(name) => Program::Ours(name),
                None if reachable.contains(&pnn) => Program::C,
                None => Program::Unknown,
            },
            speaks: text("speaks").or_else(|| heard.get(&pnn).cloned()),
            protocol: answer.and_then(|a| a["protocol"].as_u64()),
        }
    };
    Ok(lines.iter().map(speaker).collect())
}

/// Which versions nodes of ours have heard from others.
fn heard(answers: &BTreeMap<Pnn, Value>) -> BTreeMap<Pnn, String> {
    let peers = answers
        .values()
        .filter_map(|answer| answer["peers"].as_array());
    peers
        .flatten()
        .filter_map(|peer| {
            let pnn = u32::try_from(peer["pnn"].as_u64()?).ok()?;
            Some((Pnn(pnn), peer["heard"].as_str()?.to_owned()))
        })
        .collect()
}

async fn settings(session: &mut Session) -> Result<Vec<Settings>, Failure> {
    let map = session.nodemap().await?;
    let own = session
        .control::<ctl::GetNodesFile>(session.pnn, &())
        .await?;
    let mut found = Vec::new();
    for pnn in connected(&map) {
        let listed = session.control::<ctl::GetNodesFile>(pnn, &()).await?;
        let lock = session.control::<ctl::GetReclockFile>(pnn, &()).await?;
        let tunables = session.control::<ctl::GetAllTunables>(pnn, &()).await?;
        found.push(Settings {
            pnn,
            run_state: session.control::<ctl::GetRunstate>(pnn, &()).await?,
            cluster_lock: lock.to_str_lossy().into_owned(),
            same_nodes: same(&own, &listed),
            mixed_allowed: Tunables::from_list(tunables.0).allow_mixed_versions() != 0,
        });
    }
    Ok(found)
}

/// Every node has to be well: the one that is replaced leaves its load to the others.
fn of_nodes(speakers: &[Speaker]) -> Vec<String> {
    let present: Vec<&Speaker> = speakers.iter().filter(|s| !s.deleted()).collect();
    let mut stops: Vec<String> = present
        .iter()
        .filter(|s| !s.flags.is_empty())
        .map(|s| format!("node {} is {}", s.pnn, s.state))
        .collect();
    if present.len() == 1 {
        stops.push("there is no other node to take over meanwhile".to_owned());
    }
    stops
}

fn of_versions(speakers: &[Speaker], settings: &[Settings]) -> Vec<String> {
    let mut stops: Vec<String> = speakers
        .iter()
        .filter_map(|s| {
            let version = s.speaks.as_deref().filter(|version| !supported(version))?;
            let (first, last) = (SUPPORTED_MINORS.start(), SUPPORTED_MINORS.end());
            Some(format!(
                "node {} speaks {version}, but only 4.{first} to 4.{last} can be mixed with ctdb-rs",
                s.pnn
            ))
        })
        .collect();
    let of_c: BTreeSet<&str> = speakers
        .iter()
        .filter(|s| s.program == Program::C)
        .filter_map(|s| s.speaks.as_deref())
        .collect();
    if of_c.len() > 1 && settings.iter().any(|s| !s.mixed_allowed) {
        let versions: Vec<&str> = of_c.into_iter().collect();
        stops.push(format!(
            "C nodes of versions {} shut each other down unless AllowMixedVersions is 1 everywhere",
            versions.join(" and ")
        ));
    }
    stops
}

fn supported(version: &str) -> bool {
    let minor = version.strip_prefix("4.").and_then(|m| m.parse().ok());
    minor.is_some_and(|minor: u32| SUPPORTED_MINORS.contains(&minor))
}

fn of_settings(settings: &[Settings]) -> Vec<String> {
    let mut stops = Vec::new();
    for node in settings {
        if node.run_state != RunState::RUNNING {
            let state = node.run_state.name().unwrap_or("UNKNOWN");
            stops.push(format!("node {} is in run state {state}", node.pnn));
        }
        if !node.same_nodes {
            stops.push(format!(
                "the nodes list of node {} is another one",
                node.pnn
            ));
        }
    }
    let locks: BTreeSet<&str> = settings.iter().map(|s| s.cluster_lock.as_str()).collect();
    if locks.len() > 1 {
        let shown: Vec<String> = settings
            .iter()
            .map(|s| format!("node {}: \"{}\"", s.pnn, s.cluster_lock))
            .collect();
        stops.push(format!("the cluster lock differs: {}", shown.join(", ")));
    }
    stops
}

/// Samba's program of this name and ours keep different locks in etcd, so that two nodes would lead.
const ETCD_LOCK: &str = "ctdb_etcd_lock";

fn of_etcd_lock(speakers: &[Speaker], settings: &[Settings]) -> Vec<String> {
    let in_etcd = |s: &&Settings| {
        let program = s.cluster_lock.strip_prefix('!').unwrap_or_default();
        let path = program.split_whitespace().next().unwrap_or_default();
        path.rsplit('/').next() == Some(ETCD_LOCK)
    };
    let found = settings.iter().find(in_etcd);
    match found.filter(|_| speakers.iter().any(|s| s.program == Program::C)) {
        Some(node) => vec![format!(
            "the cluster lock is \"{}\": {ETCD_LOCK} of C CTDB and that of ctdb-rs do not exclude each other, \
             and a mixed cluster could get TWO LEADERS: see UPGRADE in ctdb-etcd(7)",
            node.cluster_lock
        )],
        None => Vec::new(),
    }
}

fn notes(speakers: &[Speaker]) -> Vec<String> {
    let mut notes = Vec::new();
    let unheard: Vec<String> = speakers
        .iter()
        .filter(|s| s.program == Program::C && s.speaks.is_none())
        .map(|s| s.pnn.to_string())
        .collect();
    if !unheard.is_empty() {
        notes.push(format!(
            "no node of ctdb-rs has heard C nodes {} yet: see that `ctdb version` there says 4.{} to 4.{}",
            unheard.join(", "),
            SUPPORTED_MINORS.start(),
            SUPPORTED_MINORS.end()
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaker(pnn: u32, program: Program, speaks: Option<&str>) -> Speaker {
        Speaker {
            pnn: Pnn(pnn),
            address: format!("10.0.0.{pnn}"),
            state: "OK".to_owned(),
            flags: NodeFlags::empty(),
            program,
            speaks: speaks.map(str::to_owned),
            protocol: None,
        }
    }

    fn ours(pnn: u32) -> Speaker {
        speaker(pnn, Program::Ours("ctdb-rs 1".to_owned()), Some("4.22"))
    }

    fn setting(pnn: u32) -> Settings {
        Settings {
            pnn: Pnn(pnn),
            run_state: RunState::RUNNING,
            cluster_lock: "/lock".to_owned(),
            same_nodes: true,
            mixed_allowed: false,
        }
    }

    #[test]
    fn c_and_ours_may_be_mixed() {
        let nodes = [ours(0), speaker(1, Program::C, Some("4.17")), ours(2)];
        assert_eq!(of_nodes(&nodes), [""; 0]);
        assert_eq!(of_versions(&nodes, &[setting(0)]), [""; 0]);
        assert_eq!(of_settings(&[setting(0), setting(1)]), [""; 0]);
        assert_eq!(notes(&nodes), [""; 0]);
    }

    #[test]
    fn reasons_not_to_go() {
        let mut nodes = vec![ours(0), speaker(1, Program::C, Some("4.15"))];
        assert!(of_versions(&nodes, &[])[0].starts_with("node 1 speaks 4.15"));
        nodes[1] = speaker(1, Program::C, Some("4.22"));
        nodes.push(speaker(2, Program::C, Some("4.17")));
        let mut settings = [setting(0), setting(1)];
        assert_eq!(of_versions(&nodes, &settings).len(), 1);
        settings.iter_mut().for_each(|s| s.mixed_allowed = true);
        assert_eq!(of_versions(&nodes, &settings), [""; 0]);

        nodes[2].flags = NodeFlags::STOPPED;
        nodes[2].state = "STOPPED|INACTIVE".to_owned();
        assert_eq!(of_nodes(&nodes), ["node 2 is STOPPED|INACTIVE"]);
        assert_eq!(of_nodes(&nodes[..1]).len(), 1, "alone");

        settings[1].cluster_lock = "/other".to_owned();
        settings[1].same_nodes = false;
        settings[1].run_state = RunState::STARTUP;
        assert_eq!(
            of_settings(&settings),
            [
                "node 1 is in run state STARTUP",
                "the nodes list of node 1 is another one",
                "the cluster lock differs: node 0: \"/lock\", node 1: \"/other\"",
            ]
        );
    }

    #[test]
    fn lock_in_etcd_is_not_mixed() {
        let mut nodes = vec![ours(0), speaker(1, Program::C, Some("4.22"))];
        let mut settings = [setting(0), setting(1)];
        assert_eq!(of_etcd_lock(&nodes, &settings), [""; 0]);
        settings[1].cluster_lock = "!/usr/libexec/ctdb/ctdb_etcd_lock -vv".to_owned();
        let stops = of_etcd_lock(&nodes, &settings);
        assert_eq!(stops.len(), 1);
        assert!(stops[0].contains("TWO LEADERS"), "{stops:?}");
        nodes.pop();
        assert_eq!(of_etcd_lock(&nodes, &settings), [""; 0], "only ours");
        nodes.push(speaker(1, Program::C, Some("4.22")));
        settings[1].cluster_lock = "!/usr/local/libexec/ctdb_etcd_lock_v2".to_owned();
        assert_eq!(of_etcd_lock(&nodes, &settings), [""; 0], "C's on all nodes");
    }

    #[test]
    fn a_c_node_is_known_by_what_ours_heard_of_it() {
        let answers = BTreeMap::from([(
            Pnn(0),
            json!({ "peers": [{ "pnn": 1, "heard": "4.17" }, { "pnn": 2, "heard": null }] }),
        )]);
        let heard = heard(&answers);
        assert_eq!(heard.get(&Pnn(1)).unwrap(), "4.17");
        assert_eq!(heard.get(&Pnn(2)), None);
        let unheard = speaker(2, Program::C, None);
        assert_eq!(notes(&[unheard]).len(), 1);
    }
}
