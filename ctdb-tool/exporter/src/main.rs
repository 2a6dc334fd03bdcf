// SPDX-License-Identifier: GPL-3.0-or-later
//! The program `ctdb-exporter`.
fn main() -> std::process::ExitCode {
    ctdb_crash::install("ctdb-exporter");
    ctdb_exporter::main()
}
