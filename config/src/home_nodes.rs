// SPDX-License-Identifier: GPL-3.0-or-later
//! The file `home_nodes`: where single public addresses belong, for the deterministic allocation.

use std::net::IpAddr;
use std::path::Path;

/// One line of the file `home_nodes`: where an address belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HomeNode {
    /// The public address.
    pub addr: IpAddr,
    /// Its home; a number beyond the node map leaves the address where the modulo puts it.
    pub pnn: u32,
}

/// Reads the text of `home_nodes`: lines `ADDRESS PNN`, anything after that ignored, lines of fewer
/// than two words skipped. There is no comment syntax. One bad word discards the file.
///
/// # Errors
/// The line to log.
pub fn parse(text: &str) -> Result<Vec<HomeNode>, String> {
    let mut homes = Vec::new();
    for line in text.lines() {
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let (Some(addr), Some(pnn)) = (words.next(), words.next()) else {
            continue;
        };
        homes.push(HomeNode {
            addr: parse_addr(addr)?,
            pnn: parse_pnn(pnn)?,
        });
    }
    Ok(homes)
}

fn parse_addr(word: &str) -> Result<IpAddr, String> {
    let bare = word
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(word);
    bare.parse::<IpAddr>()
        .map(|addr| addr.to_canonical())
        .map_err(|_| format!("Could not parse {word}: Invalid argument"))
}

fn parse_pnn(word: &str) -> Result<u32, String> {
    word.parse()
        .map_err(|_| format!("Could not parse \"{word}\""))
}

/// Reads `home_nodes` below the configuration directory. No file is the usual case, and one that
/// cannot be read is treated as none.
///
/// # Errors
/// The line to log about a file that makes no sense; the caller goes on without homes.
pub fn read(etcdir: &Path) -> Result<Vec<HomeNode>, String> {
    parse(&std::fs::read_to_string(etcdir.join("home_nodes")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_word_discards_the_file() {
        assert!(parse("10.0.0.3 1\n10.0.0.300 1\n").is_err());
        assert!(parse("# comment\n").is_err());
        assert!(parse("10.0.0.3 one\n").is_err());
        assert!(parse("").unwrap().is_empty());
    }
}
