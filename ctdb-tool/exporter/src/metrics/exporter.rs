// SPDX-License-Identifier: GPL-3.0-or-later
//! The exporter itself, and whether the daemon answers.

use super::Kind::{Counter, Gauge, Info};
use super::{Metric, Sample, Value, here, one};
use crate::watch::Cause;

pub(super) const ROWS: &[Metric] = &[
    here(Gauge, "ctdb_up", "Whether ctdbd answered in time", |seen| {
        one(seen.node.is_ok())
    }),
    here(
        Gauge,
        "ctdb_exporter_ask_seconds",
        "How long ctdbd was waited for",
        |seen| one(seen.took.as_secs_f64()),
    ),
    here(
        Counter,
        "ctdb_exporter_failures",
        "Times that ctdbd could not be asked, since the exporter started",
        |seen| {
            let counts = Cause::ALL.into_iter().zip(seen.failures);
            counts
                .map(|(cause, count)| Sample::of(count).with("reason", cause.name()))
                .collect()
        },
    ),
    here(
        Info,
        "ctdb_exporter_build",
        "The exporter's version",
        |_| vec![Sample::of(Value::Info).with("version", env!("CARGO_PKG_VERSION"))],
    ),
];
