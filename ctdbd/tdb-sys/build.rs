// SPDX-License-Identifier: GPL-3.0-or-later
//! Compiles the one function that libtdb wants and that Rust cannot define: one with a variable number of
//! arguments.

fn main() {
    println!("cargo::rerun-if-changed=src/log.c");
    cc::Build::new().file("src/log.c").compile("tdb_sys_log");
}
