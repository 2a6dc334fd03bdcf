// SPDX-License-Identifier: GPL-3.0-or-later
//! The ctdb command.
fn main() -> std::process::ExitCode {
    ctdb_crash::install("ctdb");
    ctdb_crash::rescue_bus_errors(tdb::rescue);
    ctdb_tool::main()
}
