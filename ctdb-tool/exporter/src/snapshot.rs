// SPDX-License-Identifier: GPL-3.0-or-later
//! A node at one moment, in the typed results of the tool.

use std::collections::BTreeMap;

use ctdb_protocol::control as ctl;
use ctdb_protocol::id::{DbId, Pnn};
use ctdb_protocol::types::{
    DbMap, DbStatistics, Iface, NodeFlags, PublicIp, RunState, Statistics, Uptime,
};
use ctdb_tool::command::database::{Database, described};
use ctdb_tool::command::status::{agreed, node_lines};
use ctdb_tool::failure::Failure;
use ctdb_tool::output::database::DbLine;
use ctdb_tool::output::status::{ClusterState, NodeLine};
use ctdb_tool::session::Session;
use futures_util::future::join_all;

/// Databases that are told about; a node has some thirty. What is beyond is only counted.
const MOST_DATABASES: usize = 200;

/// A database of the node.
#[derive(Debug)]
pub struct DatabaseNow {
    /// Name, kind, file, health.
    pub line: DbLine,
    /// Size of its file.
    pub bytes: u64,
    /// Its counters.
    pub stats: DbStatistics,
}

/// What the local daemon says of itself and of the cluster. Other nodes are asked for nothing but their
/// interfaces, for a second, as `ctdb status` does.
#[derive(Debug)]
pub struct Snapshot {
    /// The node.
    pub pnn: Pnn,
    /// All nodes but deleted ones.
    pub nodes: Vec<NodeLine>,
    /// Generation, vnn map, recovery mode, leader.
    pub cluster: ClusterState,
    /// How far the daemon has come.
    pub run_state: RunState,
    /// When daemon and last recovery began and ended.
    pub uptime: Uptime,
    /// The daemon's counters.
    pub statistics: Statistics,
    /// The addresses that this node knows of, and who hosts them.
    pub addresses: Vec<PublicIp>,
    /// The interfaces that they can be on.
    pub interfaces: Vec<Iface>,
    /// Whether there is a cluster lock.
    pub cluster_lock: bool,
    /// How many databases are attached.
    pub database_count: usize,
    /// The first of them by name.
    pub databases: Vec<DatabaseNow>,
}

/// Names of databases, which do not change while they are attached.
pub type Names = BTreeMap<DbId, String>;

impl Snapshot {
    /// Asks the session's node.
    ///
    /// # Errors
    /// With the first answer without which the picture would be wrong.
    pub async fn take(session: &Session, names: &mut Names) -> Result<Self, Failure> {
        let pnn = session.pnn;
        let map = session.control::<ctl::GetNodeMap>(pnn, &()).await?;
        // all at once: on a machine that is busy each round costs
        let (mut nodes, cluster, run_state, uptime, statistics, addresses, interfaces, lock, dbs) =
            tokio::try_join!(
                node_lines(session, &map.nodes),
                agreed(session),
                session.control::<ctl::GetRunstate>(pnn, &()),
                session.control::<ctl::Uptime>(pnn, &()),
                session.control::<ctl::Statistics>(pnn, &()),
                session.control::<ctl::GetPublicIps>(pnn, &()),
                session.control::<ctl::GetIfaces>(pnn, &()),
                session.control::<ctl::GetReclockFile>(pnn, &()),
                session.control::<ctl::GetDbMap>(pnn, &()),
            )?;
        nodes.retain(|node| !node.flags.contains(NodeFlags::DELETED));
        let databases = databases(session, &dbs, names).await?;
        Ok(Self {
            pnn,
            nodes,
            cluster,
            run_state,
            uptime,
            statistics,
            addresses: addresses.ips,
            interfaces: interfaces.ifaces,
            cluster_lock: !lock.is_none(),
            database_count: dbs.dbs.len(),
            databases,
        })
    }

    /// The line of the node itself.
    #[must_use]
    pub fn this_node(&self) -> Option<&NodeLine> {
        self.nodes.iter().find(|node| node.pnn == self.pnn.0)
    }
}

async fn databases(
    session: &Session,
    map: &DbMap,
    names: &mut Names,
) -> Result<Vec<DatabaseNow>, Failure> {
    names.retain(|id, _| map.dbs.iter().any(|db| db.db_id == *id));
    let unnamed = map.dbs.iter().filter(|db| !names.contains_key(&db.db_id));
    let asked = join_all(unnamed.map(|db| name_of(session, db.db_id))).await;
    for named in asked {
        names.extend(named?);
    }
    let mut listed: Vec<Database> = map
        .dbs
        .iter()
        .filter_map(|db| {
            Some(Database {
                id: db.db_id,
                name: names.get(&db.db_id)?.clone(),
                flags: db.flags,
            })
        })
        .collect();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    listed.truncate(MOST_DATABASES);
    let asked = join_all(listed.into_iter().map(|db| database(session, db))).await;
    let found: Result<Vec<_>, _> = asked.into_iter().collect();
    Ok(found?.into_iter().flatten().collect())
}

async fn database(session: &Session, db: Database) -> Result<Option<DatabaseNow>, Failure> {
    let id = db.id;
    let asked = tokio::try_join!(
        described(session, db),
        session.control::<ctl::GetDbStatistics>(session.pnn, &id)
    );
    let Some((line, stats)) = still_there(asked)? else {
        return Ok(None);
    };
    // its folder may not be ours to look into
    let bytes = tokio::fs::metadata(&line.path).await.map_or(0, |m| m.len());
    Ok(Some(DatabaseNow { line, bytes, stats }))
}

async fn name_of(session: &Session, id: DbId) -> Result<Option<(DbId, String)>, Failure> {
    let asked = session.control::<ctl::GetDbName>(session.pnn, &id).await;
    Ok(still_there(asked)?.map(|name| (id, name.to_string())))
}

/// A database may be detached between two questions: the daemon then refuses the second one, and says so.
fn still_there<T>(asked: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match asked {
        Ok(value) => Ok(Some(value)),
        Err(Failure::Stop { status: -1, .. }) => Ok(None),
        Err(failure) => Err(failure),
    }
}
