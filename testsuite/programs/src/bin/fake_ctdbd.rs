//! `fake_ctdbd -D DIR -s SOCKET -p PIDFILE [-d LEVEL]`: see [`ctdb_test_programs::fake_ctdbd`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ctdb_test_programs::fake_ctdbd::main()
}
