//! Signals: HUP opens the log again, here and in the event daemon. TERM and INT keep their defaults.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::log;

/// Serves SIGHUP for as long as the daemon runs.
///
/// # Errors
/// The handler cannot be installed.
pub fn watch_hangup(event_daemon: u32) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangups = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangups.recv().await.is_some() {
            let pid = Pid::from_raw(event_daemon.cast_signed());
            // If it has ended meanwhile we end as well.
            let _ = kill(pid, Signal::SIGHUP);
            if log::reopen() {
                log::notice!("Reopened logs");
            } else {
                log::warning!("Failed to reopen logs");
            }
        }
    })
}
