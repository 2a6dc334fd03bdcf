// SPDX-License-Identifier: GPL-3.0-or-later
//! Lays out a root folder as upstream's tests expect a build tree: `bin`, `config`, `tools` and
//! `tests`. Programs are copies, so that a rebuild during a run changes nothing.
//!
//! Since 4.25 the tests call everything in `bin`, also the scripts, and find the init script
//! among the examples.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::options::{NodeProgram, Options, UnderTest};
use crate::source;

/// Scripts that upstream keeps in `tools`, and where this tree has them.
const TOOLS: [&str; 5] = [
    "onnode",
    "ctdb_natgw",
    "ctdb_lvs",
    "ctdb_diagnostics",
    "statd_callout_helper",
];

/// Folders of this tree in which [`TOOLS`] are looked for.
const TOOL_FOLDERS: [&str; 4] = ["onnode", "event.d/tools", "event.d/helpers", "event.d"];

/// Without these no test can mean anything.
const NEEDED: [&str; 4] = ["ctdbd", "ctdb", "ctdb-path", "ctdb-eventd"];

/// Makes `workplace/root` and returns it.
pub(crate) fn build(options: &Options, upstream: &Path, workplace: &Path) -> Result<PathBuf> {
    let root = workplace.join("root");
    fs::create_dir_all(root.join("bin"))?;
    symlink(upstream.join("tests"), root.join("tests"))?;
    match &options.under_test {
        UnderTest::Ours => ours(options, &root)?,
        UnderTest::Theirs => theirs(options, upstream, &root)?,
        UnderTest::Mixed(nodes) => {
            ours(options, &root)?;
            mixed(options, nodes, &root)?;
        }
    }
    if calls_all_in_bin(upstream)? {
        gather_in_bin(upstream, &root)?;
    }
    Ok(root)
}

/// The layout of 4.25: its tests know one folder of programs, by this name.
fn calls_all_in_bin(upstream: &Path) -> Result<bool> {
    let file = upstream.join("tests/scripts/script_install_paths.sh");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    Ok(text.contains("CTDB_TEST_HELPER_BINDIR"))
}

fn gather_in_bin(upstream: &Path, root: &Path) -> Result<()> {
    for name in TOOLS {
        let tool = root.join("tools").join(name);
        if tool.is_file() {
            copy(&tool, &root.join("bin").join(name))?;
        }
    }
    let examples = root.join("doc/examples");
    fs::create_dir_all(&examples)?;
    let places = [root.join("config"), upstream.join("doc/examples")];
    let script = places.map(|folder| folder.join("ctdb.init"));
    match script.iter().find(|path| path.is_file()) {
        Some(path) => copy(path, &examples.join("ctdb.init")),
        None => Ok(()),
    }
}

fn ours(options: &Options, root: &Path) -> Result<()> {
    let bin = options
        .bin
        .clone()
        .unwrap_or_else(|| target_folder(&options.top).join("release"));
    copy_programs(&bin, &root.join("bin"))?;
    for name in NEEDED {
        if !root.join("bin").join(name).exists() {
            eprintln!(
                "upstream-suite: {} has no program {name}: is it built?",
                bin.display()
            );
        }
    }
    copy_tree(&options.top.join("event.d"), &root.join("config"))?;
    fs::create_dir_all(root.join("tools"))?;
    for name in TOOLS {
        let found = TOOL_FOLDERS
            .iter()
            .map(|folder| options.top.join(folder).join(name))
            .find(|path| path.is_file());
        match found {
            Some(path) => copy(&path, &root.join("tools").join(name))?,
            None => eprintln!("upstream-suite: this tree has no script {name} yet"),
        }
    }
    Ok(())
}

fn theirs(options: &Options, upstream: &Path, root: &Path) -> Result<()> {
    copy_programs(
        &source::built(&options.top, options.suite())?,
        &root.join("bin"),
    )?;
    copy_tree(&upstream.join("config"), &root.join("config"))?;
    copy_tree(&upstream.join("tools"), &root.join("tools"))
}

/// Replaces `ctdbd` by a script that picks the program by the node's number.
fn mixed(options: &Options, nodes: &[NodeProgram], root: &Path) -> Result<()> {
    let rust = root.join("rust");
    fs::create_dir_all(&rust)?;
    let daemon = root.join("bin/ctdbd");
    if daemon.exists() {
        fs::rename(&daemon, rust.join("ctdbd"))?;
    }
    let mut script = String::from("#!/bin/sh\ncase \"${CTDB_BASE##*/}\" in\n");
    for (number, node) in nodes.iter().enumerate() {
        script.push_str(&format!("node.{number}) {} ;;\n", command(options, *node)?));
    }
    script.push_str("*) echo \"no program for $CTDB_BASE\" >&2; exit 1 ;;\nesac\n");
    fs::write(&daemon, script)?;
    fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// The shell words that start a node's daemon, with helpers of its own kind.
fn command(options: &Options, node: NodeProgram) -> Result<String> {
    let NodeProgram::C(suite) = node else {
        // Found from the script itself, so that the root can be moved.
        return Ok("exec \"${0%/*}/../rust/ctdbd\" \"$@\"".to_owned());
    };
    let programs = source::package(&options.top, suite)?;
    // One word since 4.25, one for each helper before.
    let mut words = format!("export CTDB_TEST_HELPER_BINDIR='{}'; ", programs.display());
    for (variable, program) in [
        ("CTDB_EVENTD", "ctdb-eventd"),
        ("CTDB_EVENT_HELPER", "ctdb-event"),
        ("CTDB_LOCK_HELPER", "ctdb_lock_helper"),
        ("CTDB_RECOVERY_HELPER", "ctdb_recovery_helper"),
        ("CTDB_TAKEOVER_HELPER", "ctdb_takeover_helper"),
        ("CTDB_CLUSTER_MUTEX_HELPER", "ctdb_mutex_fcntl_helper"),
    ] {
        words.push_str(&format!(
            "export {variable}='{}'; ",
            programs.join(program).display()
        ));
    }
    Ok(format!(
        "{words}exec '{}' \"$@\"",
        programs.join("ctdbd").display()
    ))
}

/// Cargo's target folder.
pub(crate) fn target_folder(top: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), PathBuf::from)
}

/// Copies the executable files of a folder, following links, but nothing below it.
fn copy_programs(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let path = entry?.path();
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        let plain = path.extension().is_none();
        if about.is_file() && about.permissions().mode() & 0o111 != 0 && plain {
            let name = path.file_name().context("a folder entry without a name")?;
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}
