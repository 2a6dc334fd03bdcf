// SPDX-License-Identifier: GPL-3.0-or-later
//! Whether this machine's apt would put Samba's ctdb in the place of ctdb-rs. Samba's is a real package of
//! the name that others ask for, so ours goes whenever somebody does: an administrator, Ansible, a package
//! that depends on an exact version. The package client itself is asked, with nothing changed.

use std::process::Command;

/// What to tell whoever is about to replace a node's program; nothing where ctdb-rs was not installed by dpkg.
#[must_use]
pub fn warnings() -> Vec<String> {
    if !is_installed("ctdb-rs") {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (request, said) in [
        (&["dist-upgrade"][..], "dist-upgrade"),
        (&["--yes", "install", "ctdb"][..], "install ctdb"),
    ] {
        match ask_apt(request) {
            Answer::Would(plan) if removes_ours(&plan) => warnings.push(format!(
                "on this node `apt-get {said}` would replace ctdb-rs by Samba's ctdb: install the empty \
                 package ctdb that is built with it, or `apt-mark hold ctdb-rs`"
            )),
            Answer::TooLate => warnings.push(format!(
                "apt did not say in time whether `apt-get {said}` would replace ctdb-rs on this node"
            )),
            Answer::Would(_) | Answer::WouldNot => {}
        }
    }
    warnings
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}", package]);
    query
        .output()
        .is_ok_and(|output| output.stdout == b"installed")
}

/// What apt says to a request.
enum Answer {
    /// It would do it, like this.
    Would(String),
    /// It would not, or cannot be asked.
    WouldNot,
    /// It has not said so far.
    TooLate,
}

/// Two minutes are for a machine with other things to do.
fn ask_apt(request: &[&str]) -> Answer {
    /// Exit status of `timeout` when the time was over.
    const TIMED_OUT: i32 = 124;
    let mut apt = Command::new("timeout");
    apt.args(["120", "apt-get", "--simulate"]).args(request);
    match apt.env("LC_ALL", "C").output() {
        Ok(output) if output.status.success() => {
            Answer::Would(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) if output.status.code() == Some(TIMED_OUT) => Answer::TooLate,
        Ok(_) | Err(_) => Answer::WouldNot,
    }
}

fn removes_ours(output: &str) -> bool {
    output.lines().any(|line| {
        let mut words = line.split(' ');
        (words.next(), words.next()) == (Some("Remv"), Some("ctdb-rs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_told_by_its_line() {
        let replaced = "The following packages will be REMOVED:\n  ctdb-rs\n\
                        Remv ctdb-rs [2:0.1.0]\nInst ctdb (2:4.22.11+dfsg-0 Debian:13/stable [amd64])\n";
        assert!(removes_ours(replaced));
        assert!(!removes_ours(
            "Remv ctdb-rs-doc [1]\nInst ctdb-rs (2:0.2)\n"
        ));
        assert!(!removes_ours(""));
    }
}
