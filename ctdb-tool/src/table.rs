// SPDX-License-Identifier: GPL-3.0-or-later
//! The commands: one row each. Help texts, completion files and dispatch all come from here.

use crate::command;
use crate::failure::Outcome;
use crate::session::{Console, Session};
use std::pin::Pin;

/// A command at work.
pub type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// What is done, and what it needs.
#[derive(Clone, Copy)]
pub enum Action {
    /// Says what is in this table.
    Help,
    /// Works without a daemon; no node can be named.
    Alone(fn(&mut Console, &[String]) -> Outcome),
    /// Works without a daemon, unless `-v` asks for more.
    AloneOrVerbose(
        fn(&mut Console, &[String]) -> Outcome,
        for<'a> fn(&'a mut Session, &'a [String]) -> Running<'a>,
    ),
    /// Talks to the local daemon.
    Daemon(for<'a> fn(&'a mut Session, &'a [String]) -> Running<'a>),
}

/// Which nodes `-n` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only the node the command runs on.
    Here,
    /// Any connected node.
    Anywhere,
}

/// What a command is about; the order is that of `ctdb --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Looking at nodes and the cluster.
    Status,
    /// Changing what a node does.
    Control,
    /// Public addresses and connections.
    Address,
    /// Whole databases.
    Database,
    /// Single records.
    Record,
    /// Tunable variables.
    Tunable,
    /// Event scripts.
    Event,
    /// Counters, logs and memory.
    Debug,
}

impl Group {
    /// Every group, in the order of the help text.
    pub const ALL: [Self; 8] = [
        Self::Status,
        Self::Control,
        Self::Address,
        Self::Database,
        Self::Record,
        Self::Tunable,
        Self::Event,
        Self::Debug,
    ];

    /// The headline.
    pub fn title(self) -> &'static str {
        match self {
            Self::Status => "Nodes and cluster",
            Self::Control => "Node control",
            Self::Address => "Public addresses and connections",
            Self::Database => "Databases",
            Self::Record => "Records",
            Self::Tunable => "Tunable variables",
            Self::Event => "Event scripts",
            Self::Debug => "Statistics and debugging",
        }
    }
}

/// One command.
pub struct Command {
    /// What is typed.
    pub name: &'static str,
    /// The arguments, as the usage text shows them.
    pub args: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// Where the grouped help lists it.
    pub group: Group,
    /// Whether `-n` may name another node.
    pub reach: Reach,
    /// The code.
    pub run: Action,
}

macro_rules! alone {
    ($function:path) => {
        Action::Alone($function)
    };
}

macro_rules! daemon {
    ($function:path) => {
        Action::Daemon(|session, args| Box::pin($function(session, args)))
    };
}

/// Every command: upstream's in upstream's order, which is that of the plain help text, then ours.
#[rustfmt::skip]
pub const COMMANDS: &[Command] = &[
    Command { name: "version", args: "", help: "show version of ctdb", group: Group::Status, reach: Reach::Here, run: Action::AloneOrVerbose(command::status::version, |session, args| Box::pin(command::upgrade::versions(session, args))) },
    Command { name: "status", args: "", help: "show node status", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::status) },
    Command { name: "uptime", args: "", help: "show node uptime", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::uptime) },
    Command { name: "ping", args: "", help: "ping a node", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::ping) },
    Command { name: "runstate", args: "[setup|first_recovery|startup|running]", help: "get/check runstate of a node", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::runstate) },
    Command { name: "getvar", args: "<name>", help: "get a tunable variable", group: Group::Tunable, reach: Reach::Anywhere, run: daemon!(command::tunable::getvar) },
    Command { name: "setvar", args: "<name> <value>", help: "set a tunable variable", group: Group::Tunable, reach: Reach::Anywhere, run: daemon!(command::tunable::setvar) },
    Command { name: "listvars", args: "", help: "list tunable variables", group: Group::Tunable, reach: Reach::Anywhere, run: daemon!(command::tunable::listvars) },
    Command { name: "statistics", args: "", help: "show ctdb statistics", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::statistics::statistics) },
    Command { name: "statisticsreset", args: "", help: "reset ctdb statistics", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::statistics::statisticsreset) },
    Command { name: "stats", args: "[count]", help: "show rolling statistics", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::statistics::stats) },
    Command { name: "ip", args: "[all]", help: "show public ips", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::address::ip) },
    Command { name: "ipinfo", args: "<ip>", help: "show public ip details", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::address::ipinfo) },
    Command { name: "ifaces", args: "", help: "show interfaces", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::address::ifaces) },
    Command { name: "setifacelink", args: "<iface> up|down", help: "set interface link status", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::address::setifacelink) },
    Command { name: "process-exists", args: "<pid> [<srvid>]", help: "check if a process exists on a node", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::process_exists) },
    Command { name: "getdbmap", args: "", help: "show attached databases", group: Group::Database, reach: Reach::Anywhere, run: daemon!(command::database::getdbmap) },
    Command { name: "getdbstatus", args: "<dbname|dbid>", help: "show database status", group: Group::Database, reach: Reach::Anywhere, run: daemon!(command::database::getdbstatus) },
    Command { name: "catdb", args: "<dbname|dbid>", help: "dump cluster-wide ctdb database", group: Group::Database, reach: Reach::Here, run: daemon!(command::dump::catdb) },
    Command { name: "cattdb", args: "<dbname|dbid>", help: "dump local ctdb database", group: Group::Database, reach: Reach::Here, run: daemon!(command::dump::cattdb) },
    Command { name: "getcapabilities", args: "", help: "show node capabilities", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::getcapabilities) },
    Command { name: "pnn", args: "", help: "show the pnn of the current node", group: Group::Status, reach: Reach::Here, run: daemon!(command::status::pnn) },
    Command { name: "lvs", args: "leader|list|status", help: "show lvs configuration", group: Group::Address, reach: Reach::Here, run: daemon!(command::helper::lvs) },
    Command { name: "setdebug", args: "ERROR|WARNING|NOTICE|INFO|DEBUG", help: "set debug level", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::debug::setdebug) },
    Command { name: "getdebug", args: "", help: "get debug level", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::debug::getdebug) },
    Command { name: "attach", args: "<dbname> [persistent|replicated]", help: "attach a database", group: Group::Database, reach: Reach::Here, run: daemon!(command::database::attach) },
    Command { name: "detach", args: "<dbname|dbid> ...", help: "detach database(s)", group: Group::Database, reach: Reach::Here, run: daemon!(command::database::detach) },
    Command { name: "dumpmemory", args: "", help: "dump ctdbd memory map", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::debug::dumpmemory) },
    Command { name: "rddumpmemory", args: "", help: "dump recoverd memory map", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::debug::rddumpmemory) },
    Command { name: "getpid", args: "", help: "get ctdbd process ID", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::getpid) },
    Command { name: "disable", args: "", help: "disable a node", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::flag::disable) },
    Command { name: "enable", args: "", help: "enable a node", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::flag::enable) },
    Command { name: "stop", args: "", help: "stop a node", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::flag::stop) },
    Command { name: "continue", args: "", help: "continue a stopped node", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::flag::continue_node) },
    Command { name: "ban", args: "<bantime>", help: "ban a node", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::flag::ban) },
    Command { name: "unban", args: "", help: "unban a node", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::flag::unban) },
    Command { name: "shutdown", args: "", help: "shutdown ctdb daemon", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::control::shutdown) },
    Command { name: "recover", args: "", help: "force recovery", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::control::recover) },
    Command { name: "sync", args: "", help: "run ip reallocation (deprecated)", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::failover::ipreallocate) },
    Command { name: "ipreallocate", args: "", help: "run ip reallocation", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::failover::ipreallocate) },
    Command { name: "gratarp", args: "<ip> <interface>", help: "send a gratuitous arp", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::tickle::gratarp) },
    Command { name: "tickle", args: "<srcip:port> <dstip:port>", help: "send a tcp tickle ack", group: Group::Address, reach: Reach::Here, run: alone!(command::tickle::tickle) },
    Command { name: "gettickles", args: "<ip> [<port>]", help: "get the list of tickles", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::tickle::gettickles) },
    Command { name: "addtickle", args: "<ip>:<port> <ip>:<port>", help: "add a tickle", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::tickle::addtickle) },
    Command { name: "deltickle", args: "<ip>:<port> <ip>:<port>", help: "delete a tickle", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::tickle::deltickle) },
    Command { name: "listnodes", args: "", help: "list nodes in the cluster", group: Group::Status, reach: Reach::Anywhere, run: alone!(command::nodes_file::listnodes) },
    Command { name: "reloadnodes", args: "", help: "reload the nodes file all nodes", group: Group::Control, reach: Reach::Here, run: daemon!(command::nodes_file::reloadnodes) },
    Command { name: "moveip", args: "<ip> <node>", help: "move an ip address to another node", group: Group::Address, reach: Reach::Here, run: daemon!(command::failover::moveip) },
    Command { name: "addip", args: "<ip/mask> <iface>", help: "add an ip address to a node", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::failover::addip) },
    Command { name: "delip", args: "<ip>", help: "delete an ip address from a node", group: Group::Address, reach: Reach::Anywhere, run: daemon!(command::failover::delip) },
    Command { name: "backupdb", args: "<dbname|dbid> <file>", help: "backup a database into a file", group: Group::Database, reach: Reach::Here, run: daemon!(command::backup::backupdb) },
    Command { name: "restoredb", args: "<file> [dbname]", help: "restore a database from a file", group: Group::Database, reach: Reach::Here, run: daemon!(command::backup::restoredb) },
    Command { name: "dumpdbbackup", args: "<file>", help: "dump database from a backup file", group: Group::Database, reach: Reach::Here, run: alone!(command::backup::dumpdbbackup) },
    Command { name: "wipedb", args: "<dbname|dbid>", help: "wipe the contents of a database.", group: Group::Database, reach: Reach::Here, run: daemon!(command::backup::wipedb) },
    Command { name: "leader", args: "", help: "show the pnn of the leader", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::leader) },
    Command { name: "event", args: "", help: "event and event script commands", group: Group::Event, reach: Reach::Here, run: alone!(command::helper::event) },
    Command { name: "scriptstatus", args: "[init|setup|startup|monitor|takeip|releaseip|ipreallocated]", help: "show event script status", group: Group::Event, reach: Reach::Here, run: alone!(command::helper::scriptstatus) },
    Command { name: "natgw", args: "leader|list|status", help: "show natgw configuration", group: Group::Address, reach: Reach::Here, run: daemon!(command::helper::natgw) },
    Command { name: "getreclock", args: "", help: "get recovery lock file", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::getreclock) },
    Command { name: "setlmasterrole", args: "on|off", help: "set LMASTER role", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::control::setlmasterrole) },
    Command { name: "setleaderrole", args: "on|off", help: "set LEADER role", group: Group::Control, reach: Reach::Anywhere, run: daemon!(command::control::setleaderrole) },
    Command { name: "setdbreadonly", args: "<dbname|dbid>", help: "enable readonly records", group: Group::Database, reach: Reach::Anywhere, run: daemon!(command::database::setdbreadonly) },
    Command { name: "setdbsticky", args: "<dbname|dbid>", help: "enable sticky records", group: Group::Database, reach: Reach::Anywhere, run: daemon!(command::database::setdbsticky) },
    Command { name: "pfetch", args: "<dbname|dbid> <key>", help: "fetch record from persistent database", group: Group::Record, reach: Reach::Here, run: daemon!(command::transaction::pfetch) },
    Command { name: "pstore", args: "<dbname|dbid> <key> <value>", help: "write record to persistent database", group: Group::Record, reach: Reach::Here, run: daemon!(command::transaction::pstore) },
    Command { name: "pdelete", args: "<dbname|dbid> <key>", help: "delete record from persistent database", group: Group::Record, reach: Reach::Here, run: daemon!(command::transaction::pdelete) },
    Command { name: "ptrans", args: "<dbname|dbid> [<file>]", help: "update a persistent database (from file or stdin)", group: Group::Record, reach: Reach::Here, run: daemon!(command::transaction::ptrans) },
    Command { name: "tfetch", args: "<tdb-file> <key> [<file>]", help: "fetch a record", group: Group::Record, reach: Reach::Anywhere, run: daemon!(command::file::tfetch) },
    Command { name: "tstore", args: "<tdb-file> <key> <data> [<rsn> <dmaster> <flags>]", help: "store a record", group: Group::Record, reach: Reach::Anywhere, run: daemon!(command::file::tstore) },
    Command { name: "readkey", args: "<dbname|dbid> <key> [readonly]", help: "read value of a database key", group: Group::Record, reach: Reach::Here, run: daemon!(command::record::readkey) },
    Command { name: "writekey", args: "<dbname|dbid> <key> <value>", help: "write value for a database key", group: Group::Record, reach: Reach::Here, run: daemon!(command::record::writekey) },
    Command { name: "deletekey", args: "<dbname|dbid> <key>", help: "delete a database key", group: Group::Record, reach: Reach::Here, run: daemon!(command::record::deletekey) },
    Command { name: "checktcpport", args: "<port>", help: "check if a service is bound to a specific tcp port or not", group: Group::Status, reach: Reach::Here, run: alone!(command::control::checktcpport) },
    Command { name: "getdbseqnum", args: "<dbname|dbid>", help: "get database sequence number", group: Group::Database, reach: Reach::Here, run: daemon!(command::database::getdbseqnum) },
    Command { name: "nodestatus", args: "[all|<pnn-list>]", help: "show and return node status", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::status::nodestatus) },
    Command { name: "dbstatistics", args: "<dbname|dbid>", help: "show database statistics", group: Group::Database, reach: Reach::Anywhere, run: daemon!(command::statistics::dbstatistics) },
    Command { name: "reloadips", args: "[all|<pnn-list>]", help: "reload the public addresses file", group: Group::Address, reach: Reach::Here, run: daemon!(command::failover::reloadips) },
    Command { name: "pushrecord", args: "<dbname|dbid> <key> <value>", help: "push a record to all nodes", group: Group::Record, reach: Reach::Here, run: daemon!(command::record::pushrecord) },
    Command { name: "health", args: "", help: "check the cluster, say in one line each what is wrong", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::health::health) },
    Command { name: "upgrade-check", args: "", help: "say whether a node may be replaced now, and why not", group: Group::Status, reach: Reach::Here, run: daemon!(command::upgrade::upgrade_check) },
    Command { name: "config", args: "check|validate|dump|get <section> <key>", help: "check the configuration files, show what is in force", group: Group::Status, reach: Reach::Here, run: alone!(command::helper::config) },
    Command { name: "locks", args: "[all] [<dbname|dbid>]", help: "show who holds and who waits for record locks", group: Group::Debug, reach: Reach::Anywhere, run: daemon!(command::locks::locks) },
    Command { name: "top", args: "[<seconds>]", help: "watch nodes, calls, hot records and databases", group: Group::Status, reach: Reach::Anywhere, run: daemon!(command::top::top) },
    Command { name: "help", args: "[<command>]", help: "show help, all or of one command", group: Group::Status, reach: Reach::Here, run: Action::Help },
];

/// The command of this name.
pub fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = COMMANDS.iter().map(|c| c.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn upstreams_commands_are_all_there() {
        assert_eq!(
            COMMANDS.iter().position(|c| c.name == "reloadips"),
            Some(76)
        );
    }
}
