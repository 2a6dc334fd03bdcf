// SPDX-License-Identifier: GPL-3.0-or-later
//! What a command works with: options, configuration and output, and for most a connection to the local daemon.

use crate::args::Options;
use crate::failure::{Failure, errno_of};
use crate::nodes_file;
use crate::output::status::flag_names;
use crate::output::{Form, Printer};
use ctdb_client::{Client, ConnectError, ControlError, Failure as Cause, Message};
use ctdb_config::{Config, Level, Paths, Report};
use ctdb_protocol::control::{self, Control};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::srvid::Srvid;
use ctdb_protocol::types::{NodeAndFlags, NodeFlags, NodeMap};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

/// Offset of the tool's own message ports in their range.
const TOOL_PORT: u64 = 0x0001_0000_0000_0000;
/// How long a daemon may take for its first answer at least.
const SHORTEST_GREETING: Duration = Duration::from_secs(1);

/// Options, configuration and output.
pub struct Console {
    /// The options given.
    pub options: Options,
    /// Standard output.
    pub out: Printer,
    /// Where things are.
    pub paths: Paths,
    /// ctdb.conf.
    pub config: Config,
}

impl Console {
    /// Reads the configuration.
    pub fn open(options: Options) -> Result<Self, Failure> {
        let level = options
            .debug
            .as_deref()
            .and_then(Level::parse)
            .unwrap_or(Level::Error);
        let out = printer(&options);
        let unusable = "Failed to load configuration";
        let paths = Paths::from_env().map_err(|e| Failure::say(1, e.to_string()).and(unusable))?;
        let mut report = Report::new();
        let config = Config::load(&paths, &mut report);
        // what upstream's tool says of its configuration too; notices are the daemon's
        report.print(level.min(Level::Warning));
        let config = config.map_err(|_| Failure::say(1, unusable))?;
        Ok(Self {
            options,
            out,
            paths,
            config,
        })
    }

    /// How long one step may take (`-t`).
    fn limit(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.options.timelimit_s).unwrap_or(0))
    }

    /// A console of the same configuration for a command inside of another program: its output is kept.
    #[must_use]
    pub fn keeping(&self, options: Options) -> Self {
        Self {
            out: printer(&options).keeping(),
            options,
            paths: self.paths.clone(),
            config: self.config.clone(),
        }
    }

    /// Shows a failure that is not the end.
    pub fn complain(&mut self, failure: &Failure) {
        if let Failure::Stop { lines, .. } = failure {
            for line in lines {
                self.out.warn(line);
            }
        }
    }
}

fn printer(options: &Options) -> Printer {
    let form = if options.json {
        Form::Json
    } else if options.machine {
        Form::Rows
    } else {
        Form::Text
    };
    Printer::new(form, &options.separator, options.verbose)
}

/// A connection to the local daemon, on behalf of one command.
pub struct Session {
    /// Options, configuration and output.
    pub console: Console,
    /// The connection.
    pub client: Client,
    /// The local node.
    pub pnn: Pnn,
    /// The node that `-n` names, else the local one.
    pub target: Pnn,
    nodemap: Option<NodeMap>,
    port: u64,
    leader: UnboundedReceiver<Message>,
    known_leader: Option<Pnn>,
    leader_heard: Option<Instant>,
}

impl Session {
    /// Connects, checks `-n` and starts to listen for the leader's broadcasts.
    /// `remote` says whether the command may be asked of other nodes.
    pub async fn open(console: Console, command: &str, remote: bool) -> Result<Self, Failure> {
        let client = connect(&console).await?;
        Self::over(console, client, command, remote).await
    }

    /// The same over a connection that somebody has made.
    pub async fn over(
        console: Console,
        client: Client,
        command: &str,
        remote: bool,
    ) -> Result<Self, Failure> {
        let pnn = client
            .pnn()
            .await
            .map_err(|e| Failure::silent(code_of(&e)))?;
        let offset = u64::from(std::process::id() & 0xFFFF) << 16;
        let (_closed, unheard) = tokio::sync::mpsc::unbounded_channel();
        let mut session = Self {
            console,
            client,
            pnn,
            target: pnn,
            nodemap: None,
            port: Srvid::TOOL_RANGE.0 | TOOL_PORT | offset,
            leader: unheard,
            known_leader: None,
            leader_heard: None,
        };
        let wanted = session.console.options.node;
        if wanted != -1 {
            session.target = session.reachable(wanted).await?;
        }
        if !remote && session.target != session.pnn {
            return Err(Failure::say(
                1,
                format!("Node cannot be specified for command {command}"),
            ));
        }
        session.leader = session
            .register(Srvid::LEADER)
            .await
            .map_err(|_| Failure::say(1, "Failed to setup leader handler"))?;
        Ok(session)
    }

    /// How long one step may take (`-t`).
    pub fn limit(&self) -> Duration {
        self.console.limit()
    }

    /// Subscribes to a port.
    pub async fn register(&self, srvid: Srvid) -> Result<UnboundedReceiver<Message>, Failure> {
        match timeout(self.limit(), self.client.register(srvid)).await {
            Ok(registered) => registered.map_err(|e| Failure::silent(code_of(&e))),
            Err(_) => Err(Failure::silent(libc::ETIMEDOUT)),
        }
    }

    /// Asks a node and waits for its answer.
    pub async fn control<C: Control>(
        &self,
        node: Pnn,
        request: &C::Request,
    ) -> Result<C::Reply, Failure> {
        self.client
            .request::<C>(node, request)
            .timeout(self.limit())
            .send()
            .await
            .map_err(|error| control_failed::<C>(node, &error))
    }

    /// Asks a node for something whose answer is the status itself, e.g. its process id.
    pub async fn status<C: Control>(
        &self,
        node: Pnn,
        request: &C::Request,
    ) -> Result<i32, Failure> {
        let asked = self
            .client
            .request::<C>(node, request)
            .timeout(self.limit());
        let (status, _) = asked
            .status()
            .await
            .map_err(|error| control_failed::<C>(node, &error))?;
        Ok(status)
    }

    /// Asks several nodes at once. Fails, without a message, with the first error or status that is not 0.
    pub async fn control_all<C: Control>(
        &self,
        nodes: &[Pnn],
        request: &C::Request,
    ) -> Result<Vec<(Pnn, C::Reply)>, Failure> {
        let answers = self
            .client
            .control_all::<C>(nodes, request, Some(self.limit()))
            .await;
        let mut replies = Vec::with_capacity(answers.len());
        for (node, answer) in answers {
            replies.push((node, answer.map_err(|e| Failure::silent(code_of(&e)))?));
        }
        Ok(replies)
    }

    /// Makes sure that what was sent is with the daemon before this program ends: what came after it has been
    /// answered.
    pub async fn settle(&self) {
        let _ = self
            .client
            .request::<control::GetPnn>(Pnn::CURRENT, &())
            .timeout(self.limit())
            .status()
            .await;
    }

    /// A message port of our own, and what arrives there.
    pub async fn listen(&mut self) -> Result<(Srvid, UnboundedReceiver<Message>), Failure> {
        self.port += 1;
        let srvid = Srvid(self.port);
        let inbox = self.register(srvid).await?;
        Ok((srvid, inbox))
    }

    /// Ends what [`Self::listen`] began. Nothing depends on whether the daemon has done it.
    pub async fn unlisten(&self, srvid: Srvid) {
        let _ = timeout(self.limit(), self.client.deregister(srvid)).await;
    }

    /// The node map, asked for once. If this node is banned, another one is asked, which knows better.
    /// Answers to `get_nodemap`.
    pub async fn nodemap(&mut self) -> Result<NodeMap, Failure> {
        if let Some(map) = &self.nodemap {
            return Ok(map.clone());
        }
        let map = self.fresh_nodemap().await?;
        self.nodemap = Some(map.clone());
        Ok(map)
    }

    /// For sessions that go on: what was asked once is asked again.
    pub fn forget(&mut self) {
        self.nodemap = None;
    }

    /// The node map as it is now.
    pub async fn fresh_nodemap(&mut self) -> Result<NodeMap, Failure> {
        let mut asked = self.pnn;
        loop {
            let map = self
                .control::<control::GetNodeMap>(asked, &())
                .await
                .map_err(|f| {
                    f.and(format!("Failed to get nodemap from node {asked}"))
                        .with_status(1)
                })?;
            let banned = find(&map, asked).is_some_and(|n| n.flags.contains(NodeFlags::BANNED));
            if !banned {
                return Ok(map);
            }
            asked = match better_node(&map, asked, self.pnn) {
                Some(next) => next,
                None => return Err(Failure::say(1, "Warning: All nodes are banned.")),
            };
        }
    }

    /// Checks that `-n` names a node that can be reached. Answers to `verify_pnn`.
    async fn reachable(&mut self, wanted: i32) -> Result<Pnn, Failure> {
        let pnn = Pnn(wanted as u32);
        let map = self.nodemap().await?;
        let Some(node) = find(&map, pnn) else {
            return Err(Failure::say(1, format!("Node {pnn} does not exist")));
        };
        if node
            .flags
            .intersects(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
        {
            let state = flag_names(node.flags);
            return Err(Failure::say(1, format!("Node {pnn} has status {state}")));
        }
        Ok(pnn)
    }

    /// The leader as last heard, without waiting.
    pub fn last_leader(&mut self) -> Option<Pnn> {
        while let Ok(message) = self.leader.try_recv() {
            if let Some(pnn) = leader_in(&message) {
                self.known_leader = Some(pnn);
                self.leader_heard = Some(Instant::now());
            }
        }
        self.known_leader
    }

    /// The leader, if it was heard within `age`: for sessions that outlive a leader. Whoever calls this often
    /// enough also keeps broadcasts from piling up.
    pub fn recent_leader(&mut self, age: Duration) -> Option<Pnn> {
        let known = self.last_leader();
        let heard = self.leader_heard?;
        known.filter(|_| heard.elapsed() <= age)
    }

    /// How long a leader may say nothing and still be one.
    pub fn silence(&self) -> Duration {
        Duration::from_secs(u64::from(self.console.config.cluster.leader_timeout_s) + 1)
    }

    /// The leader, as its broadcasts say; `None` when none was heard within the time limit.
    pub async fn leader(&mut self) -> Option<Pnn> {
        if let Some(known) = self.last_leader() {
            return Some(known);
        }
        let limit = self.limit();
        self.known_leader = timeout(limit, heard(&mut self.leader)).await.ok();
        self.leader_heard = self.known_leader.map(|_| Instant::now());
        self.known_leader
    }
}

/// The next leader that broadcasts.
async fn heard(inbox: &mut UnboundedReceiver<Message>) -> Pnn {
    while let Some(message) = inbox.recv().await {
        if let Some(pnn) = leader_in(&message) {
            return pnn;
        }
    }
    std::future::pending().await
}

fn leader_in(message: &Message) -> Option<Pnn> {
    ctdb_protocol::wire::all::<Pnn>(&message.data)
        .ok()
        .filter(|pnn| *pnn != Pnn::UNKNOWN)
}

/// The node with this number.
pub fn find(map: &NodeMap, pnn: Pnn) -> Option<&NodeAndFlags> {
    map.nodes.iter().find(|node| node.pnn == pnn)
}

/// Nodes that take part in the databases, without `except`.
pub fn active(map: &NodeMap, except: Option<Pnn>) -> Vec<Pnn> {
    map.without(NodeFlags::INACTIVE)
        .filter(|pnn| Some(*pnn) != except)
        .collect()
}

/// Nodes whose daemons can be reached.
pub fn connected(map: &NodeMap) -> Vec<Pnn> {
    map.without(NodeFlags::DISCONNECTED | NodeFlags::DELETED)
        .collect()
}

/// The next node, round the list, that is neither deleted nor disconnected; `None` back at `start`.
fn better_node(map: &NodeMap, from: Pnn, start: Pnn) -> Option<Pnn> {
    let count = u32::try_from(map.nodes.len())
        .ok()
        .filter(|count| *count > 0)?;
    let mut next = from;
    for _ in 0..count {
        next = Pnn((next.0 + 1) % count);
        if next == start {
            return None;
        }
        let usable = find(map, next).is_some_and(|n| {
            !n.flags
                .intersects(NodeFlags::DELETED | NodeFlags::DISCONNECTED)
        });
        if usable {
            return Some(next);
        }
    }
    None
}

async fn connect(console: &Console) -> Result<Client, Failure> {
    let socket = console.paths.socket("ctdbd");
    // With no time at all C still waits for this answer.
    let limit = console.limit().max(SHORTEST_GREETING);
    let cause = match timeout(limit, Client::connect(&socket)).await {
        Ok(Ok(client)) => return Ok(client),
        Ok(Err(ConnectError::Socket { source, .. })) => {
            format!("connect() failed, errno={}", errno_of(&source))
        }
        Ok(Err(ConnectError::Pnn(error))) => {
            format!("Control GET_PNN failed, ret={}", code_of(&error))
        }
        Err(_) => format!("Control GET_PNN failed, ret={}", libc::ETIMEDOUT),
    };
    let mut failure = Failure::say(1, cause).and(format!(
        "Failed to connect to CTDB daemon ({})",
        socket.display()
    ));
    for line in nodes_file::missing_here(console) {
        failure = failure.and(line);
    }
    Err(failure)
}

/// Upstream's message and exit status for a control that failed.
pub fn control_failed<C: Control>(node: Pnn, error: &ControlError) -> Failure {
    let name = logged_name::<C>();
    let code = code_of(error);
    match error.failure {
        // the client library of upstream leaves without a word
        Cause::Closed => Failure::silent(1),
        Cause::Status { .. } | Cause::Malformed(_) => {
            Failure::say(code, format!("Control {name} failed, ret={code}"))
        }
        Cause::TimedOut => Failure::say(
            code,
            format!("Control {name} failed to node {node}, ret={code}"),
        ),
    }
}

/// Upstream misspells one name in its messages.
fn logged_name<C: Control>() -> &'static str {
    match C::NAME {
        "SET_DB_READONLY" => "SET_DB_READONY",
        name => name,
    }
}

/// The number upstream's client library gives an error.
pub fn code_of(error: &ControlError) -> i32 {
    match &error.failure {
        Cause::Closed => 1,
        Cause::TimedOut => libc::ETIMEDOUT,
        Cause::Status { status, .. } => *status,
        Cause::Malformed(_) => libc::EPROTO,
    }
}
