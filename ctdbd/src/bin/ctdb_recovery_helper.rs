//! One recovery; see [`ctdbd::procedure_helper::recovery`].

use std::process::exit;

fn main() {
    ctdb_crash::install("ctdb_recovery_helper");
    let mut args = std::env::args();
    let program = args
        .next()
        .unwrap_or_else(|| "ctdb_recovery_helper".to_owned());
    let args: Vec<String> = args.collect();
    exit(ctdbd::procedure_helper::recovery::main(&program, &args));
}
