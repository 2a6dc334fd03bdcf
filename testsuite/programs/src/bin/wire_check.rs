//! `wire-check [--pcap FILE [--cut FILE]]`: see [`ctdb_test_programs::wire_check`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb_test_programs::wire_check::main()
}
