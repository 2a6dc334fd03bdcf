// SPDX-License-Identifier: GPL-3.0-or-later
//! `statd_callout {add-client|del-client} CLIENT-IP ...`, rpc.statd's ha-callout.
//!
//! A client is noted for each public address of this node, since rpc.statd does not say which of them
//! the client uses. The file of a pair is `statd-state@SERVER-IP@CLIENT-IP`. With a database it holds
//! one line for `ctdb ptrans`, and a client that leaves is noted as well; with a shared directory the
//! file's existence says it all.

use std::fs;
use std::path::Path;
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Failure;
use super::config::{self, Config, Store};

/// What happened to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Added,
    Removed,
}

/// Does the program's work; `args` without the program's name. What follows the client is rpc.statd's
/// idea of this server's name and of no use.
///
/// # Errors
/// Wrong arguments, or what went wrong as a line for stderr.
pub fn run(args: &[&str]) -> Result<(), Failure> {
    let [event, client, ..] = *args else {
        return Err(Failure::Usage);
    };
    let config = Config::load(&config::path())?;
    let change = match event {
        "add-client" => Change::Added,
        "del-client" => Change::Removed,
        "sm-notify" => return Ok(()),
        _ => return Err(Failure::Usage),
    };
    note(&config, change, client)
}

fn note(config: &Config, change: Change, client: &str) -> Result<(), Failure> {
    let (Config::PersistentDb(store) | Config::SharedDir(store)) = config else {
        return Ok(());
    };
    check_name(client)?;
    for server in store.addresses()? {
        check_name(&server)?;
        let name = format!("statd-state@{server}@{client}");
        match (config, change) {
            (Config::PersistentDb(_), _) => write(store, &name, &queued(&name, change))?,
            (Config::SharedDir(_), Change::Added) => write(store, &name, "")?,
            (Config::SharedDir(_), Change::Removed) => remove(&store.directory.join(&name))?,
            (Config::None, _) => {}
        }
    }
    Ok(())
}

/// Addresses become part of paths and of quoted lines, and the client's comes from the network.
fn check_name(address: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".:%_-".contains(c);
    if !address.is_empty() && address.chars().all(fits) {
        Ok(())
    } else {
        Err(Failure::Failed(format!("not an address: {address:?}")))
    }
}

/// A transaction's line: the time, for debugging, or nothing, which deletes the record.
fn queued(name: &str, change: Change) -> String {
    let value = match change {
        Change::Added => seconds_since_1970().to_string(),
        Change::Removed => String::new(),
    };
    format!("\"{name}\" \"{value}\"\n")
}

fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Writes a file so that nobody ever sees half of it: the queue is emptied at any time.
fn write(store: &Store, name: &str, content: &str) -> Result<(), Failure> {
    let path = store.directory.join(name);
    let unfinished = store.directory.join(format!(".{name}.{}", process::id()));
    fs::write(&unfinished, content)
        .and_then(|()| fs::rename(&unfinished, &path))
        .map_err(|_| Failure::Failed(format!("unable to open for writing {}", path.display())))
}

fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path)
        .map_err(|_| Failure::Failed(format!("unable to remove {}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(std::path::PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("statd-{name}-{}", process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("queue")).unwrap();
            fs::write(path.join("ips"), "10.0.0.1\nfd00::1\n").unwrap();
            Self(path)
        }

        fn store(&self) -> Store {
            Store {
                directory: self.0.join("queue"),
                addresses: self.0.join("ips"),
            }
        }

        fn files(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(self.0.join("queue"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_shared_directory_has_a_file_for_each_pair() {
        let directory = Directory::new("shared");
        let config = Config::SharedDir(directory.store());
        note(&config, Change::Added, "10.9.9.9").unwrap();
        assert_eq!(
            directory.files(),
            [
                "statd-state@10.0.0.1@10.9.9.9",
                "statd-state@fd00::1@10.9.9.9"
            ]
        );
        note(&config, Change::Removed, "10.9.9.9").unwrap();
        assert!(directory.files().is_empty());
        assert!(note(&config, Change::Removed, "10.9.9.9").is_err());
    }

    #[test]
    fn the_queue_notes_both_changes_as_transaction_lines() {
        let directory = Directory::new("queue");
        let config = Config::PersistentDb(directory.store());
        let file = directory.0.join("queue/statd-state@10.0.0.1@10.9.9.9");

        note(&config, Change::Added, "10.9.9.9").unwrap();
        let line = fs::read_to_string(&file).unwrap();
        let time = line
            .strip_prefix("\"statd-state@10.0.0.1@10.9.9.9\" \"")
            .and_then(|rest| rest.strip_suffix("\"\n"))
            .unwrap();
        assert!(time.parse::<u64>().unwrap() > 1_600_000_000);

        note(&config, Change::Removed, "10.9.9.9").unwrap();
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "\"statd-state@10.0.0.1@10.9.9.9\" \"\"\n"
        );
    }

    #[test]
    fn a_client_cannot_choose_a_path() {
        let directory = Directory::new("path");
        let config = Config::SharedDir(directory.store());
        for client in ["../../x", "a\"b", "a\nb", ""] {
            assert!(note(&config, Change::Added, client).is_err());
        }
        assert!(directory.files().is_empty());
    }
}
