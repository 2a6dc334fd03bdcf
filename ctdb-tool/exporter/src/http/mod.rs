// SPDX-License-Identifier: GPL-3.0-or-later
//! The server: HTTP/1.1 over Unix sockets, and over TCP where that is asked for.
//!
//! Everything that a client decides is bounded: connections in all and of one address, bytes of a request's head, the
//! time for it, the life of a connection. A connection serves one request.

mod access;
mod answer;
mod body;
mod listen;
mod tls;

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::api::Api;
use crate::options::Options;
use crate::page::Live;
use crate::watch::Watcher;
use access::Access;
use listen::Listener;

/// How long a client may take to send the head of its request.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// Lines of a request's head.
const HEAD_LINES: usize = 64;
/// How long a connection may live: request, the daemon's answer, ours.
const LIFE: Duration = Duration::from_secs(30);

/// How long the stream of events may: whoever does not read any more is forgotten then, and a page that does opens
/// another one.
const STREAM_LIFE: Duration = Duration::from_secs(900);

/// What a request needs.
struct Server {
    watcher: Rc<Watcher>,
    api: Api,
    live: Live,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When a place to listen at cannot be had, or nobody may be let in there.
pub async fn serve(watcher: Rc<Watcher>, options: &Options) -> Result<(), String> {
    let mut listeners = Vec::new();
    for place in &options.listen {
        listeners.push(Listener::open(place, options)?);
    }
    let server = Rc::new(Server {
        api: Api::new(Rc::clone(&watcher)),
        live: Live::new(Rc::clone(&watcher)),
        watcher: Rc::clone(&watcher),
    });
    tokio::task::spawn_local(async move { watcher.look_after().await });
    let looking = Rc::clone(&server);
    tokio::task::spawn_local(async move { looking.live.look().await });
    let limits = Rc::new(listen::Limits::default());
    for listener in &listeners {
        crate::say(&format!("listening on {}", listener.name()));
        listener.accept(&server, &limits);
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    listeners.iter().for_each(Listener::remove);
    Ok(())
}

/// One request of one client.
async fn connection<S>(stream: S, server: Rc<Server>, access: Rc<Access>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let life = Cell::new(LIFE);
    let service = service_fn(|request: Request<Incoming>| {
        let (server, access) = (Rc::clone(&server), Rc::clone(&access));
        if request.uri().path() == answer::EVENTS {
            life.set(STREAM_LIFE);
        }
        async move { Ok::<_, Infallible>(answer::to(&server, &access, &request).await) }
    });
    let serving = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    let started = Instant::now();
    tokio::pin!(serving);
    while started.elapsed() < life.get() {
        tokio::select! {
            // whatever went wrong is the client's doing, and it knows
            _ = &mut serving => return,
            () = sleep_until(started + life.get()) => {}
        }
    }
}
