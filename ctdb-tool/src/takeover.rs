// SPDX-License-Identifier: GPL-3.0-or-later
//! Asking the leader by message: for a takeover run, or to leave recoveries or takeover runs alone for a while.

use crate::failure::Failure;
use crate::session::Session;
use ctdb_client::Message;
use ctdb_protocol::id::Pnn;
use ctdb_protocol::message::{DisableRecoveries, DisableTakeoverRuns, Port, TakeoverRun};
use ctdb_protocol::types::{DisableMessage, SrvidMessage};
use ctdb_protocol::wire::all;
use std::collections::BTreeSet;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Has addresses assigned anew and waits for the end of it. Whoever is leader answers; asked again until
/// somebody does. A negative answer is the exit status. Answers to `ipreallocate`.
pub async fn reallocate(session: &mut Session) -> Result<(), Failure> {
    let (srvid, mut inbox) = session.listen().await?;
    let ask = SrvidMessage::new(session.pnn, srvid);
    let result = loop {
        session
            .client
            .send_to::<TakeoverRun>(Pnn::BROADCAST_CONNECTED, &ask);
        tokio::select! {
            answer = timeout(session.limit(), number(&mut inbox)) => match answer {
                Ok(status) if status < 0 => break Err(Failure::silent(status)),
                Ok(_) => break Ok(()),
                Err(_) => {}
            },
            () = session.client.closed() => break Err(Failure::silent(1)),
        }
    };
    session.unlisten(srvid).await;
    result
}

/// Tells these nodes not to recover for so many seconds; 0 ends it.
pub async fn disable_recoveries(
    session: &mut Session,
    nodes: &[Pnn],
    seconds: u32,
) -> Result<(), Failure> {
    disable::<DisableRecoveries>(session, nodes, seconds).await
}

/// Tells these nodes not to run takeovers for so many seconds; 0 ends it.
pub async fn disable_takeover_runs(
    session: &mut Session,
    nodes: &[Pnn],
    seconds: u32,
) -> Result<(), Failure> {
    disable::<DisableTakeoverRuns>(session, nodes, seconds).await
}

/// Each node answers with its number, or a negative error. When some stay silent for the whole time limit,
/// upstream goes on, and so do we: a node that cannot answer cannot recover either.
async fn disable<P: Port<Payload = DisableMessage>>(
    session: &mut Session,
    nodes: &[Pnn],
    seconds: u32,
) -> Result<(), Failure> {
    let (srvid, mut inbox) = session.listen().await?;
    let ask = DisableMessage::new(session.pnn, srvid, seconds);
    for node in nodes {
        session.client.send_to::<P>(*node, &ask);
    }
    let mut waiting: BTreeSet<Pnn> = nodes.iter().copied().collect();
    let answers = async {
        while !waiting.is_empty() {
            let answer = number(&mut inbox).await;
            match u32::try_from(answer) {
                Ok(pnn) => waiting.remove(&Pnn(pnn)),
                Err(_) => return Err(Failure::silent(1)),
            };
        }
        Ok(())
    };
    let result = timeout(session.limit(), answers).await.unwrap_or(Ok(()));
    session.unlisten(srvid).await;
    result
}

/// The next message that is an integer.
async fn number(inbox: &mut UnboundedReceiver<Message>) -> i32 {
    loop {
        match inbox.recv().await {
            Some(message) => {
                if let Ok(number) = all::<i32>(&message.data) {
                    return number;
                }
            }
            // the connection is gone: whoever waits notices by itself
            None => std::future::pending().await,
        }
    }
}
