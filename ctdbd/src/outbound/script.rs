//! Scripts whose result nobody waits for: notification, lock debugging.

use std::path::Path;
use std::process::Stdio;

use nix::unistd::{AccessFlags, access};
use tokio::process::Command;

use crate::log;

/// Starts `path` if it can be executed; a failure is logged when it ends.
pub fn run(path: &Path, arguments: &[&str]) {
    if access(path, AccessFlags::X_OK).is_err() {
        return;
    }
    let shown = path.display().to_string();
    match Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
    {
        Ok(mut child) => {
            tokio::task::spawn_local(async move {
                match child.wait().await {
                    Ok(status) if status.success() => {}
                    Ok(status) => log::error!("{shown} failed: {status}"),
                    Err(e) => log::error!("{shown}: {e}"),
                }
            });
        }
        Err(e) => log::error!("Cannot run {shown}: {e}"),
    }
}
