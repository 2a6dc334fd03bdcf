// SPDX-License-Identifier: GPL-3.0-or-later
//! TCP connections that are tickled when an address moves, and announcing addresses.

use crate::failure::{Doing, Failure, Outcome, errno_of};
use crate::output::address::Connections;
use crate::packet;
use crate::session::{Console, Session};
use crate::{number, parse};
use ctdb_protocol::control::{self as ctl, Control};
use ctdb_protocol::types::{AddrInfo, Connection};
use std::io::Read;

/// `ctdb gratarp`.
pub async fn gratarp(session: &mut Session, args: &[String]) -> Outcome {
    let [addr, iface] = args else {
        return Err(Failure::Usage);
    };
    let info = AddrInfo {
        addr: parse::address(addr)?,
        mask: 0,
        iface: iface.as_str().into(),
    };
    let node = session.target;
    session
        .control::<ctl::SendGratuitousArp>(node, &info)
        .await
        .doing(|| format!("Unable to send gratuitous arp from node {node}"))?;
    Ok(0)
}

/// `ctdb tickle`: one connection, or those on standard input.
pub fn tickle(_console: &mut Console, args: &[String]) -> Outcome {
    match args {
        [] => {
            let failed = from_stdin()?
                .iter()
                .filter(|conn| packet::send_ack(conn).is_err())
                .count();
            match failed {
                0 => Ok(0),
                _ => Err(Failure::say(1, format!("Failed to send {failed} tickles"))),
            }
        }
        [src, dst] => {
            packet::send_ack(&connection(src, dst)?).map_err(|error| {
                let text = error.to_string();
                let reason = text.split(" (os error").next().unwrap_or_default();
                Failure::say(1, format!("Failed sendto ({reason})"))
                    .and("Failed to send tickle ack")
            })?;
            Ok(0)
        }
        _ => Err(Failure::Usage),
    }
}

/// `ctdb gettickles`.
pub async fn gettickles(session: &mut Session, args: &[String]) -> Outcome {
    let (addr, port) = match args {
        [addr] => (addr, 0),
        [addr, text] => {
            let port = number::unsigned32(text, 10).map_err(|e| Failure::silent(e.errno()))?;
            (addr, parse::port(text, port.into())?)
        }
        _ => return Err(Failure::Usage),
    };
    let addr = parse::address(addr)?.with_port(port);
    let list = session
        .control::<ctl::GetTcpTickleList>(session.target, &addr)
        .await
        .doing(|| "Failed to get list of connections".to_owned())?;
    session.console.out.show(&Connections(list))?;
    Ok(0)
}

/// `ctdb addtickle`: one connection, or those on standard input.
pub async fn addtickle(session: &mut Session, args: &[String]) -> Outcome {
    change::<ctl::TcpAddDelayedUpdate>(session, args, "add", "Failed to register connection").await
}

/// `ctdb deltickle`: one connection, or those on standard input.
pub async fn deltickle(session: &mut Session, args: &[String]) -> Outcome {
    change::<ctl::TcpRemove>(session, args, "remove", "Failed to unregister connection").await
}

async fn change<C>(session: &mut Session, args: &[String], word: &str, failed_one: &str) -> Outcome
where
    C: Control<Request = Connection>,
{
    let node = session.target;
    match args {
        [] => {
            let failed = change_all::<C>(session, &from_stdin()?).await;
            match failed {
                0 => Ok(0),
                _ => Err(Failure::say(
                    1,
                    format!("Failed to {word} {failed} tickles"),
                )),
            }
        }
        [src, dst] => {
            session
                .control::<C>(node, &connection(src, dst)?)
                .await
                .doing(|| failed_one.to_owned())?;
            Ok(0)
        }
        _ => Err(Failure::Usage),
    }
}

/// Sends all requests at once and counts those that failed.
async fn change_all<C>(session: &Session, list: &[Connection]) -> usize
where
    C: Control<Request = Connection>,
{
    let mut waiting = tokio::task::JoinSet::new();
    for conn in list {
        let (client, node, limit, conn) = (
            session.client.clone(),
            session.target,
            session.limit(),
            *conn,
        );
        waiting.spawn_local(async move {
            client
                .request::<C>(node, &conn)
                .timeout(limit)
                .send()
                .await
                .is_err()
        });
    }
    let mut failed = 0;
    while let Some(result) = waiting.join_next().await {
        failed += usize::from(result.unwrap_or(true));
    }
    failed
}

fn connection(src: &str, dst: &str) -> Result<Connection, Failure> {
    Ok(Connection {
        src: parse::address_with_port(src)?,
        dst: parse::address_with_port(dst)?,
    })
}

fn from_stdin() -> Result<Vec<Connection>, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::silent(errno_of(&error)))?;
    parse::connections(&text)
}
