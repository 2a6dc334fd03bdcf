// SPDX-License-Identifier: GPL-3.0-or-later
//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;

/// Where the exporter listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/ctdb-exporter/exporter.socket";

/// Shows a CTDB node to monitoring: OpenMetrics, readiness and JSON over HTTP.
#[derive(Debug, Clone, Parser)]
#[command(name = "ctdb-exporter", version, about, max_term_width = 100)]
pub struct Options {
    /// Where to listen: unix:PATH or tcp:ADDRESS:PORT; may be given more than once
    #[arg(long, value_name = "WHERE", default_value = concat!("unix:", "/run/ctdb-exporter/exporter.socket"))]
    pub listen: Vec<Listen>,

    /// Over TCP, ask for the bearer token in this file, which nobody else may read
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Over TCP, speak TLS with the certificates in this file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Over TLS, serve only clients with a certificate of these authorities
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,

    /// The daemon's socket, if it is not where ctdb looks for it
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// How long the daemon may take to answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60))]
    pub timeout: u16,

    /// Write the metrics into this file, for node_exporter's textfile collector, and listen nowhere
    #[arg(long, value_name = "FILE", conflicts_with_all = ["listen", "token_file", "tls_cert"])]
    pub textfile: Option<PathBuf>,

    /// Write the file again and again instead of once
    #[arg(long, value_name = "SECONDS", requires = "textfile", value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub every: Option<u16>,
}

impl Options {
    /// How long the daemon may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        Duration::from_secs(u64::from(self.timeout))
    }

    /// The time between two writes of the file, if there is more than one.
    #[must_use]
    pub fn every(&self) -> Option<Duration> {
        self.every.map(|s| Duration::from_secs(u64::from(s)))
    }
}

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(SocketAddr),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("unix", _)) => Err("the path of a socket begins with /".to_owned()),
            Some(("tcp", rest)) => rest.parse().map(Self::Tcp).map_err(|_| {
                "wants an address and a port, as 127.0.0.1:9922 or [::]:9922".to_owned()
            }),
            _ => Err("begins with unix: or tcp:".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_listen_at() {
        assert_eq!(
            "unix:/run/x".parse(),
            Ok(Listen::Unix(PathBuf::from("/run/x")))
        );
        assert!(matches!("tcp:[::1]:80".parse(), Ok(Listen::Tcp(_))));
        for bad in ["unix:x", "tcp:host:1", "tcp:1.2.3.4", "9922", ""] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_default_is_a_unix_socket_and_nothing_else() {
        let options = Options::parse_from(["ctdb-exporter"]);
        assert_eq!(options.listen, [Listen::Unix(DEFAULT_SOCKET.into())]);
    }

    #[test]
    fn a_key_without_a_certificate_is_refused() {
        for words in [
            &["--tls-key", "k"][..],
            &["--tls-cert", "c"],
            &["--every", "5"],
            &["--textfile", "f", "--listen", "unix:/x"],
            &["--timeout", "0"],
        ] {
            let line = ["ctdb-exporter"].iter().chain(words);
            assert!(Options::try_parse_from(line).is_err(), "{words:?}");
        }
    }
}
