//! Procedures as programs of their own, `ctdb_recovery_helper` and `ctdb_takeover_helper`: one run over the
//! daemon's socket, whose result goes to a descriptor. The daemon runs them inside its own process; the
//! programs are for whoever ran upstream's.

pub mod recovery;
pub mod takeover;

use std::fmt::Display;

use ctdb_client::Client;

use crate::log;

/// `errno` when the daemon cannot be reached or this program is called wrongly.
const EIO: i32 = 5;
const EINVAL: i32 = 22;

/// Runs `procedure` with a connection to the daemon at `socket`, under the name `program` in the log. What
/// fails is logged; the error is its `errno`.
fn run(
    program: &str,
    socket: &str,
    procedure: impl AsyncFnOnce(Client) -> Result<(), i32>,
) -> Result<(), i32> {
    log::init_from_environment(program).map_err(|problem| {
        eprintln!("{program}: Unable to initialize logging: {problem}");
        EINVAL
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|problem| failed(&problem, EIO))?;
    runtime.block_on(async {
        let client = Client::connect(socket).await;
        procedure(client.map_err(|problem| failed(&problem, EIO))?).await
    })
}

fn failed(problem: &dyn Display, errno: i32) -> i32 {
    log::error!("{problem}");
    errno
}

/// Tells who waits at the descriptor `fd`.
fn write_result(fd: i32, result: i32) -> std::io::Result<()> {
    crate::sys::descriptor::write_to(fd, &result.to_ne_bytes())
}
