// SPDX-License-Identifier: GPL-3.0-or-later
//! Many clients in one process, each with a connection of its own.

use std::rc::Rc;

use ctdb_client::Client;
use ctdb_protocol::types::{CallFlags, CallFunction, DbFlags};
use ctdb_protocol::{DbId, Pnn, Srvid};
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};

use crate::Options;

/// Client N of a node listens here, plus N.
const FIRST_PORT: u64 = Srvid::TEST_RANGE.0 | 0x1000;
/// What each client keeps in flight.
const IN_FLIGHT: usize = 4;
/// The records that all clients of all nodes go through.
const RECORDS: u32 = 3000;

/// Messages to the client of the same number on the next node; each that comes is passed on.
pub(crate) async fn messages(options: &Options) -> Result<(), Failure> {
    let (clients, pnn) = connect_all(options).await?;
    let next = Pnn((pnn.0 + 1) % options.nodes);
    let mut ports = Vec::new();
    for (number, client) in (0_u64..).zip(&clients) {
        ports.push(client.register(Srvid(FIRST_PORT + number)).await?);
    }
    cluster_wait(&clients[0], pnn, options.nodes).await?;
    let end = Instant::now() + options.time();
    let tasks = LocalSet::new();
    let mut running = Vec::new();
    for ((number, client), mut port) in (0_u64..).zip(clients).zip(ports) {
        running.push(tasks.spawn_local(async move {
            let srvid = Srvid(FIRST_PORT + number);
            for _ in 0..IN_FLIGHT {
                client.send_message(next, srvid, vec![0; 64]);
            }
            let mut count = 0_u64;
            while let Ok(Some(message)) =
                timeout(end.saturating_duration_since(Instant::now()), port.recv()).await
            {
                client.send_message(next, srvid, message.data);
                count += 1;
            }
            count
        }));
    }
    finish(options, tasks, running).await
}

/// Brings records here, each client its own way through them.
pub(crate) async fn migrations(options: &Options) -> Result<(), Failure> {
    let (clients, pnn) = connect_all(options).await?;
    let database = clients[0]
        .attach(&options.database, DbFlags::empty())
        .await?;
    let id = database.id();
    cluster_wait(&clients[0], pnn, options.nodes).await?;
    let end = Instant::now() + options.time();
    let tasks = LocalSet::new();
    let mut running = Vec::new();
    for (number, client) in (0_u32..).zip(clients) {
        let client = Rc::new(client);
        for lane in 0..2 {
            let client = Rc::clone(&client);
            running.push(tasks.spawn_local(async move {
                let start = number * 47 + lane * 1009 + pnn.0 * 499;
                migrate(&client, id, start, end).await
            }));
        }
    }
    finish(options, tasks, running).await
}

async fn migrate(client: &Client, id: DbId, start: u32, end: Instant) -> u64 {
    let mut count = 0_u64;
    for turn in 0.. {
        let key = format!("record{}", start.wrapping_add(turn * 7) % RECORDS);
        let call = client.call(id, key, CallFunction::NULL, CallFlags::IMMEDIATE_MIGRATION);
        let left = end.saturating_duration_since(Instant::now());
        match timeout(left, call).await {
            Ok(Ok(_)) => count += 1,
            _ => break,
        }
    }
    count
}

async fn connect_all(options: &Options) -> Result<(Vec<Client>, Pnn), Failure> {
    let mut clients = Vec::new();
    for _ in 0..options.clients.max(1) {
        let client = options.connect().await?;
        client.gather();
        clients.push(client);
    }
    let pnn = clients[0].pnn().await?;
    Ok((clients, pnn))
}

async fn finish(
    options: &Options,
    tasks: LocalSet,
    running: Vec<tokio::task::JoinHandle<u64>>,
) -> Result<(), Failure> {
    let mut total = 0;
    tasks
        .run_until(async {
            for task in running {
                total += task.await.unwrap_or(0);
            }
        })
        .await;
    println!("rate {:.1}", total as f64 / options.time().as_secs_f64());
    Ok(())
}
