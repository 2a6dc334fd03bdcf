// SPDX-License-Identifier: GPL-3.0-or-later
//! JSON for what the helpers behind `natgw`, `lvs` and `event` print. Their lines are a contract with scripts, so
//! reading them is as good as asking again.

use serde_json::{Value, json};

/// `ctdb natgw leader|list|status` and `ctdb lvs leader|list|status`; `None` for other words.
pub(super) fn group(word: &str, text: &str) -> Option<Value> {
    match word {
        "leader" => Some(json!({ "leader": leader(text) })),
        "list" => Some(json!({ "nodes": lines(text).map(member).collect::<Vec<_>>() })),
        "status" => Some(json!({ "nodes": lines(text).filter_map(state).collect::<Vec<_>>() })),
        _ => None,
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim().is_empty())
}

/// `2 10.0.0.3` of natgw, `2` of lvs.
fn leader(text: &str) -> Value {
    let mut words = text.split_whitespace();
    match words.next().and_then(|word| word.parse::<u32>().ok()) {
        None => Value::Null,
        Some(pnn) => json!({ "pnn": pnn, "address": words.next() }),
    }
}

/// `10.0.0.3<TAB>LEADER,follower-only` of natgw, `2 10.0.0.3` of lvs.
fn member(line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [pnn, address] if pnn.parse::<u32>().is_ok() => {
            json!({ "pnn": pnn.parse::<u32>().ok(), "address": address })
        }
        [address, options @ ..] => {
            let has = |name| {
                options
                    .iter()
                    .any(|o| o.split(',').any(|word| word == name))
            };
            json!({
                "address": address,
                "leader": has("LEADER"),
                "follower_only": has("follower-only"),
            })
        }
        [] => Value::Null,
    }
}

/// `pnn:2 10.0.0.3        UNHEALTHY|INACTIVE (THIS NODE)`, as `nodestatus` prints it.
fn state(line: &str) -> Option<Value> {
    let mut words = line.strip_prefix("pnn:")?.split_whitespace();
    let pnn: u32 = words.next()?.parse().ok()?;
    let address = words.next()?;
    let flags: Vec<&str> = words.next()?.split('|').collect();
    Some(json!({
        "pnn": pnn,
        "address": address,
        "state": flags,
        "this_node": line.ends_with("(THIS NODE)"),
    }))
}

/// `ctdb event script list COMPONENT`: a line for each script, `*` in front of an enabled one; scripts that are no
/// links to provided ones stand behind an empty line.
pub(super) fn scripts(component: &str, text: &str) -> Value {
    let mut provided = true;
    let mut scripts = Vec::new();
    for line in text.lines() {
        let (mark, name) = line.split_at_checked(2).unwrap_or((line, ""));
        if name.trim().is_empty() {
            provided = false;
            continue;
        }
        scripts.push(json!({
            "name": name.trim(),
            "enabled": mark.starts_with('*'),
            "provided": provided,
        }));
    }
    json!({ "component": component, "scripts": scripts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natgw_lines() {
        let leader = group("leader", "1 10.0.0.2\n").unwrap();
        assert_eq!(leader["leader"], json!({ "pnn": 1, "address": "10.0.0.2" }));
        assert_eq!(group("leader", "").unwrap()["leader"], Value::Null);
        let list = group(
            "list",
            "10.0.0.1\n10.0.0.2\tLEADER\n10.0.0.3\tfollower-only\n",
        )
        .unwrap();
        assert_eq!(list["nodes"][0]["leader"], false);
        assert_eq!(list["nodes"][1]["leader"], true);
        assert_eq!(list["nodes"][2]["follower_only"], true);
        let lines = "pnn:0 10.0.0.1       OK (THIS NODE)\npnn:1 10.0.0.2       DISCONNECTED|UNHEALTHY|INACTIVE\n";
        let status = group("status", lines).unwrap();
        assert_eq!(status["nodes"][0]["this_node"], true);
        assert_eq!(status["nodes"][1]["state"][2], "INACTIVE");
    }

    #[test]
    fn lvs_lines() {
        assert_eq!(group("leader", "2\n").unwrap()["leader"]["pnn"], 2);
        let list = group("list", "0 10.0.0.1\n2 10.0.0.3\n").unwrap();
        assert_eq!(list["nodes"][1], json!({ "pnn": 2, "address": "10.0.0.3" }));
        assert_eq!(group("nonsense", ""), None);
    }

    #[test]
    fn script_lines() {
        let value = scripts("legacy", "* 00.ctdb\n  01.reclock\n\n* 99.mine\n");
        assert_eq!(value["scripts"][0]["enabled"], true);
        assert_eq!(value["scripts"][1]["enabled"], false);
        assert_eq!(value["scripts"][1]["provided"], true);
        assert_eq!(value["scripts"][2]["name"], "99.mine");
        assert_eq!(value["scripts"][2]["provided"], false);
    }
}
