// SPDX-License-Identifier: GPL-3.0-or-later
//! ltdbtool: offline work on CTDB's database files.
fn main() -> std::process::ExitCode {
    ctdb_crash::install("ltdbtool");
    ctdb_crash::rescue_bus_errors(tdb::rescue);
    ctdb_tool::ltdb::main()
}
