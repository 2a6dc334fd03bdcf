// SPDX-License-Identifier: GPL-3.0-or-later
//! ltdbtool: offline work on CTDB's database files.
fn main() -> std::process::ExitCode {
    ctdb_tool::ltdb::main()
}
