// SPDX-License-Identifier: GPL-3.0-or-later
//! Where tests run: one short folder below `/tmp` for the run, and per worker a network
//! namespace with a loopback of its own, because every test cluster binds 127.0.0.1-3:4379.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PREFIX: &str = "cu";

/// The run's folder; removed when dropped, unless it is to be kept.
pub(crate) struct Workplace {
    path: PathBuf,
    keep: bool,
}

impl Workplace {
    /// Makes a new folder, and removes what runs that were killed have left.
    pub(crate) fn create() -> Result<Workplace> {
        remove_stale();
        let path = PathBuf::from(format!("/tmp/{PREFIX}.{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Workplace { path, keep: false })
    }

    /// The folder. Short: the path of a Unix socket must stay below 108 bytes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder in place and returns the root folder in it.
    pub(crate) fn keep(mut self) -> PathBuf {
        self.keep = true;
        self.path.join("root")
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A worker's network namespace; deleted when dropped, with all that runs in it.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// True if this machine and user can have network namespaces.
    pub(crate) fn available() -> bool {
        nix::unistd::geteuid().is_root() && ip(&["netns", "list"]).is_ok()
    }

    /// A namespace with nothing but a loopback that is up.
    pub(crate) fn create(worker: usize) -> Result<Namespace> {
        let name = format!("{PREFIX}{}w{worker}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Namespace { name };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Ends whatever a test has left running; returns a line per process, as `12 ctdbd`.
    pub(crate) fn sweep(&self) -> Vec<String> {
        for _ in 0..20 {
            if self.pids().is_empty() {
                return Vec::new();
            }
            sleep(Duration::from_millis(100));
        }
        let mut left = Vec::new();
        for _ in 0..20 {
            let pids = self.pids();
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                if left.len() < 100 {
                    left.push(format!("{pid} {}", process_name(pid)));
                }
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            sleep(Duration::from_millis(100));
        }
        left
    }

    fn pids(&self) -> Vec<i32> {
        pids_of(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.sweep();
        let _ = ip(&["netns", "del", &self.name]);
    }
}

fn pids_of(namespace: &str) -> Vec<i32> {
    let text = ip(&["netns", "pids", namespace]).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

fn process_name(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("starting ip (Debian package iproute2)")?;
    if !output.status.success() {
        bail!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Namespaces and folders carry the id of the runner that made them; those of runners that are
/// no more are removed.
fn remove_stale() {
    let gone =
        |pid: &str| pid.parse::<i32>().is_ok() && !Path::new(&format!("/proc/{pid}")).exists();
    for line in ip(&["netns", "list"]).unwrap_or_default().lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('w'));
        if owner.is_some_and(|(pid, _)| gone(pid)) {
            drop(Namespace {
                name: name.to_owned(),
            });
        }
    }
    let Ok(entries) = fs::read_dir("/tmp") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_prefix("cu.").is_some_and(gone) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
