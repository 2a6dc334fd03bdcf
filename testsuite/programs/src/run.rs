//! How the test programs that are clients start and end.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use ctdb_client::Client;
use ctdb_protocol::Pnn;
use ctdb_protocol::control::GetRecmode;
use ctdb_protocol::types::RecoveryMode;
use tokio::time::sleep;

use crate::options::Options;

/// Why a test program failed; its words go to standard error.
pub type Failure = Box<dyn std::error::Error>;

/// Runs a test program: exit status 0, or 1 and a word on standard error.
pub fn run<F>(name: &str, body: impl FnOnce() -> F) -> ExitCode
where
    F: Future<Output = Result<(), Failure>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime
        .map_err(Failure::from)
        .and_then(|runtime| runtime.block_on(body()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            eprintln!("{name} test failed");
            ExitCode::FAILURE
        }
    }
}

/// Connects, and waits until no recovery is under way.
///
/// # Errors
/// When there is no daemon, or it ends.
pub async fn connect(options: &Options) -> Result<(Client, Pnn), Failure> {
    let client = Client::connect(&options.socket).await?;
    let pnn = client.pnn().await?;
    wait_for_recovery(&client).await?;
    Ok((client, pnn))
}

/// Waits until no recovery is under way.
///
/// # Errors
/// When the daemon ends.
pub async fn wait_for_recovery(client: &Client) -> Result<(), Failure> {
    loop {
        let (mode, _) = client
            .control_status::<GetRecmode>(Pnn::CURRENT, &())
            .await?;
        if mode == RecoveryMode::NORMAL.0.cast_signed() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Prints a line and sees to it that it leaves at once: standard output may be a pipe.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more: then there is nobody to tell either.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
