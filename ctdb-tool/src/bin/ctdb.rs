// SPDX-License-Identifier: GPL-3.0-or-later
//! The ctdb command.
fn main() -> std::process::ExitCode {
    ctdb_tool::main()
}
