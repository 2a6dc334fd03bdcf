//! `tunnel_cmd SOCKET listen` and `tunnel_cmd SOCKET send PNN TEXT`: words through a tunnel. The
//! word `quit` ends the listener.

use std::process::ExitCode;

use ctdb_client::Client;
use ctdb_protocol::text::CountedText;
use ctdb_protocol::{Pnn, Srvid, all, encode};
use ctdb_test_programs::Failure;
use ctdb_test_programs::run::run;

/// The tunnel of both.
const TUNNEL: Srvid = Srvid(Srvid::TUNNEL_TEST.0 | 0xf0f0_f0f0);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [socket, "listen"] => run("tunnel command", || listen(socket)),
        [socket, "send", pnn, text] => run("tunnel command", || send(socket, pnn, text)),
        _ => {
            eprintln!("usage: tunnel_cmd <ctdb-socket> listen");
            eprintln!("usage: tunnel_cmd <ctdb-socket> send <pnn> <msg>");
            ExitCode::FAILURE
        }
    }
}

async fn listen(socket: &str) -> Result<(), Failure> {
    let client = Client::connect(socket).await?;
    let mut tunnel = client.tunnel(TUNNEL).await?;
    loop {
        let request = tunnel.next().await.ok_or("Connection to the daemon lost")?;
        match all::<CountedText>(&request.data) {
            Ok(text) => {
                eprintln!("{}: {text}", request.src);
                if text.as_bytes() == b"quit" {
                    break;
                }
            }
            Err(error) => eprintln!("Invalid tunnel message: {error}"),
        }
    }
    tunnel.close().await?;
    Ok(())
}

async fn send(socket: &str, pnn: &str, text: &str) -> Result<(), Failure> {
    let client = Client::connect(socket).await?;
    let tunnel = client.tunnel(TUNNEL).await?;
    tunnel.tell(Pnn(pnn.parse()?), encode(&CountedText::new(text)));
    tunnel.close().await?;
    Ok(())
}
