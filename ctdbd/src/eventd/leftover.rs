//! Processes that a script leaves behind in its process group.

use std::time::Duration;

use nix::sys::signal::killpg;
use nix::unistd::Pid;

use crate::log::{notice, warning};

/// A script's background work may take this long before it is worth a line.
const GRACE: Duration = Duration::from_secs(10);
/// As many are named.
const NAMED: usize = 8;
const COMMAND_BYTES: usize = 80;

/// Whether a process group has members; its leader may have been waited for.
pub(super) fn is_alive(group: Pid) -> bool {
    killpg(group, None).is_ok()
}

/// Names the processes that are still in `group` after a while. `whose` says which script of which event.
pub(super) async fn report(group: Pid, whose: String, terminated: bool) {
    tokio::time::sleep(GRACE).await;
    if !is_alive(group) {
        return;
    }
    let mut members = members(group);
    if members.is_empty() {
        return;
    }
    let count = members.len();
    members.truncate(NAMED);
    let names = members.join(", ");
    if terminated {
        warning!("{whose} was ended, but {count} of its processes stay: {names}");
    } else {
        notice!("{whose} left {count} processes behind: {names}");
    }
}

/// `pid (command)` of each process of a group; zombies are gone for our purpose.
fn members(group: Pid) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    folder
        .flatten()
        .filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            if !belongs(&stat, group) {
                return None;
            }
            Some(format!("{pid} ({})", command(&entry.path(), &stat)))
        })
        .collect()
}

/// Whether a line of `/proc/PID/stat` is that of a living member of a group.
fn belongs(stat: &str, group: Pid) -> bool {
    let Some((_, rest)) = stat.rsplit_once(") ") else {
        return false;
    };
    let mut words = rest.split_ascii_whitespace();
    let zombie = words
        .next()
        .is_none_or(|state| state == "Z" || state == "X");
    let its_group = words.nth(1).and_then(|word| word.parse().ok());
    !zombie && its_group == Some(group.as_raw())
}

fn command(folder: &std::path::Path, stat: &str) -> String {
    let arguments = std::fs::read(folder.join("cmdline")).unwrap_or_default();
    let text: String = String::from_utf8_lossy(&arguments)
        .trim_end_matches('\0')
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(COMMAND_BYTES)
        .collect();
    if !text.is_empty() {
        return text;
    }
    let name = stat
        .split_once('(')
        .and_then(|(_, rest)| rest.rsplit_once(')'));
    name.map_or_else(|| "?".to_owned(), |(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_group_are_told_from_others() {
        let line = "77 (a ) b) S 1 42 42 0 -1 4194560 1 0";
        assert!(belongs(line, Pid::from_raw(42)));
        assert!(!belongs(line, Pid::from_raw(1)));
        assert!(!belongs(&line.replace(" S ", " Z "), Pid::from_raw(42)));
        assert!(!belongs("nonsense", Pid::from_raw(42)));
    }
}
