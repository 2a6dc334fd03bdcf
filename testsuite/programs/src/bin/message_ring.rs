//! `message_ring -n NODES -t SECONDS`: passes two messages around the cluster, one each way, as
//! fast as it goes.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use ctdb_client::Client;
use ctdb_protocol::{Pnn, Srvid};
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use ctdb_test_programs::options::Options;
use ctdb_test_programs::run::{connect, run, say};
use tokio::time::{Instant, interval};

/// Where the messages go.
const PORT: Srvid = Srvid(0);

fn main() -> ExitCode {
    run("message ring", test)
}

/// A node's place in the ring, and what came by.
struct Ring {
    client: Client,
    pnn: Pnn,
    num_nodes: u32,
    up: u32,
    down: u32,
}

async fn test() -> Result<(), Failure> {
    let options = Options::from_command_line()?;
    let (client, pnn) = connect(&options).await?;
    let mut messages = client.register(PORT).await?;
    cluster_wait(&client, pnn, options.num_nodes).await?;
    let mut ring = Ring {
        client,
        pnn,
        num_nodes: options.num_nodes,
        up: 0,
        down: 0,
    };

    let start = Instant::now();
    let end = tokio::time::sleep(options.timelimit);
    tokio::pin!(end);
    let mut second = interval(Duration::from_secs(1));
    // The end is looked at first: messages never stop coming.
    loop {
        tokio::select! {
            biased;
            () = &mut end => break,
            _ = second.tick() => {
                if pnn == Pnn(0) {
                    if options.interactive && start.elapsed() >= Duration::from_secs(1) {
                        ring.tell(start);
                    }
                    ring.start_missing();
                }
            }
            message = messages.recv() => {
                ring.pass(&message.ok_or("Connection to the daemon lost")?.data);
            }
        }
    }
    ring.tell(start);
    Ok(())
}

impl Ring {
    /// Counts a message and passes it on.
    fn pass(&mut self, data: &Bytes) {
        let Some(step) = data
            .first_chunk::<4>()
            .map(|step| i32::from_ne_bytes(*step))
        else {
            return;
        };
        if step > 0 {
            self.up += 1
        } else {
            self.down += 1
        }
        self.send(step, data.clone());
    }

    fn send(&self, step: i32, data: Bytes) {
        let next = (self.pnn.0 + self.num_nodes).wrapping_add_signed(step) % self.num_nodes;
        self.client.send_message(Pnn(next), PORT, data);
    }

    /// Puts in the messages that never came by.
    fn start_missing(&self) {
        for (step, count) in [(1_i32, self.up), (-1, self.down)] {
            if count == 0 {
                self.send(step, Bytes::copy_from_slice(&step.to_ne_bytes()));
            }
        }
    }

    fn tell(&self, start: Instant) {
        let Self { pnn, up, down, .. } = self;
        let rate = f64::from(up + down) / start.elapsed().as_secs_f64();
        say(&format!(
            "Ring[{pnn}]: {rate:.2} msgs/sec (+ve={up} -ve={down})"
        ));
    }
}
