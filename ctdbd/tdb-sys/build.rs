// SPDX-License-Identifier: GPL-3.0-or-later
//! Compiles the one function that libtdb wants and that Rust cannot define: one with a variable number of
//! arguments. Says which package to install where libtdb is missing, instead of leaving that to the linker.

use std::env;
use std::path::Path;
use std::process::Stdio;

fn main() {
    println!("cargo::rerun-if-changed=src/log.c");
    cc::Build::new().file("src/log.c").compile("tdb_sys_log");
    if !may_be_elsewhere() && !links(&["-ltdb"]) && links(&[]) {
        println!(
            "cargo::error=libtdb was not found. Install its development files: libtdb-dev (Debian, Ubuntu), \
             libtdb-devel (Fedora, RHEL, SUSE), tdb-dev (Alpine) or tdb (Arch)."
        );
    }
}

/// Whether the builder names a folder, or builds for another machine: then this one's linker does not know.
fn may_be_elsewhere() -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    variable("HOST") != variable("TARGET") || variable("CARGO_ENCODED_RUSTFLAGS").contains("-L")
}

/// Whether a library of nothing but these can be linked.
fn links(libraries: &[&str]) -> bool {
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    let compiler = cc::Build::new().get_compiler();
    let mut command = compiler.to_command();
    command
        .args(["-shared", "-o"])
        .arg(Path::new(&out).join("probe.so"));
    command
        .args(libraries)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
