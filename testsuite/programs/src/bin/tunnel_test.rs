//! `tunnel_test -n NODES -t SECONDS`: sends a packet through tunnels around the cluster, one from
//! each node, and counts how often its own comes back.

use std::process::ExitCode;
use std::time::Duration;

use ctdb_client::{Tunnel, TunnelRequest};
use ctdb_protocol::{Pnn, Srvid};
use ctdb_test_programs::Failure;
use ctdb_test_programs::cluster_wait::cluster_wait;
use ctdb_test_programs::options::Options;
use ctdb_test_programs::run::{connect, run, say};
use tokio::time::{Instant, sleep_until};

/// How long a node passes on the others' packets after its own time is up.
const GRACE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    run("tunnel", test)
}

/// Node `pnn` sends through this tunnel, the next one receives from it.
fn tunnel_of(pnn: u32) -> Srvid {
    Srvid(Srvid::TUNNEL_TEST.0 | u64::from(pnn))
}

async fn test() -> Result<(), Failure> {
    let options = Options::from_command_line()?;
    let nodes = options.num_nodes;
    let (client, pnn) = connect(&options).await?;
    let before = (pnn.0 + nodes - 1) % nodes;
    let mut sending = client.tunnel(tunnel_of(pnn.0)).await?;
    // Alone, a node would be its own neighbour in one and the same tunnel.
    let mut receiving = match before == pnn.0 {
        true => None,
        false => Some(client.tunnel(tunnel_of(before)).await?),
    };
    cluster_wait(&client, pnn, nodes).await?;

    let next = Pnn((pnn.0 + 1) % nodes);
    let mut count = 0_u32;
    let end = Instant::now() + options.timelimit;
    send(&sending, next, pnn, count);
    while let Some(request) = receive(&mut sending, receiving.as_mut(), end).await? {
        let (owner, seen) = read(&request)?;
        if owner == pnn {
            if seen != count {
                return Err(format!("Packet {seen} came back, {count} was sent").into());
            }
            count += 1;
        }
        let seen = if owner == pnn { count } else { seen };
        send(&sending, next, owner, seen);
    }
    let rate = f64::from(count) / options.timelimit.as_secs_f64();
    say(&format!("pnn[{pnn}] {rate:.1} msgs/sec"));

    let end = end + GRACE;
    while let Some(request) = receive(&mut sending, receiving.as_mut(), end).await? {
        let (owner, seen) = read(&request)?;
        if owner != pnn {
            send(&sending, next, owner, seen);
        }
    }
    sending.close().await?;
    if let Some(receiving) = receiving {
        receiving.close().await?;
    }
    Ok(())
}

/// The next packet; none at the end of time.
async fn receive(
    sending: &mut Tunnel,
    receiving: Option<&mut Tunnel>,
    end: Instant,
) -> Result<Option<TunnelRequest>, Failure> {
    let lost = "Connection to the daemon lost";
    let Some(receiving) = receiving else {
        return tokio::select! {
            biased;
            () = sleep_until(end) => Ok(None),
            request = sending.next() => Ok(Some(request.ok_or(lost)?)),
        };
    };
    tokio::select! {
        biased;
        () = sleep_until(end) => Ok(None),
        request = sending.next() => {
            request.ok_or(lost)?;
            Err("Received data on send tunnel".into())
        }
        request = receiving.next() => Ok(Some(request.ok_or(lost)?)),
    }
}

fn send(tunnel: &Tunnel, next: Pnn, owner: Pnn, count: u32) {
    let mut data = owner.0.to_ne_bytes().to_vec();
    data.extend_from_slice(&count.to_ne_bytes());
    tunnel.tell(next, data);
}

/// Whose packet it is, and how often it went around.
fn read(request: &TunnelRequest) -> Result<(Pnn, u32), Failure> {
    let data: [u8; 8] = request.data.as_ref().try_into()?;
    let [a, b, c, d, e, f, g, h] = data;
    Ok((
        Pnn(u32::from_ne_bytes([a, b, c, d])),
        u32::from_ne_bytes([e, f, g, h]),
    ))
}
