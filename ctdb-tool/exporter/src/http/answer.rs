// SPDX-License-Identifier: GPL-3.0-or-later
//! What is where.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::Server;
use super::access::Access;
use super::body::Answered;
use crate::api::{self, pretty};
use crate::metrics::{Form, text_of};
use crate::{page, ready};

type Answer = Response<Answered>;

/// The path whose answer does not end.
pub(super) const EVENTS: &str = "/events";

const JSON: &str = "application/json";
/// What the page may load: its own files, and the empty icon that keeps browsers from asking for one.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request.
pub(super) async fn to(server: &Server, access: &Access, request: &Request<Incoming>) -> Answer {
    let shown = request.headers().get(header::AUTHORIZATION);
    if !access.allows(shown.map(HeaderValue::as_bytes)) {
        let mut answer = text(StatusCode::UNAUTHORIZED, "the token is missing or wrong\n");
        let scheme = HeaderValue::from_static("Basic realm=\"ctdb\", charset=\"UTF-8\"");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        return answer;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(header::ALLOW, allowed);
        return answer;
    }
    match request.uri().path() {
        "/" => made(StatusCode::OK, "text/html; charset=utf-8", page::HTML),
        "/page.css" => made(StatusCode::OK, "text/css; charset=utf-8", page::CSS),
        "/page.js" => made(StatusCode::OK, "text/javascript; charset=utf-8", page::JS),
        EVENTS => events(server),
        "/metrics" => metrics(server, request).await,
        "/livez" => livez(server).await,
        "/readyz" => readyz(server).await,
        "/api/v1" | "/api/v1/" => made(StatusCode::OK, JSON, pretty(&api::index())),
        path => match path.strip_prefix("/api/v1/") {
            Some(rest) => command(server, rest, request.uri().query().unwrap_or_default()).await,
            None => text(StatusCode::NOT_FOUND, "there is nothing here; see /\n"),
        },
    }
}

async fn metrics(server: &Server, request: &Request<Incoming>) -> Answer {
    let accept = request.headers().get(header::ACCEPT);
    let form = Form::wanted(accept.and_then(|a| a.to_str().ok()).unwrap_or_default());
    let seen = server.watcher.now().await;
    made(StatusCode::OK, form.content_type(), text_of(&seen, form))
}

async fn livez(server: &Server) -> Answer {
    match server.watcher.alive().await {
        Ok(()) => text(StatusCode::OK, "ok\n"),
        Err(unavailable) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", unavailable.text),
        ),
    }
}

async fn readyz(server: &Server) -> Answer {
    let seen = server.watcher.now().await;
    let document = ready::document(&seen.node);
    let status = match document["ready"].as_bool() {
        Some(true) => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    made(status, JSON, pretty(&document))
}

async fn command(server: &Server, path: &str, query: &str) -> Answer {
    let found = server.api.answer(path, query).await;
    let status = StatusCode::from_u16(found.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = made(status, JSON, found.body.clone());
    if let Some(exit) = found.exit {
        answer
            .headers_mut()
            .insert("ctdb-exit-status", HeaderValue::from(exit));
    }
    answer
}

fn events(server: &Server) -> Answer {
    let Some(stream) = server.live.events() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "too many open pages\n");
    };
    let mut answer = made(StatusCode::OK, "text/event-stream", Bytes::new());
    *answer.body_mut() = Answered::Events(Box::pin(stream));
    answer
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    made(status, TEXT, text)
}

/// An answer that nobody keeps, guesses the type of or shows within a page of somebody else.
fn made(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Answered::Bytes(Some(body.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
