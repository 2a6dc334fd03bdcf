// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb_takeover_tests ipalloc FLAGS[,FLAGS...] [multi]`: run the daemon's allocation of public
//! addresses on a made-up cluster read from stdin, and print who gets what. UNIT/takeover of
//! upstream's suite drives it.

use std::env;
use std::fmt;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use ctdb_client::procedure::Level;
use ctdb_client::procedure::takeover::allocation::{Algorithm, Journal, Report, Situation};
use ctdb_config::{HomeNode, home_nodes};

/// Node flags that keep a node from hosting: every one but "deleted but connected" combinations,
/// that is disconnected, unhealthy, disabled, banned, deleted, stopped.
const UNUSABLE: i64 = 0x3f;
/// The run state in which a node hosts addresses.
const RUNNING: i64 = 5;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["ipalloc", flags] => allocate(flags, false),
        ["ipalloc", flags, "multi"] => allocate(flags, true),
        _ => Err("usage: ctdb_takeover_tests <op>".to_owned()),
    };
    match outcome {
        Ok(lines) => {
            print!("{lines}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn allocate(flags: &str, multi: bool) -> Result<String, String> {
    let flags: Vec<i64> = flags
        .split(',')
        .filter(|word| !word.is_empty())
        .map(number)
        .collect();
    let nodes = flags.len();
    let known = read_known(io::stdin().lock(), nodes, multi)?;
    let run_states = run_states(nodes)?;
    let usable = |node: usize| flags[node] & UNUSABLE == 0 && run_states[node] == RUNNING;
    let available = (0..nodes)
        .map(|node| {
            if usable(node) {
                known[node].clone()
            } else {
                Vec::new()
            }
        })
        .collect();
    let situation = Situation {
        nodes,
        algorithm: algorithm()?,
        no_ip_takeover: env::var("CTDB_SET_NoIPTakeover").is_ok_and(|text| number(&text) != 0),
        no_ip_failback: false,
        force_rebalance: Vec::new(),
        home_nodes: home_nodes(),
        known,
        available,
    };
    let plan = situation
        .allocate(&mut Stderr::from_environment())
        .unwrap_or_default();
    let line = |addr: IpAddr, owner: Option<usize>| match owner {
        Some(node) => format!("{addr} {node}\n"),
        None => format!("{addr} -1\n"),
    };
    Ok(plan
        .iter()
        .map(|placement| line(placement.addr, placement.owner))
        .collect())
}

fn algorithm() -> Result<Algorithm, String> {
    match env::var("CTDB_IP_ALGORITHM").as_deref() {
        Ok("lcp2") | Err(_) => Ok(Algorithm::Lcp2),
        Ok("nondet") => Ok(Algorithm::NonDeterministic),
        Ok("det") => Ok(Algorithm::Deterministic),
        Ok(other) => Err(format!("ERROR: unknown IP algorithm {other}")),
    }
}

/// The run state of each node: all running unless `CTDB_TEST_RUNSTATE` says otherwise.
fn run_states(nodes: usize) -> Result<Vec<i64>, String> {
    let Ok(text) = env::var("CTDB_TEST_RUNSTATE") else {
        return Ok(vec![RUNNING; nodes]);
    };
    if text == "1" {
        return Ok(vec![1; nodes]);
    }
    let states: Vec<i64> = text.split(',').map(number).collect();
    if states.len() == nodes {
        Ok(states)
    } else {
        Err("ERROR: Wrong number of values in CTDB_TEST_RUNSTATE".to_owned())
    }
}

/// `home_nodes` of the configuration directory, where a test has set one up.
fn home_nodes() -> Vec<HomeNode> {
    let Some(base) = env::var_os("CTDB_BASE") else {
        return Vec::new();
    };
    home_nodes::read(&PathBuf::from(base)).unwrap_or_else(|message| {
        eprintln!("{message}");
        Vec::new()
    })
}

/// What each node knows. One block of lines describes all nodes, or with `multi` one block each.
fn read_known(input: impl BufRead, nodes: usize, multi: bool) -> Result<Vec<Vec<Report>>, String> {
    let mut known = vec![Vec::new(); nodes];
    let mut lines = input.lines().map_while(Result::ok);
    let blocks = if multi { nodes } else { 1 };
    for block in 0..blocks {
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let Some((report, allowed)) = read_line(&line) else {
                continue;
            };
            match (multi, allowed) {
                (true, None) => known[block].push(report),
                (true, Some(_)) => return Err("ERROR, bad token".to_owned()),
                (false, None) => known.iter_mut().for_each(|list| list.push(report)),
                (false, Some(allowed)) => {
                    for node in allowed {
                        let list = known.get_mut(node);
                        list.ok_or_else(|| format!("ERROR, no node {node}"))?
                            .push(report);
                    }
                }
            }
        }
    }
    Ok(known)
}

/// One line `IP PNN [NODE,NODE...]`; `None` after a complaint if it has no usable address.
fn read_line(line: &str) -> Option<(Report, Option<Vec<usize>>)> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(word) = words.next() else {
        eprintln!("WARNING, bad line ignored :{line}");
        return None;
    };
    let Ok(addr) = word.parse::<IpAddr>() else {
        eprintln!("ERROR, bad address :{word}");
        return None;
    };
    let pnn = words
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(u32::MAX);
    let allowed = words
        .next()
        .and_then(|word| word.split('#').find(|part| !part.is_empty()));
    let allowed = allowed.map(|list| {
        list.split(',')
            .filter_map(|node| node.parse().ok())
            .collect()
    });
    Some((
        Report {
            addr: addr.to_canonical(),
            pnn,
        },
        allowed,
    ))
}

/// A number as C's `strtol` with base 0 reads it; 0 if it is none.
fn number(text: &str) -> i64 {
    let text = text.trim();
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    hexadecimal
        .map_or_else(|| text.parse(), |digits| i64::from_str_radix(digits, 16))
        .unwrap_or(0)
}

/// The allocator's lines, bare, on stderr.
struct Stderr(Level);

impl Stderr {
    fn from_environment() -> Self {
        let level = match env::var("CTDB_TEST_LOGLEVEL").as_deref() {
            Ok("ERR" | "ERROR" | "0") => Level::Error,
            Ok("WARNING" | "1" | "2") => Level::Warning,
            Ok("NOTICE" | "3" | "4") => Level::Notice,
            Ok("INFO" | "5" | "6" | "7" | "8" | "9") => Level::Info,
            _ => Level::Debug,
        };
        Self(level)
    }
}

impl Journal for Stderr {
    fn wants(&self, level: Level) -> bool {
        level <= self.0
    }

    fn line(&mut self, _level: Level, text: fmt::Arguments<'_>) {
        eprintln!("{text}");
    }
}
