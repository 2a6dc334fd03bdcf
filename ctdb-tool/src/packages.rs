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
        if apt_output(request).is_some_and(|output| removes_ours(&output)) {
            warnings.push(format!(
                "on this node `apt-get {said}` would replace ctdb-rs by Samba's ctdb: install the empty \
                 package ctdb that is built with it, or `apt-mark hold ctdb-rs`"
            ));
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

/// What apt would do; none if it would not, or cannot be asked. Half a minute is for a busy machine.
fn apt_output(request: &[&str]) -> Option<String> {
    let mut apt = Command::new("timeout");
    apt.args(["30", "apt-get", "--simulate"]).args(request);
    let output = apt.env("LC_ALL", "C").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(text)
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
