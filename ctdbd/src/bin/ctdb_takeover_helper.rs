// SPDX-License-Identifier: GPL-3.0-or-later
//! One takeover run; see [`ctdbd::procedure_helper::takeover`].

use std::process::exit;

fn main() {
    ctdb_crash::install("ctdb_takeover_helper");
    let mut args = std::env::args();
    let program = args
        .next()
        .unwrap_or_else(|| "ctdb_takeover_helper".to_owned());
    let args: Vec<String> = args.collect();
    exit(ctdbd::procedure_helper::takeover::main(&program, &args));
}
