// SPDX-License-Identifier: GPL-3.0-or-later
//! Small results: one value, or a few with names.

use super::{Report, Rows, bit, clock};
use ctdb_protocol::id::Pnn;
use ctdb_protocol::types::{Capabilities, Timeval, Uptime};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// One value: a line of text, and a member of a JSON object.
pub struct Named {
    /// Its name in JSON.
    pub key: &'static str,
    /// The line of text.
    pub text: String,
    /// The value in JSON.
    pub value: Value,
}

impl Named {
    /// A value whose text is what JSON would show without quotes.
    pub fn new(key: &'static str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self { key, text, value }
    }

    /// A value whose text is something else.
    pub fn shown(key: &'static str, text: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            key,
            text: text.into(),
            value: value.into(),
        }
    }
}

impl Report for Named {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        writeln!(out, "{}", self.text)
    }

    fn json(&self) -> Value {
        json!({ self.key: self.value })
    }
}

/// What `getvar` and `listvars` show.
pub struct Tunables(pub Vec<(String, u32)>);

impl Report for Tunables {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        self.0
            .iter()
            .try_for_each(|(name, value)| writeln!(out, "{name:<26} = {value}"))
    }

    fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// What `getcapabilities` shows.
pub struct Roles(pub Capabilities);

impl Roles {
    fn list(&self) -> [(&'static str, bool); 2] {
        [
            ("LEADER", self.0.contains(Capabilities::RECMASTER)),
            ("LMASTER", self.0.contains(Capabilities::LMASTER)),
        ]
    }
}

impl Report for Roles {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        self.list().iter().try_for_each(|(name, has)| {
            writeln!(out, "{name}: {}", if *has { "YES" } else { "NO" })
        })
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let mut rows = Rows::new(&self.list().map(|(name, _)| name));
        rows.push(self.list().iter().map(|(_, has)| bit(*has)).collect());
        Some(rows)
    }

    fn json(&self) -> Value {
        self.list()
            .iter()
            .map(|(name, has)| (name.to_ascii_lowercase(), json!(has)))
            .collect::<Map<_, _>>()
            .into()
    }
}

/// What `uptime` shows.
pub struct Running {
    /// The node asked.
    pub node: Pnn,
    /// Its answer.
    pub uptime: Uptime,
}

impl Running {
    fn recovery_s(&self) -> f64 {
        let (end, start) = (
            &self.uptime.last_recovery_finished,
            &self.uptime.last_recovery_started,
        );
        (end.sec as f64 - start.sec as f64) + (end.usec as f64 - start.usec as f64) * 1e-6
    }
}

impl Report for Running {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        let u = &self.uptime;
        let now = u.current_time.sec;
        let since = |t: &Timeval| {
            format!(
                "{} {}",
                clock::span(now.wrapping_sub(t.sec)),
                clock::date(t.sec)
            )
        };
        writeln!(
            out,
            "Current time of node {:<4}     :                {}",
            self.node.0,
            clock::date(now)
        )?;
        writeln!(
            out,
            "Ctdbd start time              : {}",
            since(&u.ctdbd_start_time)
        )?;
        writeln!(
            out,
            "Time of last recovery/failover: {}",
            since(&u.last_recovery_finished)
        )?;
        writeln!(
            out,
            "Duration of last recovery/failover: {:.6} seconds",
            self.recovery_s()
        )
    }

    fn json(&self) -> Value {
        let u = &self.uptime;
        json!({
            "node": self.node.0,
            "current_time": seconds(&u.current_time),
            "start_time": seconds(&u.ctdbd_start_time),
            "last_recovery_started": seconds(&u.last_recovery_started),
            "last_recovery_finished": seconds(&u.last_recovery_finished),
            "last_recovery_duration_s": self.recovery_s(),
        })
    }
}

fn seconds(t: &Timeval) -> f64 {
    t.sec as f64 + t.usec as f64 / 1e6
}

/// Free text from the daemon, shown byte for byte.
pub struct Raw {
    /// Its name in JSON.
    pub key: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Report for Raw {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        out.write_all(&self.bytes)
    }

    fn json(&self) -> Value {
        json!({ self.key: String::from_utf8_lossy(&self.bytes) })
    }
}

/// Text that is not what JSON should say.
pub struct WithText {
    /// The text.
    pub text: Raw,
    /// The JSON document.
    pub value: Value,
}

impl Report for WithText {
    fn text(&self, out: &mut dyn Write, verbose: bool) -> io::Result<()> {
        self.text.text(out, verbose)
    }

    fn json(&self) -> Value {
        self.value.clone()
    }
}
