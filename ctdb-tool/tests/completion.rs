// SPDX-License-Identifier: GPL-3.0-or-later
//! The completion files at work in each shell that is installed here.

#![allow(
    clippy::unwrap_used,
    reason = "a test may end on what it cannot go on with"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completion")
}

/// Runs a shell on a script; `None`, with a line that says so, if there is no such shell.
fn output(shell: &str, options: &[&str], script: &str) -> Option<String> {
    // a folder with a `ctdb` that knows what completion asks for
    let bin = std::env::temp_dir().join(format!("ctdb-completion-{}-{shell}", std::process::id()));
    std::fs::create_dir_all(&bin).unwrap();
    let ctdb = "#!/bin/sh\ncase \"$*\" in\n\
        *listnodes) printf '|0|10.0.0.1|\\n|1|10.0.0.2|\\n' ;;\n\
        *getdbmap) printf '|ID|Name|\\n|0x1|locking.tdb|\\n|0x2|secrets.tdb|\\n' ;;\n\
        listvars) printf 'MonitorInterval            = 15\\nNoIPTakeover               = 0\\n' ;;\n\
        *) echo \"GOT:$*\" ;;\nesac\n";
    std::fs::write(bin.join("ctdb"), ctdb).unwrap();
    let status = Command::new("chmod")
        .arg("+x")
        .arg(bin.join("ctdb"))
        .status();
    assert!(status.is_ok_and(|status| status.success()));
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let result = Command::new(shell)
        .args(options)
        .arg("-c")
        .arg(script)
        .env("PATH", path)
        .env("HOME", &bin)
        .env("completion", folder())
        .output();
    std::fs::remove_dir_all(&bin).unwrap();
    match result {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{shell}: {text}{errors}");
            Some(text)
        }
        Err(_) => {
            eprintln!("{shell} is not installed: its completion is not tried");
            None
        }
    }
}

/// What is typed, and what must be offered; nothing else may be.
const CASES: &[(&str, &[&str])] = &[
    ("runst", &["runstate"]),
    (
        "stat",
        &["statistics", "statisticsreset", "stats", "status"],
    ),
    ("--ti", &["--timelimit"]),
    ("setleaderrole ", &["off", "on"]),
    ("getvar No", &["NoIPTakeover"]),
    ("catdb lo", &["locking.tdb"]),
    ("-X catdb se", &["secrets.tdb"]),
    ("-n ", &["0", "1"]),
    ("-n 1 pn", &["pnn"]),
    ("help upg", &["upgrade-check"]),
    ("locks al", &["all"]),
];

fn sorted(text: &str, pick: impl Fn(&str) -> Option<&str>) -> Vec<&str> {
    let mut words: Vec<&str> = text.lines().filter_map(pick).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn bash_completes() {
    for (typed, wanted) in CASES {
        let script = format!(
            "source \"$completion/ctdb.bash\"; line='{typed}'; read -ra COMP_WORDS <<<\"ctdb $line\"\n\
             [[ $line != *' ' ]] || COMP_WORDS+=('')\n\
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _ctdb; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let Some(text) = output("bash", &["--norc"], &script) else {
            return;
        };
        let offered = sorted(&text, |line| Some(line).filter(|line| !line.is_empty()));
        assert_eq!(offered, *wanted, "bash: ctdb {typed}");
    }
}

#[test]
fn fish_completes() {
    for (typed, wanted) in CASES {
        let script = format!("source $completion/ctdb.fish; complete -C 'ctdb {typed}'");
        let Some(text) = output("fish", &["--no-config"], &script) else {
            return;
        };
        let offered = sorted(&text, |line| line.split('\t').next());
        assert_eq!(offered, *wanted, "fish: ctdb {typed}");
    }
}

/// zsh completes only at a prompt: type, press TAB, and have the line run.
#[test]
fn zsh_completes() {
    let script = r#"
        zmodload zsh/zpty
        zpty terminal zsh -f -i
        zpty -w terminal "PS1=; unsetopt zle_bracketed_paste; fpath=($completion \$fpath)"
        zpty -w terminal "autoload -U compinit; compinit -u -D; print READY"
        zpty -r terminal seen '*READY*READY*'
        for line in "$@"; do
            zpty -w terminal "$line"$'\t'
            zpty -r terminal seen '*GOT:*
*'
            print -r -- "GOT:${seen##*GOT:}"
        done
        zpty -d terminal
    "#;
    let lines = [
        "runst",
        "--timel",
        "setleaderrole of",
        "getvar No",
        "catdb lo",
        "-n 1 pn",
        "help upg",
        "locks al",
    ];
    let typed: Vec<String> = lines.iter().map(|line| format!("'ctdb {line}'")).collect();
    let script = format!("set -- {}\n{script}", typed.join(" "));
    let Some(text) = output("zsh", &["-f"], &script) else {
        return;
    };
    let got = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("GOT:"));
    let got: Vec<&str> = got.map(str::trim).collect();
    let wanted = [
        "runstate",
        "--timelimit",
        "setleaderrole off",
        "getvar NoIPTakeover",
        "catdb locking.tdb",
        "-n 1 pnn",
        "help upgrade-check",
        "locks all",
    ];
    assert_eq!(got, wanted, "{text}");
}
