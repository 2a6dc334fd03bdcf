// SPDX-License-Identifier: GPL-3.0-or-later
//! The nodes list: one address per line, the line's index is the node's number. Out of a file,
//! or from a command (`!command arguments`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The port where the service `ctdb` is not known to the machine.
pub const DEFAULT_PORT: u16 = 4379;

/// A line that stands for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLine {
    /// Its address; 0.0.0.0 for a deleted node.
    pub address: IpAddr,
    /// The line is commented out: the number stays taken, the node is gone.
    pub deleted: bool,
}

/// Why a list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodesError {
    /// A line is no address.
    #[error("Invalid node address {0}")]
    Address(String),
    /// Two lines are the same node.
    #[error("Duplicate node address {address}: lines {first} and {second} of the nodes list")]
    Duplicate {
        /// The address.
        address: IpAddr,
        /// The line where it stands first, counted from 1.
        first: usize,
        /// Where it stands again.
        second: usize,
    },
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// Its path.
        path: String,
        /// The reason.
        reason: String,
    },
    /// The command cannot be run.
    #[error("sys_popenv: ERROR executing command '{program}': {reason}")]
    Command {
        /// Its first word.
        program: String,
        /// The reason, as strerror says it.
        reason: String,
    },
    /// The command wrote nothing.
    #[error("no output from command '{0}'")]
    NoOutput(String),
}

/// The list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes(pub Vec<NodeLine>);

impl Nodes {
    /// Reads a list from a file, or from the output of a command if `location` starts with
    /// `!`. The command is split at blanks and run without a shell; its standard error goes
    /// where ours goes, and its exit status does not count if it wrote a list. Answers to
    /// `ctdb_read_nodes`.
    pub fn read(location: &str) -> Result<Self, NodesError> {
        let text = match location.strip_prefix('!') {
            Some(command) => output_of(command)?,
            None => std::fs::read(location).map_err(|e| NodesError::File {
                path: location.to_owned(),
                reason: reason(&e),
            })?,
        };
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// Takes the text of a list apart.
    pub fn parse(text: &str) -> Result<Self, NodesError> {
        let mut nodes = Vec::new();
        let mut seen = BTreeMap::new();
        for (second, line) in (1..).zip(text.lines()) {
            let line = line.trim_matches([' ', '\t', '\r']);
            if line.is_empty() {
                continue;
            }
            let node = node(line)?;
            let address = node.address;
            if !node.deleted
                && let Some(first) = seen.insert(address, second)
            {
                return Err(NodesError::Duplicate {
                    address,
                    first,
                    second,
                });
            }
            nodes.push(node);
        }
        Ok(Self(nodes))
    }
}

fn node(line: &str) -> Result<NodeLine, NodesError> {
    if line.starts_with('#') {
        return Ok(NodeLine {
            address: Ipv4Addr::UNSPECIFIED.into(),
            deleted: true,
        });
    }
    let address = parse_address(line).ok_or_else(|| NodesError::Address(line.to_owned()))?;
    Ok(NodeLine {
        address,
        deleted: false,
    })
}

/// An address as upstream writes and reads it: IPv6 may stand in brackets, IPv4 that is mapped
/// into IPv6 becomes IPv4.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    if !text.contains(':') {
        return text.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    let inner = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text);
    let address: Ipv6Addr = inner.parse().ok()?;
    Some(match address.to_ipv4_mapped() {
        Some(mapped) => mapped.into(),
        None => address.into(),
    })
}

fn output_of(command: &str) -> Result<Vec<u8>, NodesError> {
    let mut words = command.split([' ', '\t']).filter(|word| !word.is_empty());
    let program = words.next().unwrap_or("");
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| NodesError::Command {
            program: program.to_owned(),
            reason: reason(&e),
        })?;
    if output.stdout.is_empty() {
        return Err(NodesError::NoOutput(command.to_owned()));
    }
    Ok(output.stdout)
}

/// The system's words for an error, without Rust's number behind them.
fn reason(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The TCP port of all nodes: the service `ctdb` of `/etc/services`, else 4379. Looked up once.
pub fn port() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        std::fs::read_to_string("/etc/services")
            .ok()
            .and_then(|services| service_port(&services, "ctdb"))
            .unwrap_or(DEFAULT_PORT)
    })
}

/// A TCP service's port by name or alias.
fn service_port(services: &str, wanted: &str) -> Option<u16> {
    services.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let name = words.next()?;
        let port = words.next()?.strip_suffix("/tcp")?;
        if name == wanted || words.any(|alias| alias == wanted) {
            port.parse().ok()
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(text: &str) -> NodeLine {
        NodeLine {
            address: text.parse().unwrap(),
            deleted: false,
        }
    }

    #[test]
    fn comments_are_deleted_nodes_and_blank_lines_take_no_number() {
        let nodes =
            Nodes::parse("10.0.0.1\n\n \t#10.0.0.2\n ::ffff:10.0.0.3 \nfd00::4\n\n").unwrap();
        assert_eq!(nodes.0.len(), 4);
        assert_eq!(nodes.0[0], live("10.0.0.1"));
        assert!(nodes.0[1].deleted && nodes.0[1].address.is_unspecified());
        assert_eq!(nodes.0[2], live("10.0.0.3"));
        assert_eq!(nodes.0[3], live("fd00::4"));
    }

    #[test]
    fn what_is_no_address_is_named() {
        let e = Nodes::parse("10.0.0.1\n<nodes>\n").unwrap_err();
        assert_eq!(e.to_string(), "Invalid node address <nodes>");
        assert!(Nodes::parse("10.0.0.1:4379").is_err());
    }

    #[test]
    fn a_node_that_is_there_twice_is_named_with_both_lines() {
        let e = Nodes::parse("10.0.0.1\n\n#10.0.0.2\n10.0.0.2\n ::ffff:10.0.0.1\n").unwrap_err();
        assert_eq!(
            e.to_string(),
            "Duplicate node address 10.0.0.1: lines 1 and 5 of the nodes list"
        );
        // Deleted nodes have no address.
        assert!(Nodes::parse("#10.0.0.1\n#10.0.0.1\n10.0.0.1\n").is_ok());
    }

    #[test]
    fn commands_are_run_without_a_shell() {
        let nodes =
            Nodes::read("!/usr/bin/printf %s\\n%s\\n 192.168.20.41  192.168.20.42").unwrap();
        assert_eq!(nodes.0, [live("192.168.20.41"), live("192.168.20.42")]);
        let e = Nodes::read("!/nonexistent/nodes.sh").unwrap_err();
        assert_eq!(
            e.to_string(),
            "sys_popenv: ERROR executing command '/nonexistent/nodes.sh': No such file or directory"
        );
        assert_eq!(
            Nodes::read("!true"),
            Err(NodesError::NoOutput("true".into()))
        );
    }

    #[test]
    fn the_service_may_be_an_alias() {
        let services = "a 1/tcp # ctdb\nx 2/udp ctdb\ny\t4380/tcp  z ctdb\n";
        assert_eq!(service_port(services, "ctdb"), Some(4380));
        assert_eq!(service_port("ctdb 4379/tcp\n", "ctdb"), Some(4379));
        assert_eq!(service_port(services, "none"), None);
    }
}
