// SPDX-License-Identifier: GPL-3.0-or-later
//! Counters of a daemon and of a database.

use super::{Report, Rows, clock};
use ctdb_protocol::types::{DbStatistics, HotKey, LatencyCounter, Statistics};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};

/// The protocol's version, which upstream prints as "CTDB version".
const PROTOCOL_VERSION: u32 = 1;

type Field = (&'static str, fn(&Statistics) -> u32);

/// Counters in the order of the text and of the columns. A dot separates a headline from its parts.
const FIELDS: &[Field] = &[
    ("num_clients", |s| s.num_clients),
    ("frozen", |s| s.frozen),
    ("recovering", |s| s.recovering),
    ("num_recoveries", |s| s.num_recoveries),
    ("client_packets_sent", |s| s.client_packets_sent),
    ("client_packets_recv", |s| s.client_packets_recv),
    ("node_packets_sent", |s| s.node_packets_sent),
    ("node_packets_recv", |s| s.node_packets_recv),
    ("keepalive_packets_sent", |s| s.keepalive_packets_sent),
    ("keepalive_packets_recv", |s| s.keepalive_packets_recv),
    ("node.req_call", |s| s.node.req_call),
    ("node.reply_call", |s| s.node.reply_call),
    ("node.req_dmaster", |s| s.node.req_dmaster),
    ("node.reply_dmaster", |s| s.node.reply_dmaster),
    ("node.reply_error", |s| s.node.reply_error),
    ("node.req_message", |s| s.node.req_message),
    ("node.req_control", |s| s.node.req_control),
    ("node.reply_control", |s| s.node.reply_control),
    ("node.req_tunnel", |s| s.node.req_tunnel),
    ("client.req_call", |s| s.client.req_call),
    ("client.req_message", |s| s.client.req_message),
    ("client.req_control", |s| s.client.req_control),
    ("client.req_tunnel", |s| s.client.req_tunnel),
    ("timeouts.call", |s| s.timeouts.call),
    ("timeouts.control", |s| s.timeouts.control),
    ("timeouts.traverse", |s| s.timeouts.traverse),
    ("locks.num_calls", |s| s.locks.num_calls),
    ("locks.num_current", |s| s.locks.num_current),
    ("locks.num_pending", |s| s.locks.num_pending),
    ("locks.num_failed", |s| s.locks.num_failed),
    ("total_calls", |s| s.total_calls),
    ("pending_calls", |s| s.pending_calls),
    ("childwrite_calls", |s| s.childwrite_calls),
    ("pending_childwrite_calls", |s| s.pending_childwrite_calls),
    ("memory_used", |s| s.memory_used),
    ("max_hop_count", |s| s.max_hop_count),
    ("total_ro_delegations", |s| s.total_ro_delegations),
    ("total_ro_revokes", |s| s.total_ro_revokes),
];

type Latency = (
    &'static str,
    &'static str,
    fn(&Statistics) -> &LatencyCounter,
);

/// Latencies: name of the text line, part of the column names, value; in column order.
const LATENCIES: &[Latency] = &[
    ("reclock_ctdbd", "reclock_ctdbd", |s| &s.reclock_ctdbd),
    ("reclock_recd", "reclock_recd", |s| &s.reclock_recd),
    ("call_latency", "call", |s| &s.call_latency),
    ("locks_latency", "lockwait", |s| &s.locks.latency),
    ("childwrite_latency", "childwrite", |s| {
        &s.childwrite_latency
    }),
];

/// Lines of the text form in their order; the columns have another one.
const TEXT_ORDER: [usize; 5] = [3, 0, 1, 2, 4];

/// What `statistics` and `stats` show: one set of counters, or those of several intervals.
pub struct StatisticsReport {
    /// In the daemon's order.
    pub sets: Vec<Statistics>,
    /// Whether it is a history: JSON then is a list.
    pub history: bool,
}

impl Report for StatisticsReport {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        self.sets.iter().try_for_each(|set| text(set, out))
    }

    fn rows(&self, _verbose: bool) -> Option<Rows> {
        let header = if self.sets.is_empty() {
            Vec::new()
        } else {
            columns()
        };
        Some(Rows {
            header,
            lines: self.sets.iter().map(values).collect(),
            bare_front: true,
        })
    }

    fn json(&self) -> Value {
        let mut sets = self.sets.iter().map(as_json);
        match self.history {
            true => json!({ "history": sets.collect::<Vec<_>>() }),
            false => sets.next().unwrap_or(Value::Null),
        }
    }
}

fn text(s: &Statistics, out: &mut dyn Write) -> io::Result<()> {
    let (now, start) = (s.statistics_current_time.sec, s.statistics_start_time.sec);
    writeln!(out, "CTDB version {PROTOCOL_VERSION}")?;
    writeln!(
        out,
        "Current time of statistics  :                {}",
        clock::date(now)
    )?;
    writeln!(
        out,
        "Statistics collected since  : {} {}",
        clock::span(now.wrapping_sub(start)),
        clock::date(start)
    )?;
    let fields: Vec<(&str, u32)> = FIELDS.iter().map(|(name, get)| (*name, get(s))).collect();
    counters(&fields, out)?;
    buckets("hop_count_buckets", &s.hop_count_bucket, out)?;
    buckets("lock_buckets", &s.locks.buckets, out)?;
    for index in TEXT_ORDER {
        let (name, _, get) = LATENCIES[index];
        latency(name, get(s), out)?;
    }
    Ok(())
}

/// Counters one under the other, parts indented below their headline.
fn counters(fields: &[(&str, u32)], out: &mut dyn Write) -> io::Result<()> {
    let mut headline = "";
    for (name, value) in fields {
        match name.split_once('.') {
            Some((head, part)) => {
                if head != headline {
                    headline = head;
                    writeln!(out, " {head}")?;
                }
                writeln!(out, "     {part:<22}{value:>10}")?;
            }
            None => writeln!(out, " {name:<22}    {value:>10}")?,
        }
    }
    Ok(())
}

fn buckets(name: &str, counts: &[u32], out: &mut dyn Write) -> io::Result<()> {
    write!(out, " {name}:")?;
    counts
        .iter()
        .try_for_each(|count| write!(out, " {}", *count as i32))?;
    writeln!(out)
}

fn latency(name: &str, l: &LatencyCounter, out: &mut dyn Write) -> io::Result<()> {
    let label = format!("{name:<18} MIN/AVG/MAX");
    writeln!(
        out,
        " {label:<30}     {:.6}/{:.6}/{:.6} sec out of {}",
        l.min.0,
        average(l),
        l.max.0,
        l.num
    )
}

fn average(l: &LatencyCounter) -> f64 {
    if l.num == 0 {
        0.0
    } else {
        l.total.0 / f64::from(l.num)
    }
}

fn columns() -> Vec<String> {
    let times = [
        "CTDB version",
        "Current time of statistics",
        "Statistics collected since",
    ];
    let mut header: Vec<String> = times.iter().map(|t| (*t).to_owned()).collect();
    header.extend(FIELDS.iter().map(|(name, _)| (*name).to_owned()));
    for (_, name, _) in LATENCIES {
        header.extend(
            ["num", "min", "avg", "max"]
                .iter()
                .map(|what| format!("{what}_{name}_latency")),
        );
    }
    header
}

fn values(s: &Statistics) -> Vec<String> {
    let mut line = vec![
        PROTOCOL_VERSION.to_string(),
        (s.statistics_current_time.sec as u32).to_string(),
        (s.statistics_start_time.sec as u32).to_string(),
    ];
    line.extend(FIELDS.iter().map(|(_, get)| get(s).to_string()));
    for (_, _, get) in LATENCIES {
        let l = get(s);
        line.push(l.num.to_string());
        line.extend([l.min.0, average(l), l.max.0].map(|seconds| format!("{seconds:.6}")));
    }
    line
}

fn as_json(s: &Statistics) -> Value {
    let mut top = Map::new();
    top.insert("ctdb_version".into(), json!(PROTOCOL_VERSION));
    top.insert("current_time".into(), json!(s.statistics_current_time.sec));
    top.insert("collected_since".into(), json!(s.statistics_start_time.sec));
    let fields: Vec<(&str, u32)> = FIELDS.iter().map(|(name, get)| (*name, get(s))).collect();
    nest(&mut top, &fields);
    top.insert("hop_count_buckets".into(), json!(s.hop_count_bucket));
    top.insert("lock_buckets".into(), json!(s.locks.buckets));
    let latencies: Map<String, Value> = LATENCIES
        .iter()
        .map(|(name, _, get)| ((*name).to_owned(), latency_json(get(s))))
        .collect();
    top.insert("latencies".into(), latencies.into());
    top.into()
}

/// `a.b` becomes member b of object a.
fn nest(top: &mut Map<String, Value>, fields: &[(&str, u32)]) {
    for (name, value) in fields {
        match name.split_once('.') {
            Some((head, part)) => {
                let inner = top.entry(head).or_insert_with(|| json!({}));
                inner[part] = json!(value);
            }
            None => {
                top.insert((*name).to_owned(), json!(value));
            }
        }
    }
}

fn latency_json(l: &LatencyCounter) -> Value {
    json!({ "count": l.num, "min_s": l.min.0, "avg_s": average(l), "max_s": l.max.0 })
}

/// What `dbstatistics` shows.
pub struct DbStatisticsReport {
    /// The database's name.
    pub name: String,
    /// Its counters.
    pub stats: DbStatistics,
}

impl DbStatisticsReport {
    fn fields(&self) -> [(&'static str, u32); 6] {
        let s = &self.stats;
        [
            ("db_ro_delegations", s.ro_delegations),
            ("db_ro_revokes", s.ro_revokes),
            ("locks.num_calls", s.locks.num_calls),
            ("locks.num_current", s.locks.num_current),
            ("locks.num_pending", s.locks.num_pending),
            ("locks.num_failed", s.locks.num_failed),
        ]
    }

    /// The slots the daemon says are in use.
    fn hot_keys(&self) -> &[HotKey] {
        let used = usize::try_from(self.stats.num_hot_keys).unwrap_or(usize::MAX);
        &self.stats.hot_keys[..used.min(DbStatistics::HOT_KEYS)]
    }
}

impl Report for DbStatisticsReport {
    fn text(&self, out: &mut dyn Write, _verbose: bool) -> io::Result<()> {
        let s = &self.stats;
        writeln!(out, "DB Statistics {}", self.name)?;
        counters(&self.fields(), out)?;
        buckets("hop_count_buckets", &s.hop_count_bucket, out)?;
        buckets("lock_buckets", &s.locks.buckets, out)?;
        latency("locks_latency", &s.locks.latency, out)?;
        latency("vacuum_latency", &s.vacuum_latency, out)?;
        writeln!(out, " Num Hot Keys:     {}", self.hot_keys().len())?;
        for hot in self.hot_keys() {
            writeln!(out, "     Count:{} Key:{}", hot.count as i32, hex(&hot.key))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let s = &self.stats;
        let mut top = Map::new();
        top.insert("name".into(), json!(self.name));
        nest(&mut top, &self.fields());
        top.insert("hop_count_buckets".into(), json!(s.hop_count_bucket));
        top.insert("lock_buckets".into(), json!(s.locks.buckets));
        top.insert(
            "latencies".into(),
            json!({
                "locks_latency": latency_json(&s.locks.latency),
                "vacuum_latency": latency_json(&s.vacuum_latency),
            }),
        );
        let hot: Vec<Value> = self
            .hot_keys()
            .iter()
            .map(|hot| json!({ "count": hot.count, "key": hex(&hot.key) }))
            .collect();
        top.insert("hot_keys".into(), hot.into());
        top.into()
    }
}

/// Bytes as lower case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(report: &dyn Report) -> String {
        let mut out = Vec::new();
        report.text(&mut out, false).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_has_upstreams_columns() {
        let stats = Statistics {
            num_clients: 7,
            ..Statistics::default()
        };
        let text = shown(&StatisticsReport {
            sets: vec![stats],
            history: false,
        });
        assert!(
            text.contains("\n num_clients                        7\n"),
            "{text}"
        );
        assert!(
            text.contains("\n node\n     req_call                       0\n"),
            "{text}"
        );
        assert!(
            text.contains(
                "\n locks_latency      MIN/AVG/MAX     0.000000/0.000000/0.000000 sec out of 0\n"
            ),
            "{text}"
        );
        assert!(text.lines().count() >= 40);
    }

    #[test]
    fn rows_have_as_many_values_as_columns() {
        let report = StatisticsReport {
            sets: vec![Statistics::default()],
            history: false,
        };
        let rows = report.rows(false).unwrap();
        assert_eq!(rows.header.len(), rows.lines[0].len());
        assert!(rows.bare_front);
    }

    #[test]
    fn json_nests_what_text_indents() {
        let report = StatisticsReport {
            sets: vec![Statistics::default()],
            history: false,
        };
        assert_eq!(report.json()["node"]["req_call"], 0);
        assert_eq!(report.json()["latencies"]["call_latency"]["count"], 0);
    }
}
