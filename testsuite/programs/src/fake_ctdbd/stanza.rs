//! The cluster's description: stanzas, each a word on a line of its own, then its lines, then a
//! blank line or the end.

use std::io::BufRead;

use ctdb_config::level::Level;
use ctdb_config::nodes::parse_address;
use ctdb_protocol::types::{Capabilities, DbFlags, NodeFlags, PublicIp, RunState, SockAddr};
use ctdb_protocol::{DbId, Generation, PORT, Pnn};

use super::cluster::{Cluster, Failing, Interface, Node};
use super::database::Database;
use super::options::Options;

/// Reads a description.
pub(super) fn read(input: impl BufRead, options: &Options) -> Result<Cluster, String> {
    let mut cluster = Cluster::new(options.dbdir.clone(), options.level);
    let mut lines = input.lines().map(|line| line.unwrap_or_default());
    while let Some(word) = lines.next() {
        let body = lines.by_ref();
        match word.as_str() {
            "NODEMAP" => nodes(&mut cluster, &stanza(body))?,
            "IFACES" => interfaces(&mut cluster, &stanza(body))?,
            "VNNMAP" => vnn_map(&mut cluster, &stanza(body))?,
            "DBMAP" => databases(&mut cluster, &stanza(body))?,
            "PUBLICIPS" => public_ips(&mut cluster, &stanza(body))?,
            "CONTROLFAILS" => control_failures(&mut cluster, &stanza(body))?,
            "RECLOCK" => cluster.reclock = Some(line(body).ok_or("Parsing reclock failed")?),
            "RUNSTATE" => cluster.runstate = run_state(line(body))?,
            "USENODESCOMMAND" => {
                eprintln!("Using nodes command");
                cluster.nodes_command = true;
            }
            _ => return Err(format!("Unknown line {word}")),
        }
    }
    if cluster.vnn_map.generation == Generation::INVALID {
        cluster.renew_generation();
    }
    Ok(cluster)
}

/// The lines up to a blank one.
fn stanza(lines: &mut impl Iterator<Item = String>) -> Vec<String> {
    lines.take_while(|line| !line.is_empty()).collect()
}

/// One line, and the blank one behind it.
fn line(lines: &mut impl Iterator<Item = String>) -> Option<String> {
    let line = lines.next().filter(|line| !line.is_empty());
    lines.next();
    line
}

fn bad(line: &str, why: &str) {
    eprintln!("bad line ({line}) - {why}");
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t']).filter(|word| !word.is_empty())
}

/// A number as C's `strtoul` with base 0 reads it: what is no digit ends it.
fn number(text: &str) -> u32 {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let digits = digits.chars().map_while(|digit| digit.to_digit(radix));
    digits.fold(0, |value: u32, digit| {
        value.wrapping_mul(radix).wrapping_add(digit)
    })
}

/// `PNN IP FLAGS [CURRENT] [RECMASTER] [-CTDB_CAP_RECMASTER] [-CTDB_CAP_LMASTER] [TIMEOUT]`
fn nodes(cluster: &mut Cluster, lines: &[String]) -> Result<(), String> {
    for line in lines {
        let mut words = words(line);
        let (Some(pnn), Some(ip), Some(flags)) = (words.next(), words.next(), words.next()) else {
            bad(line, "missing PNN, IP or flags");
            continue;
        };
        let Some(ip) = parse_address(ip) else {
            bad(line, "invalid IP");
            continue;
        };
        let flags = NodeFlags::from_bits_retain(number(flags));
        let mut node = Node {
            pnn: Pnn(number(pnn)),
            addr: SockAddr::from(ip).with_port(PORT),
            flags,
            capabilities: Capabilities::RECMASTER | Capabilities::LMASTER,
            silent: false,
            quiet: None,
        };
        if flags.contains(NodeFlags::DELETED) {
            node.addr = nowhere().with_port(PORT);
        }
        for word in words {
            match word {
                "CURRENT" => cluster.own = node.pnn,
                "RECMASTER" => cluster.leader = node.pnn,
                "-CTDB_CAP_RECMASTER" => node.capabilities -= Capabilities::RECMASTER,
                "-CTDB_CAP_LMASTER" => node.capabilities -= Capabilities::LMASTER,
                "TIMEOUT" => node.silent = true,
                _ => {}
            }
        }
        cluster.nodes.push(node);
    }
    if cluster.nodes.is_empty() {
        Err(String::new())
    } else {
        Ok(())
    }
}

/// The address of a deleted node.
pub(super) fn nowhere() -> SockAddr {
    std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED).into()
}

/// `:NAME:LINK:REFERENCES:` below a header.
fn interfaces(cluster: &mut Cluster, lines: &[String]) -> Result<(), String> {
    for line in lines
        .iter()
        .filter(|line| *line != ":Name:LinkStatus:References:")
    {
        let fields: Vec<&str> = line.split(':').filter(|field| !field.is_empty()).collect();
        let [name, link, references, ..] = fields.as_slice() else {
            bad(line, "missing name, link state or references");
            continue;
        };
        cluster.interfaces.push(Interface {
            name: (*name).to_owned(),
            link_up: number(link) != 0,
            references: number(references),
        });
    }
    match cluster.interfaces.is_empty() {
        true => Err("Parsing interfaces failed".to_owned()),
        false => Ok(()),
    }
}

/// The generation, then one node a line.
fn vnn_map(cluster: &mut Cluster, lines: &[String]) -> Result<(), String> {
    let mut numbers = lines.iter().map(|line| number(line));
    if let Some(generation) = numbers.next() {
        cluster.vnn_map.generation = Generation(generation);
    }
    cluster.vnn_map.nodes.extend(numbers.map(Pnn));
    match cluster.vnn_map.nodes.is_empty() {
        true => Err("Parsing vnnmap failed".to_owned()),
        false => Ok(()),
    }
}

/// `ID NAME [PERSISTENT|STICKY|READONLY|REPLICATED] [SEQNUM]`
fn databases(cluster: &mut Cluster, lines: &[String]) -> Result<(), String> {
    for line in lines {
        let mut words = words(line);
        let (Some(id), Some(name)) = (words.next(), words.next()) else {
            bad(line, "missing ID or NAME");
            continue;
        };
        let mut flags = DbFlags::empty();
        let mut sequence = 0;
        for word in words {
            match word {
                "PERSISTENT" => flags |= DbFlags::PERSISTENT,
                "STICKY" => flags |= DbFlags::STICKY,
                "READONLY" => flags |= DbFlags::READONLY,
                "REPLICATED" => flags |= DbFlags::REPLICATED,
                _ if !word.starts_with(|first: char| first.is_ascii_digit()) => {}
                _ if !flags.intersects(DbFlags::PERSISTENT | DbFlags::REPLICATED) => {
                    return Err("seq_num for volatile db".to_owned());
                }
                _ => sequence = u64::from(number(word)),
            }
        }
        let path = cluster.dbdir.join(name);
        let id = DbId(number(id));
        cluster
            .databases
            .push(Database::listed(id, name, path, flags, sequence));
    }
    if cluster.databases.is_empty() {
        Err(String::new())
    } else {
        Ok(())
    }
}

/// `IP PNN [ALLOWED_PNN,...]`
fn public_ips(cluster: &mut Cluster, lines: &[String]) -> Result<(), String> {
    if cluster.nodes.is_empty() {
        return Err("Must initialise nodemap before public IPs".to_owned());
    }
    let mut known = vec![Vec::new(); cluster.nodes.len()];
    for line in lines {
        let mut words = words(line);
        let Some(ip) = words.next().and_then(parse_address) else {
            cluster.log(Level::Error, || format!("ERROR, bad address :{line}"));
            continue;
        };
        let pnn = words.next().map_or(Pnn::UNKNOWN, holder);
        let public = PublicIp {
            pnn,
            addr: ip.into(),
        };
        let Some(allowed) = words.next() else {
            known.iter_mut().for_each(|known| known.push(public));
            continue;
        };
        for allowed in allowed
            .split([',', '#'])
            .filter_map(|pnn| pnn.parse::<usize>().ok())
        {
            let known = known
                .get_mut(allowed)
                .ok_or("PUBLICIPS names an unknown node")?;
            known.push(public);
        }
    }
    // Upstream looks at the first node's list to see whether there is anything.
    if known.first().is_none_or(Vec::is_empty) {
        return Err(String::new());
    }
    cluster.known_ips = Some(known);
    Ok(())
}

/// Who holds an address; -1 is nobody.
fn holder(text: &str) -> Pnn {
    Pnn(text.parse::<i32>().unwrap_or(-1).cast_unsigned())
}

/// `OPCODE PNN ERROR|TIMEOUT COMMENT`
fn control_failures(cluster: &mut Cluster, lines: &[String]) -> Result<(), String> {
    for line in lines {
        let mut words = words(line);
        let (Some(opcode), Some(pnn), Some(kind), Some(_)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            bad(line, "missing opcode, PNN, errno or comment");
            continue;
        };
        let comment = line
            .split_once(kind)
            .map_or("", |(_, comment)| comment.trim_start());
        let refusal = match kind {
            "ERROR" => Some(comment.to_owned()),
            "TIMEOUT" => None,
            _ => {
                let why = "error must be \"ERROR\" or \"TIMEOUT\"";
                return Err(format!("bad line ({line}) - {why}"));
            }
        };
        cluster.failing.push(Failing {
            opcode: number(opcode),
            pnn: pnn_or_any(pnn),
            refusal,
        });
    }
    if cluster.failing.is_empty() {
        Err(String::new())
    } else {
        Ok(())
    }
}

/// A node's number; -1 is every node, as all-ones is.
fn pnn_or_any(text: &str) -> Pnn {
    match text.strip_prefix('-') {
        Some(text) => Pnn(number(text).wrapping_neg()),
        None => Pnn(number(text)),
    }
}

fn run_state(line: Option<String>) -> Result<RunState, String> {
    let name = line.unwrap_or_default();
    let known = RunState::NAMED
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(&name));
    match known {
        Some((state, _)) if *state != RunState::UNKNOWN => Ok(*state),
        _ => Err("Parsing runstate failed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            dbdir: "/tmp".into(),
            socket: "/tmp/socket".into(),
            pidfile: "/tmp/pid".into(),
            level: Level::Error,
        }
    }

    #[test]
    fn numbers_are_c_numbers() {
        assert_eq!(
            ["0x1F", "017", "12", "5x", ""].map(number),
            [31, 15, 12, 5, 0]
        );
        assert_eq!(pnn_or_any("-1"), Pnn::UNKNOWN);
    }

    #[test]
    fn a_whole_cluster() {
        let text = "NODEMAP\n0 192.168.20.41 0x0 CURRENT RECMASTER\n1 192.168.20.42 0x10\n\n\
                    VNNMAP\n654321\n0\n1\n\nPUBLICIPS\n10.0.0.31 0\n10.0.0.32 -1 1\n\n\
                    RUNSTATE\nSTARTUP\n\nRECLOCK\n/lock\n\nDBMAP\n0x7a19d84d a.tdb PERSISTENT 42\n";
        let cluster = read(text.as_bytes(), &options()).expect("it is well-formed");
        assert_eq!((cluster.own, cluster.leader), (Pnn(0), Pnn(0)));
        assert_eq!(cluster.nodes[1].addr, nowhere().with_port(PORT));
        assert_eq!(cluster.vnn_map.nodes, [Pnn(0), Pnn(1)]);
        let known = cluster.known_ips.expect("there are some");
        assert_eq!((known[0].len(), known[1].len()), (1, 2));
        assert_eq!(known[1][1].pnn, Pnn::UNKNOWN);
        assert_eq!(cluster.runstate, RunState::STARTUP);
        assert_eq!(cluster.reclock.as_deref(), Some("/lock"));
    }

    #[test]
    fn unknown_words_are_refused() {
        let read = read("NODES\n".as_bytes(), &options());
        assert_eq!(read.map(|_| ()), Err("Unknown line NODES".to_owned()));
    }
}
