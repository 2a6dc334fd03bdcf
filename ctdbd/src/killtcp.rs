// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb_killtcp IFACE [SRC:PORT DST:PORT]`: resets TCP connections whose local end is about to lose
//! its address. Pairs come from the command line or one a line from stdin. The first address of a
//! pair is the end that is forged, the second the end that is to drop the connection.
//!
//! Nobody knows the sequence numbers of a foreign connection, so the second end is asked: a bare ACK
//! in the name of the first makes it answer with the numbers it expects. The answer is captured, and
//! a reset with these numbers follows.

use std::collections::BTreeSet;
use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::packet_socket::{Capture, SegmentSender};

const ROUND: Duration = Duration::from_millis(100);
const ROUNDS: u32 = 50;
/// Most ACKs sent in one round.
const BATCH: usize = 300;

/// One connection: the end in whose name packets are sent, and the end that is to be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    forged: SocketAddr,
    hit: SocketAddr,
}

/// Does the program's work; `args` without the program's name.
///
/// # Errors
/// What went wrong, as one line for stderr.
pub fn run(args: &[&str]) -> Result<(), Failure> {
    let pairs = match args {
        [_interface] => read_pairs(io::stdin().lock()).map_err(Failure::Failed)?,
        [_interface, forged, hit] => [read_pair(forged, hit).map_err(Failure::Failed)?].into(),
        _ => return Err(Failure::Usage),
    };
    reset_connections(pairs)
        .map_err(|error| Failure::Failed(format!("Failed to kill connections ({error})")))
}

/// Why the program did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// Wrong arguments.
    Usage,
    /// Anything else, in words.
    Failed(String),
}

fn read_pairs(input: impl BufRead) -> Result<BTreeSet<Pair>, String> {
    let mut pairs = BTreeSet::new();
    for line in input.lines() {
        let unparsable = |cause: String| format!("Unable to parse connections ({cause})");
        let line = line.map_err(|error| unparsable(error.to_string()))?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => {}
            (Some(word), ..) if word.starts_with('#') => {}
            (Some(forged), Some(hit), None) => {
                pairs.insert(read_pair(forged, hit).map_err(unparsable)?);
            }
            _ => return Err(unparsable(format!("bad line '{line}'"))),
        }
    }
    Ok(pairs)
}

fn read_pair(forged: &str, hit: &str) -> Result<Pair, String> {
    let pair = Pair {
        forged: read_end(forged)?,
        hit: read_end(hit)?,
    };
    if pair.forged.is_ipv4() == pair.hit.is_ipv4() {
        Ok(pair)
    } else {
        Err(format!("'{forged}' and '{hit}' are of different families"))
    }
}

/// `ADDRESS:PORT`; an IPv6 address may stand in brackets or bare.
fn read_end(text: &str) -> Result<SocketAddr, String> {
    let bad = || format!("Bad IP:port '{text}'");
    let (addr, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let bare = addr
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(addr);
    let addr: IpAddr = bare.parse().map_err(|_| bad())?;
    let port: u16 = port.parse().map_err(|_| bad())?;
    Ok(SocketAddr::new(addr.to_canonical(), port))
}

fn reset_connections(mut pairs: BTreeSet<Pair>) -> io::Result<()> {
    if pairs.is_empty() {
        return Ok(());
    }
    let capture = Capture::open()?;
    let mut sender = SegmentSender::default();
    for _ in 0..ROUNDS {
        for pair in pairs.iter().take(BATCH) {
            report(sender.tickle(pair.forged, pair.hit), "tickle ACK");
        }
        let end = Instant::now() + ROUND;
        while wait_until(&capture, end)? {
            answer_captured(&capture, &mut sender, &mut pairs)?;
            if pairs.is_empty() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Waits for a packet. False when the time is over.
fn wait_until(capture: &Capture, end: Instant) -> io::Result<bool> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(false);
    }
    // Rounded up: a poll of 0 ms would spin through the last millisecond.
    let timeout = u16::try_from(left.as_millis() + 1).unwrap_or(u16::MAX);
    let mut fds = [PollFd::new(capture.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::from(timeout)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(Instant::now() < end),
        Err(error) => Err(error.into()),
    }
}

fn answer_captured(
    capture: &Capture,
    sender: &mut SegmentSender,
    pairs: &mut BTreeSet<Pair>,
) -> io::Result<()> {
    while let Some(segment) = capture.next()? {
        if segment.is_own() {
            continue;
        }
        let pair = Pair {
            forged: segment.dst,
            hit: segment.src,
        };
        if pairs.remove(&pair) {
            let (seq, ack) = (segment.ack, segment.seq);
            report(
                sender.send(pair.forged, pair.hit, seq, ack, true),
                "TCP RST for connection",
            );
        }
    }
    Ok(())
}

fn report(sent: io::Result<()>, what: &str) {
    if let Err(error) = sent {
        eprintln!("Error sending {what} ({error})");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r38_ends_as_ss_prints_them() {
        let end = |text: &str| read_end(text).unwrap().to_string();
        assert_eq!(end("[::ffff:10.0.0.1]:445"), "10.0.0.1:445");
        assert_eq!(end("[fd00::1]:445"), "[fd00::1]:445");
        assert_eq!(end("fd00::1:445"), "[fd00::1]:445");
        assert!(read_pair("[::ffff:10.0.0.1]:1", "10.0.0.2:2").is_ok());
    }

    #[test]
    fn lines_of_pairs() {
        let pairs =
            read_pairs("\n# no\n10.0.0.1:1 10.0.0.2:2\n[::1]:3\t::2:4\n".as_bytes()).unwrap();
        let ends: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.forged.port(), pair.hit.port()))
            .collect();
        assert_eq!(ends, [(1, 2), (3, 4)]);
        for bad in [
            "10.0.0.1:1",
            "10.0.0.1:1 10.0.0.2",
            "10.0.0.1:1 [::1]:2",
            "a:1 b:2",
            "1 2 3",
        ] {
            assert!(read_pairs(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
