// SPDX-License-Identifier: GPL-3.0-or-later
//! Looking at nodes: what is up, who leads, what runs.

use super::none;
use crate::failure::{Failure, Outcome};
use crate::number;
use crate::output::Form;
use crate::output::status::{self, ClusterState, ClusterStatus, NodeLine, NodeList, pnn_name};
use crate::output::value::{Named, Roles, Running};
use crate::reasons;
use crate::session::{Console, Session, find};
use ctdb_config::Release;
use ctdb_protocol::control as ctl;
use ctdb_protocol::id::{Generation, Pnn};
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, PidSrvid, RunState};
use serde_json::json;
use std::time::{Duration, Instant};

/// `ctdb version`.
pub fn version(console: &mut Console, _args: &[String]) -> Outcome {
    let version = Release::in_force(&console.paths).version();
    console.out.show(&Named::new("version", version))?;
    Ok(0)
}

/// `ctdb status`.
pub async fn status(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let map = session.nodemap().await?;
    let nodes = NodeList {
        nodes: node_lines(session, &map.nodes).await?,
        headline: true,
    };
    let mut report = ClusterStatus {
        nodes,
        cluster: None,
        reasons: Vec::new(),
    };
    if session.console.out.form() != Form::Rows {
        let mut cluster = agreed(session).await?;
        cluster.leader = session.leader().await.map(|pnn| pnn.0);
        report.cluster = Some(cluster);
        if session.console.out.verbose() {
            report.reasons = reasons::of_nodes(session, &map, &report.nodes.nodes).await;
        }
    }
    session.console.out.show(&report)?;
    Ok(0)
}

/// What the node that is asked believes the nodes agreed on, all but the leader.
pub async fn agreed(session: &Session) -> Result<ClusterState, Failure> {
    let map = session
        .control::<ctl::GetVnnMap>(session.target, &())
        .await?;
    let recovery_mode = session
        .status::<ctl::GetRecmode>(session.target, &())
        .await?;
    Ok(ClusterState {
        generation: (map.generation != Generation::INVALID).then_some(map.generation.0),
        lmasters: map.nodes.iter().map(|pnn| pnn.0).collect(),
        recovery_mode,
        leader: None,
    })
}

/// `ctdb nodestatus`.
pub async fn nodestatus(session: &mut Session, args: &[String]) -> Outcome {
    let wanted = super::at_most_one(args)?;
    let nodes = chosen_nodes(session, wanted).await?;
    let headline = wanted == Some("all");
    let list = NodeList {
        nodes: node_lines(session, &nodes).await?,
        headline,
    };
    session.console.out.show(&list)?;
    Ok(list.combined_flags().bits() as i32)
}

/// The nodes that an argument names: none for the node of `-n`, `all`, or numbers with commas.
/// Answers to `parse_nodestring`.
pub async fn chosen_nodes(
    session: &mut Session,
    wanted: Option<&str>,
) -> Result<Vec<NodeAndFlags>, Failure> {
    let map = session.nodemap().await?;
    let Some(wanted) = wanted else {
        return Ok(find(&map, session.target).into_iter().copied().collect());
    };
    if wanted == "all" {
        return Ok(map.nodes);
    }
    let mut chosen = Vec::new();
    for word in wanted.split(',').filter(|word| !word.is_empty()) {
        let pnn = number::unsigned32(word, 0)
            .map_err(|_| Failure::say(1, format!("Invalid node {word}")))?;
        let node = find(&map, Pnn(pnn))
            .ok_or_else(|| Failure::say(1, format!("Node {pnn} does not exist")))?;
        chosen.push(*node);
    }
    Ok(chosen)
}

/// How long nodes have to tell about their interfaces. One that does not answer shall not delay the others.
const IFACES_WAIT: Duration = Duration::from_secs(1);

/// The nodes with what is known of them. Remote nodes count as unknown until the local daemon has come
/// through its first recovery. Healthy nodes are asked for their interfaces, all at once: a dead node delays
/// them by a second. Answers to `get_nodemap_unknown` and `partially_online`.
pub async fn node_lines(
    session: &Session,
    nodes: &[NodeAndFlags],
) -> Result<Vec<NodeLine>, Failure> {
    let target = session.target;
    let state = session
        .control::<ctl::GetRunstate>(target, &())
        .await
        .map_err(|failure| failure.with_status(1))?;
    let starting = state <= RunState::FIRST_RECOVERY;
    let flags = |node: &NodeAndFlags| {
        let known = node.pnn == target
            || node
                .flags
                .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED);
        if starting && !known {
            status::UNKNOWN
        } else {
            node.flags
        }
    };
    let healthy: Vec<Pnn> = nodes
        .iter()
        .filter(|n| flags(n).is_empty())
        .map(|n| n.pnn)
        .collect();
    let wait = session.limit().min(IFACES_WAIT);
    let answers = session
        .client
        .control_all::<ctl::GetIfaces>(&healthy, &(), Some(wait))
        .await;
    let lame = |pnn| {
        answers.iter().any(|(from, answer)| {
            *from == pnn
                && answer
                    .as_ref()
                    .is_ok_and(|list| list.ifaces.iter().any(|iface| iface.link_state == 0))
        })
    };
    let line = |node: &NodeAndFlags| NodeLine {
        pnn: node.pnn.0,
        address: node.addr.to_string(),
        flags: flags(node),
        partially_online: lame(node.pnn),
        this_node: node.pnn == target,
    };
    Ok(nodes.iter().map(line).collect())
}

/// `ctdb uptime`.
pub async fn uptime(session: &mut Session, _args: &[String]) -> Outcome {
    let node = session.target;
    let uptime = session.control::<ctl::Uptime>(node, &()).await?;
    session.console.out.show(&Running { node, uptime })?;
    Ok(0)
}

/// `ctdb ping`.
pub async fn ping(session: &mut Session, _args: &[String]) -> Outcome {
    let node = session.target;
    let start = Instant::now();
    let clients = session.status::<ctl::Ping>(node, &()).await?;
    let elapsed_s = start.elapsed().as_secs_f64();
    let text = format!("response from {node} time={elapsed_s:.6} sec  ({clients} clients)");
    let value = json!({ "node": node.0, "time_s": elapsed_s, "clients": clients });
    session
        .console
        .out
        .show(&Named::shown("response", text, value))?;
    Ok(0)
}

/// `ctdb runstate`.
pub async fn runstate(session: &mut Session, args: &[String]) -> Outcome {
    let state = session
        .control::<ctl::GetRunstate>(session.target, &())
        .await?;
    let name = state.name().unwrap_or("UNKNOWN");
    let mut found = args.is_empty();
    for word in args {
        let wanted = RunState::NAMED
            .iter()
            .find(|(state, name)| *state != RunState::UNKNOWN && name.eq_ignore_ascii_case(word));
        let Some((wanted, _)) = wanted else {
            session
                .console
                .out
                .line(&format!("Invalid run state ({word})"))?;
            return Ok(1);
        };
        if *wanted == state {
            found = true;
            break;
        }
    }
    if !found {
        session
            .console
            .out
            .line(&format!("CTDB not in required run state (got {name})"))?;
        return Ok(1);
    }
    session.console.out.show(&Named::new("runstate", name))?;
    Ok(0)
}

/// `ctdb getcapabilities`.
pub async fn getcapabilities(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let roles = session
        .control::<ctl::GetCapabilities>(session.target, &())
        .await?;
    session.console.out.show(&Roles(roles))?;
    Ok(0)
}

/// `ctdb pnn`.
pub async fn pnn(session: &mut Session, _args: &[String]) -> Outcome {
    session
        .console
        .out
        .show(&Named::new("pnn", session.pnn.0))?;
    Ok(0)
}

/// `ctdb leader`.
pub async fn leader(session: &mut Session, _args: &[String]) -> Outcome {
    let leader = session.leader().await.map(|pnn| pnn.0);
    session
        .console
        .out
        .show(&Named::shown("leader", pnn_name(leader), leader))?;
    Ok(0)
}

/// `ctdb getpid`.
pub async fn getpid(session: &mut Session, _args: &[String]) -> Outcome {
    let pid = session.status::<ctl::GetPid>(session.target, &()).await?;
    session.console.out.show(&Named::new("pid", pid))?;
    Ok(0)
}

/// `ctdb process-exists`.
pub async fn process_exists(session: &mut Session, args: &[String]) -> Outcome {
    let (pid, srvid) = match args {
        [pid] => (number::lenient(pid), 0),
        [pid, srvid] => {
            let srvid = number::unsigned(srvid, 0).map_err(|e| Failure::silent(e.errno()))?;
            (number::lenient(pid), srvid)
        }
        _ => return Err(Failure::Usage),
    };
    let node = session.target;
    let status = if srvid == 0 {
        session.status::<ctl::ProcessExists>(node, &pid).await?
    } else {
        session
            .status::<ctl::CheckPidSrvid>(
                node,
                &PidSrvid {
                    pid,
                    srvid: Srvid(srvid),
                },
            )
            .await?
    };
    let with = if srvid == 0 {
        String::new()
    } else {
        format!(" with SRVID 0x{srvid:x}")
    };
    let exists = if status == 0 {
        "exists"
    } else {
        "does not exist"
    };
    let text = format!("PID {pid}{with} {exists}");
    session
        .console
        .out
        .show(&Named::shown("exists", text, status == 0))?;
    Ok(status)
}

/// `ctdb getreclock`.
pub async fn getreclock(session: &mut Session, args: &[String]) -> Outcome {
    none(args)?;
    let lock = session
        .control::<ctl::GetReclockFile>(session.target, &())
        .await?;
    if lock.is_none() {
        if session.console.out.form() == Form::Json {
            session
                .console
                .out
                .show(&Named::shown("cluster_lock", "", serde_json::Value::Null))?;
        }
        return Ok(0);
    }
    session
        .console
        .out
        .show(&Named::new("cluster_lock", lock.to_str_lossy()))?;
    Ok(0)
}
