//! etcd's JSON gateway (API v3), as much of it as a lock needs: one HTTP/1.1 request per
//! connection, blocking, with one deadline for each step.

use std::io::{self, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::{Value, json};

/// More than any answer to a lock's requests.
const ANSWER_MAX: u64 = 1 << 20;

/// Why etcd gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// No connection, or it broke.
    #[error("etcd {server}: {source}")]
    Io {
        /// Host and port.
        server: String,
        /// What happened.
        source: io::Error,
    },
    /// An answer that says no, or none of etcd's.
    #[error("etcd {server}: {path}: {text}")]
    Answer {
        /// Host and port.
        server: String,
        /// What was asked.
        path: &'static str,
        /// What came.
        text: String,
    },
}

/// A lease: what is stored under it goes when nobody renews it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease(String);

/// One etcd server.
#[derive(Debug)]
pub(super) struct Gateway {
    server: String,
    timeout: Duration,
}

impl Gateway {
    pub(super) fn new(host: &str, port: u16, timeout: Duration) -> Self {
        let server = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        Self { server, timeout }
    }

    /// A new lease of `ttl_s` seconds.
    pub(super) fn grant(&self, ttl_s: u64) -> Result<Lease, GatewayError> {
        let path = "/v3/lease/grant";
        let answer = self.post(path, &json!({ "TTL": ttl_s.to_string() }))?;
        match answer["ID"].as_str() {
            Some(id) => Ok(Lease(id.to_owned())),
            None => Err(self.unexpected(path, &answer.to_string())),
        }
    }

    /// Stores `value` at `key` for as long as `lease` lives, if nothing is there. True if it did.
    pub(super) fn create(
        &self,
        key: &str,
        value: &str,
        lease: &Lease,
    ) -> Result<bool, GatewayError> {
        let key = base64(key.as_bytes());
        let request = json!({
            "compare": [{ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" }],
            "success": [{ "request_put":
                { "key": key, "value": base64(value.as_bytes()), "lease": lease.0 } }],
        });
        let answer = self.post("/v3/kv/txn", &request)?;
        // The gateway leaves out what is false.
        Ok(answer["succeeded"].as_bool().unwrap_or(false))
    }

    /// True if `key` is there and belongs to `lease`.
    pub(super) fn holds(&self, key: &str, lease: &Lease) -> Result<bool, GatewayError> {
        let answer = self.post("/v3/kv/range", &json!({ "key": base64(key.as_bytes()) }))?;
        Ok(answer["kvs"][0]["lease"].as_str() == Some(lease.0.as_str()))
    }

    /// Renews a lease. False if it is no more.
    pub(super) fn keep_alive(&self, lease: &Lease) -> Result<bool, GatewayError> {
        let answer = self.post("/v3/lease/keepalive", &json!({ "ID": lease.0 }))?;
        let ttl_s = answer["result"]["TTL"].as_str().unwrap_or("0");
        Ok(ttl_s.parse::<i64>().is_ok_and(|ttl_s| ttl_s > 0))
    }

    /// Ends a lease, and all that is stored under it.
    pub(super) fn revoke(&self, lease: &Lease) -> Result<(), GatewayError> {
        self.post("/v3/lease/revoke", &json!({ "ID": lease.0 }))
            .map(drop)
    }

    fn post(&self, path: &'static str, request: &Value) -> Result<Value, GatewayError> {
        let text = self
            .exchange(path, &request.to_string())
            .map_err(|source| GatewayError::Io {
                server: self.server.clone(),
                source,
            })?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or_else(|| self.unexpected(path, "the answer has no end of header"))?;
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(self.unexpected(path, &format!("{status}: {}", body.trim())));
        }
        serde_json::from_str(body.trim()).map_err(|e| self.unexpected(path, &e.to_string()))
    }

    /// One request in HTTP/1.0, which the server answers in one piece and then closes.
    fn exchange(&self, path: &str, body: &str) -> io::Result<String> {
        let address = self
            .server
            .to_socket_addrs()?
            .next()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let mut stream = TcpStream::connect_timeout(&address, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let request = format!(
            "POST {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.server,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn unexpected(&self, path: &'static str, text: &str) -> GatewayError {
        GatewayError::Answer {
            server: self.server.clone(),
            path,
            text: text.to_owned(),
        }
    }
}

/// The standard alphabet with padding, as JSON has bytes.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, i| {
            word << 8 | u32::from(group.get(i).copied().unwrap_or(0))
        });
        for i in 0..4 {
            if i <= group.len() {
                let index = word >> (18 - 6 * i) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_pads_every_length() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foo"), "Zm9v");
        assert_eq!(base64(b"foob\xff\xfe"), "Zm9vYv/+");
    }
}
