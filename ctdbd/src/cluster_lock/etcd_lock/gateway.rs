//! etcd's JSON gateway (API v3), as much of it as a lock needs: blocking, each step with an end.
//! A step goes to the server that answered the last one, and on to the next when it does not.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::settings::{Server, Settings, User};

/// More than any answer to a lock's requests.
const ANSWER_MAX: u64 = 1 << 20;
/// gRPC's "not now, or not here".
const UNAVAILABLE: u64 = 14;
/// gRPC's "who are you".
const UNAUTHENTICATED: u64 = 16;
/// gRPC's "not in this state".
const FAILED_PRECONDITION: u64 = 9;

/// Why etcd gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// No connection, or it broke.
    #[error("etcd {server}: {source}")]
    Connection {
        /// Host and port.
        server: String,
        /// What happened.
        source: Box<ureq::Error>,
    },
    /// An answer that says no.
    #[error("etcd {server}: {path}: {text}")]
    Refused {
        /// Host and port.
        server: String,
        /// What was asked.
        path: &'static str,
        /// gRPC's code of the reason.
        code: u64,
        /// What came.
        text: String,
    },
    /// An answer that is none of etcd's, or of another cluster.
    #[error("etcd {server}: {path}: {text}")]
    Strange {
        /// Host and port.
        server: String,
        /// What was asked.
        path: &'static str,
        /// What came.
        text: String,
    },
    /// No time was left to ask.
    #[error("etcd {server}: no time is left to ask it")]
    Late {
        /// Host and port.
        server: String,
    },
    /// None of several servers answered.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    All(Vec<GatewayError>),
}

impl GatewayError {
    /// Whether another server may know better.
    fn is_of_the_server(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Strange { .. } => true,
            Self::Refused { code, .. } => *code == UNAVAILABLE,
            Self::Late { .. } | Self::All(_) => false,
        }
    }

    fn code(&self) -> Option<u64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A lease: what is stored under it goes when nobody renews it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease(String);

/// The servers of one etcd cluster.
pub(super) struct Gateway {
    agent: Agent,
    scheme: &'static str,
    servers: RefCell<Vec<Server>>,
    /// Which of them answered last.
    current: Cell<usize>,
    user: Option<User>,
    /// What etcd gave for the user's password.
    token: RefCell<Option<String>>,
    cluster_id: Option<u64>,
    timeout: Duration,
}

impl Gateway {
    /// `timeout`: for one answer of one server.
    pub(super) fn new(settings: &Settings, tls: Option<TlsConfig>, timeout: Duration) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent("ctdb_etcd_lock")
            .tls_config(tls.unwrap_or_default())
            .build();
        Self {
            agent: config.new_agent(),
            scheme,
            servers: RefCell::new(settings.servers.clone()),
            current: Cell::new(0),
            user: settings.user.clone(),
            token: RefCell::new(None),
            cluster_id: settings.cluster_id,
            timeout,
        }
    }

    /// Adds the other servers of the cluster to those that are tried.
    pub(super) fn add_members(&self, until: Instant) -> Result<(), GatewayError> {
        let answer = self.post("/v3/cluster/member/list", &json!({}), until)?;
        let members = answer["members"].as_array().into_iter().flatten();
        let urls = members.filter_map(|member| member["clientURLs"].as_array());
        let mut servers = self.servers.borrow_mut();
        for url in urls.flatten().filter_map(Value::as_str) {
            match Server::from_url(url, self.scheme) {
                Some(server) if !servers.contains(&server) => servers.push(server),
                _ => {}
            }
        }
        Ok(())
    }

    /// A new lease of `ttl_s` seconds.
    pub(super) fn grant(&self, ttl_s: u64, until: Instant) -> Result<Lease, GatewayError> {
        let path = "/v3/lease/grant";
        let answer = self.post(path, &json!({ "TTL": ttl_s.to_string() }), until)?;
        match answer["ID"].as_str() {
            Some(id) => Ok(Lease(id.to_owned())),
            None => Err(self.strange(path, answer.to_string())),
        }
    }

    /// Stores `value` at `key` for as long as `lease` lives, if nothing is there. True if it did,
    /// also by an earlier try whose answer was lost.
    pub(super) fn create(
        &self,
        key: &str,
        value: &str,
        lease: &Lease,
        until: Instant,
    ) -> Result<bool, GatewayError> {
        let key = BASE64.encode(key);
        let request = json!({
            "compare": [{ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" }],
            "success": [{ "request_put":
                { "key": key, "value": BASE64.encode(value), "lease": lease.0 } }],
            "failure": [{ "request_range": { "key": key } }],
        });
        let answer = self.post("/v3/kv/txn", &request, until)?;
        // The gateway leaves out what is false.
        let created = answer["succeeded"].as_bool().unwrap_or(false);
        let there = &answer["responses"][0]["response_range"];
        Ok(created || belongs(there, lease))
    }

    /// True if `key` is there and belongs to `lease`.
    pub(super) fn holds(
        &self,
        key: &str,
        lease: &Lease,
        until: Instant,
    ) -> Result<bool, GatewayError> {
        let request = json!({ "key": BASE64.encode(key) });
        let answer = self.post("/v3/kv/range", &request, until)?;
        Ok(belongs(&answer, lease))
    }

    /// Renews a lease. False if it is no more.
    pub(super) fn keep_alive(&self, lease: &Lease, until: Instant) -> Result<bool, GatewayError> {
        let answer = self.post("/v3/lease/keepalive", &json!({ "ID": lease.0 }), until)?;
        let ttl_s = answer["result"]["TTL"].as_str().unwrap_or("0");
        Ok(ttl_s.parse::<i64>().is_ok_and(|ttl_s| ttl_s > 0))
    }

    /// Ends a lease, and all that is stored under it.
    pub(super) fn revoke(&self, lease: &Lease, until: Instant) -> Result<(), GatewayError> {
        self.post("/v3/lease/revoke", &json!({ "ID": lease.0 }), until)
            .map(drop)
    }

    /// Whether version 2 of the API has a key in the folder `path`: a lock of the C
    /// distribution's program. A server without that version has none.
    pub(super) fn has_v2_lock(&self, path: &str, until: Instant) -> Result<bool, GatewayError> {
        let v2 = "/v2/keys";
        let answer = self.each_server(until, |server, timeout| {
            let url = format!("{}://{server}{v2}{path}", self.scheme);
            let mut request = self.agent.get(&url);
            if let Some(user) = &self.user {
                let text = BASE64.encode(format!("{}:{}", user.name, user.password));
                request = request.header("Authorization", format!("Basic {text}"));
            }
            let request = request.config().timeout_global(Some(timeout)).build();
            read(request.call()).map_err(|source| self.broken(server, source))
        })?;
        let (status, text) = answer;
        // Whoever may not look, or is told that there is no such folder or version, finds none.
        let folder = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let found = folder["node"]["nodes"].as_array();
        Ok(status == 200 && found.is_some_and(|keys| !keys.is_empty()))
    }

    /// Asks with the user's token, if there is a user. A token that etcd has forgotten is got anew.
    fn post(
        &self,
        path: &'static str,
        request: &Value,
        until: Instant,
    ) -> Result<Value, GatewayError> {
        let Some(user) = &self.user else {
            return self.ask(path, request, until);
        };
        let fresh = self.token.borrow().is_none();
        if fresh {
            self.log_in(user, until)?;
        }
        let answer = self.ask(path, request, until);
        match &answer {
            Err(e) if e.code() == Some(UNAUTHENTICATED) && !fresh => {
                self.log_in(user, until)?;
                self.ask(path, request, until)
            }
            _ => answer,
        }
    }

    fn log_in(&self, user: &User, until: Instant) -> Result<(), GatewayError> {
        self.token.replace(None);
        let path = "/v3/auth/authenticate";
        let request = json!({ "name": user.name, "password": user.password });
        match self.ask(path, &request, until) {
            Ok(answer) => match answer["token"].as_str() {
                Some(token) => {
                    self.token.replace(Some(token.to_owned()));
                    Ok(())
                }
                None => Err(self.strange(path, "the answer has no token".to_owned())),
            },
            // etcd asks nobody for a password.
            Err(e) if e.code() == Some(FAILED_PRECONDITION) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn ask(
        &self,
        path: &'static str,
        request: &Value,
        until: Instant,
    ) -> Result<Value, GatewayError> {
        self.each_server(until, |server, timeout| {
            self.ask_one(server, path, request, timeout)
        })
    }

    /// Until one answers, beginning with the one that answered last.
    fn each_server<T>(
        &self,
        until: Instant,
        ask: impl Fn(&Server, Duration) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let servers = self.servers.borrow();
        let mut errors = Vec::new();
        for _ in 0..servers.len() {
            let server = &servers[self.current.get() % servers.len()];
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let server = server.to_string();
                errors.push(GatewayError::Late { server });
                break;
            }
            match ask(server, self.timeout.min(left)) {
                Err(e) if e.is_of_the_server() => errors.push(e),
                answer => return answer,
            }
            self.current.set((self.current.get() + 1) % servers.len());
        }
        match errors.pop() {
            Some(e) if errors.is_empty() => Err(e),
            last => Err(GatewayError::All(errors.into_iter().chain(last).collect())),
        }
    }

    fn ask_one(
        &self,
        server: &Server,
        path: &'static str,
        request: &Value,
        timeout: Duration,
    ) -> Result<Value, GatewayError> {
        let url = format!("{}://{server}{path}", self.scheme);
        let mut post = self
            .agent
            .post(&url)
            .header("Content-Type", "application/json");
        if let Some(token) = self.token.borrow().as_deref() {
            post = post.header("Authorization", token);
        }
        let post = post.config().timeout_global(Some(timeout)).build();
        let (status, text) =
            read(post.send(request.to_string())).map_err(|e| self.broken(server, e))?;
        let strange = |text| GatewayError::Strange {
            server: server.to_string(),
            path,
            text,
        };
        let answer: Value = serde_json::from_str(text.trim())
            .map_err(|e| strange(format!("status {status}, and no JSON: {e}")))?;
        if status != 200 {
            return Err(GatewayError::Refused {
                server: server.to_string(),
                path,
                code: answer["code"].as_u64().unwrap_or(0),
                text: answer["message"]
                    .as_str()
                    .or_else(|| answer["error"].as_str())
                    .map_or_else(|| answer.to_string(), str::to_owned),
            });
        }
        self.check_cluster(&answer).map_err(strange)?;
        Ok(answer)
    }

    /// The cluster that was expected, if one was.
    fn check_cluster(&self, answer: &Value) -> Result<(), String> {
        let header = match &answer["result"]["header"] {
            Value::Null => &answer["header"],
            header => header,
        };
        let id = header["cluster_id"].as_str().and_then(|id| id.parse().ok());
        match (self.cluster_id, id) {
            (Some(expected), Some(id)) if id != expected => {
                let id: u64 = id;
                Err(format!("it is of the cluster {id:x}, not of {expected:x}"))
            }
            _ => Ok(()),
        }
    }

    fn broken(&self, server: &Server, source: ureq::Error) -> GatewayError {
        GatewayError::Connection {
            server: server.to_string(),
            source: Box::new(source),
        }
    }

    fn strange(&self, path: &'static str, text: String) -> GatewayError {
        let servers = self.servers.borrow();
        GatewayError::Strange {
            server: servers[self.current.get() % servers.len()].to_string(),
            path,
            text,
        }
    }
}

/// Status and text of an answer.
fn read(
    answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<(u16, String), ureq::Error> {
    let mut answer = answer?;
    let body = answer.body_mut().with_config().limit(ANSWER_MAX);
    let text = body.read_to_string()?;
    Ok((answer.status().as_u16(), text))
}

/// True if the first key of an answer to a range is under `lease`.
fn belongs(answer: &Value, lease: &Lease) -> bool {
    answer["kvs"][0]["lease"].as_str() == Some(lease.0.as_str())
}
