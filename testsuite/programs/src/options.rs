//! The command lines that the test programs share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, Command, value_parser};
use ctdb_config::Paths;
use ctdb_config::level::Level;
use ctdb_protocol::types::DbFlags;

use crate::Failure;

/// What every test program understands.
#[derive(Debug, Clone)]
pub struct Options {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// How long it runs.
    pub timelimit: Duration,
    /// How many nodes take part.
    pub num_nodes: u32,
    /// Tells about its progress.
    pub interactive: bool,
}

/// What a test program of databases understands.
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// The rest.
    pub basic: Options,
    /// The database.
    pub database: String,
    /// The record; the string's bytes without a NUL.
    pub key: Vec<u8>,
    /// Its new value.
    pub value: Vec<u8>,
    /// What kind of database it is.
    pub kind: DbFlags,
}

/// The path of the daemon's socket where none is named.
///
/// # Errors
/// When the environment does not say where the daemon is.
pub fn default_socket() -> Result<PathBuf, Failure> {
    Ok(Paths::from_env()?.socket("ctdbd"))
}

fn command() -> Command {
    let number = || value_parser!(u32);
    Command::new("test")
        .arg(Arg::new("socket").short('s').long("socket"))
        .arg(
            Arg::new("timelimit")
                .short('t')
                .long("timelimit")
                .value_parser(number()),
        )
        .arg(
            Arg::new("num-nodes")
                .short('n')
                .long("num-nodes")
                .value_parser(number()),
        )
        .arg(Arg::new("debug").short('d').long("debug"))
        .arg(
            Arg::new("interactive")
                .short('i')
                .long("interactive")
                .action(ArgAction::SetTrue),
        )
}

fn text(matches: &clap::ArgMatches, name: &str) -> Option<String> {
    matches.get_one(name).cloned()
}

fn basic(matches: &clap::ArgMatches) -> Result<Options, Failure> {
    let debug = text(matches, "debug").unwrap_or_else(|| "ERR".to_owned());
    if Level::parse(&debug).is_none() {
        return Err(format!("Error: Invalid debug string '{debug}'").into());
    }
    let socket = match text(matches, "socket") {
        Some(socket) => socket.into(),
        None => default_socket()?,
    };
    Ok(Options {
        socket,
        timelimit: Duration::from_secs(
            matches
                .get_one("timelimit")
                .map_or(10, |seconds: &u32| u64::from(*seconds)),
        ),
        num_nodes: matches.get_one("num-nodes").copied().unwrap_or(1),
        interactive: matches.get_flag("interactive"),
    })
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_command_line() -> Result<Self, Failure> {
        let options = basic(&command().try_get_matches()?)?;
        if options.num_nodes == 0 {
            return Err("Error: a cluster of no nodes".into());
        }
        Ok(options)
    }
}

impl DatabaseOptions {
    /// Reads the command line.
    ///
    /// # Errors
    /// When it is not understood.
    pub fn from_command_line() -> Result<Self, Failure> {
        let matches = command()
            .arg(Arg::new("database").short('D').long("database"))
            .arg(Arg::new("key").short('k').long("key"))
            .arg(Arg::new("value").short('v').long("value"))
            .arg(Arg::new("dbtype").short('T').long("dbtype"))
            .try_get_matches()?;
        let kind = match text(&matches, "dbtype").as_deref() {
            None | Some("volatile") => DbFlags::empty(),
            Some("persistent") => DbFlags::PERSISTENT,
            Some("replicated") => DbFlags::REPLICATED,
            Some(other) => return Err(format!("Error: Invalid database type '{other}'").into()),
        };
        Ok(Self {
            basic: basic(&matches)?,
            database: text(&matches, "database").ok_or("Error: Please specify database")?,
            key: text(&matches, "key")
                .ok_or("Error: Please specify key name")?
                .into_bytes(),
            value: text(&matches, "value").unwrap_or_default().into_bytes(),
            kind,
        })
    }
}
