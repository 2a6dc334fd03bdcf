//! The command line.

use std::path::PathBuf;

use ctdb_config::level::Level;

/// What was asked for.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// Where databases are kept.
    pub(super) dbdir: PathBuf,
    /// The socket to serve.
    pub(super) socket: PathBuf,
    /// Where the child's process id goes.
    pub(super) pidfile: PathBuf,
    /// What is logged.
    pub(super) level: Level,
}

impl Options {
    /// Reads `-D DIR -s SOCKET -p PIDFILE -d LEVEL`, or their long forms.
    pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut dbdir, mut socket, mut pidfile, mut level) = (None, None, None, None);
        while let Some(argument) = arguments.next() {
            let slot = match argument.as_str() {
                "-D" | "--dbdir" => &mut dbdir,
                "-s" | "--socket" => &mut socket,
                "-p" | "--pidfile" => &mut pidfile,
                "-d" | "--debug" => &mut level,
                _ => return Err(format!("Invalid option {argument}")),
            };
            *slot = arguments.next();
        }
        let level = match level {
            None => Level::Error,
            Some(text) => Level::parse(&text).ok_or("Invalid debug level")?,
        };
        Ok(Self {
            dbdir: dbdir.ok_or("Please specify database directory")?.into(),
            socket: socket.ok_or("Please specify socket path")?.into(),
            pidfile: pidfile.ok_or("Please specify pid file")?.into(),
            level,
        })
    }

    /// Removes what the child leaves behind.
    pub(super) fn clean_up(&self) {
        for file in [&self.socket, &self.pidfile] {
            // It may be gone already: the tests remove it as well.
            let _ = std::fs::remove_file(file);
        }
    }
}
