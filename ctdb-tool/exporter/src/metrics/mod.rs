// SPDX-License-Identifier: GPL-3.0-or-later
//! The metrics: one table, whose rows say name, kind, meaning, labels and where the value comes from. The manual page
//! is compared with it by a test.
//!
//! Each row describes the node beside which the exporter runs, but for the flags of all nodes as that node sees
//! them. Labels are bounded: nodes, databases, interfaces and names from this program.

mod cluster;
mod database;
mod exporter;
mod statistics;

use std::fmt;
use std::sync::Arc;

use ctdb_protocol::types::Statistics;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::snapshot::Snapshot;
use crate::watch::Seen;

/// A row of the table.
pub struct Metric {
    /// Its name, without the `_total` or `_info` that its kind adds.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// Where they come from.
    read: Read,
}

/// How values behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the daemon starts again or `ctdb statisticsreset`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; the labels are the value.
    Info,
    /// Counts by size.
    Histogram,
}

impl Kind {
    fn encoded(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Info => MetricType::Info,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

impl Metric {
    /// The name under which samples are stored.
    #[must_use]
    pub fn full_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Info => format!("{}_info", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

/// Where values come from.
enum Read {
    /// The node, when it could be asked.
    Node(fn(&Snapshot) -> Vec<Sample>),
    /// One of its counters.
    Counted(fn(&Statistics) -> u32),
    /// This program.
    Here(fn(&Seen) -> Vec<Sample>),
}

/// One line, or several for a histogram.
struct Sample {
    labels: Vec<(&'static str, String)>,
    value: Value,
}

enum Value {
    Number(f64),
    Whole(u64),
    Info,
    Histogram { sum: f64, buckets: Vec<(f64, u64)> },
}

impl Sample {
    fn of(value: impl Into<Value>) -> Self {
        Self {
            labels: Vec::new(),
            value: value.into(),
        }
    }

    fn with(mut self, label: &'static str, value: impl ToString) -> Self {
        self.labels.push((label, value.to_string()));
        self
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

/// One value without labels.
fn one(value: impl Into<Value>) -> Vec<Sample> {
    vec![Sample::of(value)]
}

const fn node(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&Snapshot) -> Vec<Sample>,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        read: Read::Node(read),
    }
}

const fn here(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: fn(&Seen) -> Vec<Sample>,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        read: Read::Here(read),
    }
}

/// All rows, in the order of the text.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    [
        exporter::ROWS,
        cluster::ROWS,
        statistics::ROWS,
        database::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The two forms of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// What Prometheus spoke before, and node_exporter's textfile collector reads.
    Classic,
}

impl Form {
    /// What an HTTP answer calls it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The form that a client's `Accept` asks for.
    #[must_use]
    pub fn wanted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Classic
        }
    }
}

/// What was seen, as text.
#[must_use]
pub fn text_of(seen: &Arc<Seen>, form: Form) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(Arc::clone(seen))));
    let mut text = String::with_capacity(32 << 10);
    let written = match form {
        Form::OpenMetrics => text::encode(&mut text, &registry),
        Form::Classic => prometheus_text::encode(&mut text, &registry),
    };
    written.expect("a string takes whatever is written to it");
    text
}

struct Page(Arc<Seen>);

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in all() {
            let samples = match (&metric.read, &self.0.node) {
                (Read::Here(read), _) => read(&self.0),
                (Read::Node(read), Ok(snapshot)) => read(snapshot),
                (Read::Counted(read), Ok(snapshot)) => one(read(&snapshot.statistics)),
                (Read::Node(_) | Read::Counted(_), Err(_)) => continue,
            };
            if samples.is_empty() {
                continue;
            }
            let kind = metric.kind.encoded();
            let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            for sample in &samples {
                put(&mut family, metric.kind, sample)?;
            }
        }
        Ok(())
    }
}

fn put(family: &mut MetricEncoder<'_>, kind: Kind, sample: &Sample) -> fmt::Result {
    if let Value::Info = sample.value {
        return family.encode_info(&sample.labels);
    }
    if sample.labels.is_empty() {
        return put_value(family, kind, &sample.value);
    }
    put_value(
        &mut family.encode_family(&sample.labels)?,
        kind,
        &sample.value,
    )
}

fn put_value(line: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Number(v)) => line.encode_counter::<NoLabelSet, _, u64>(v, None),
        (Kind::Counter, Value::Whole(v)) => line.encode_counter::<NoLabelSet, _, u64>(v, None),
        (_, Value::Number(v)) => line.encode_gauge(v),
        (_, Value::Whole(v)) => line.encode_gauge(v),
        (_, Value::Histogram { sum, buckets }) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            line.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
        (_, Value::Info) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
