//! Notices that the daemon itself is late, and says so as upstream's does: a turn of the loop or a
//! silence of more than three seconds, and a process that keeps its processor busy.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::log;

/// How often the watchdog wants to be woken; a late call shows that nothing else ran either.
const TICK: Duration = Duration::from_secs(1);
/// Later than this is worth a line.
const LATE: Duration = Duration::from_secs(4);
/// Over how long the use of the processor is measured.
const CPU_TICKS: u32 = 60;
/// Use of one processor that is worth a line, in percent.
const CPU_THRESHOLD_PERCENT: u64 = 90;

/// A future whose long polls are reported.
#[derive(Debug)]
pub struct Watchdog<F> {
    inner: F,
    reported: Rc<Cell<bool>>,
}

impl<F> Watchdog<F> {
    /// Guards a future, and the task that polls it. Upstream: `ctdb_tevent_trace`,
    /// `ctdb_cpu_check_threshold`. To be called on the runtime that polls it.
    pub fn new(inner: F) -> Self {
        let reported = Rc::<Cell<bool>>::default();
        tokio::task::spawn_local(guard(Rc::clone(&reported)));
        Self { inner, reported }
    }
}

impl<F: Future + Unpin> Future for Watchdog<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = Instant::now();
        let result = Pin::new(&mut self.inner).poll(context);
        let took = began.elapsed();
        if took >= LATE {
            log::error!("Handling event took {} seconds!", took.as_secs());
            self.reported.set(true);
        }
        result
    }
}

async fn guard(reported: Rc<Cell<bool>>) {
    let mut processor = Processor::new(threshold_percent());
    let mut ticks = 0;
    loop {
        let began = Instant::now();
        tokio::time::sleep(TICK).await;
        let silent = began.elapsed();
        if silent >= LATE && !reported.take() {
            log::error!("No event for {} seconds!", silent.as_secs());
        }
        ticks += 1;
        if ticks % CPU_TICKS == 0
            && let Some(warning) = processor.check(Instant::now(), cpu_time())
        {
            log::warning!("{warning}");
        }
    }
}

/// The threshold, or another one in tests.
fn threshold_percent() -> u64 {
    let Ok(text) = std::env::var("CTDB_TEST_CPU_USAGE_THRESHOLD") else {
        return CPU_THRESHOLD_PERCENT;
    };
    match text.parse() {
        Ok(percent @ 1..=100) => percent,
        _ => {
            log::warning!("Failed to parse env var: {text}");
            CPU_THRESHOLD_PERCENT
        }
    }
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else {
        return Duration::ZERO;
    };
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

/// Use of the processor since the last look.
#[derive(Debug)]
struct Processor {
    threshold: u64,
    percent: u64,
    last: Option<(Instant, Duration)>,
}

impl Processor {
    fn new(threshold: u64) -> Self {
        Self {
            threshold,
            percent: 0,
            last: None,
        }
    }

    /// A warning when the use is above the threshold and has changed, or is below it again.
    fn check(&mut self, now: Instant, used: Duration) -> Option<String> {
        let (then, before) = self.last.replace((now, used))?;
        let wall_us = now.duration_since(then).as_micros().max(1);
        let used_us = used.saturating_sub(before).as_micros();
        let percent = u64::try_from(used_us * 100 / wall_us).unwrap_or(u64::MAX);
        let previous = std::mem::replace(&mut self.percent, percent);
        let threshold = self.threshold;
        if percent >= threshold && percent != previous {
            Some(format!(
                "WARNING: CPU utilisation {percent}% >= threshold ({threshold}%)"
            ))
        } else if percent < threshold && previous >= threshold {
            Some(format!(
                "WARNING: CPU utilisation {percent}% < threshold ({threshold}%)"
            ))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_of_the_processor_is_reported_when_it_changes() {
        let mut processor = Processor::new(90);
        let began = Instant::now();
        let mut used_s = 0.0;
        let mut look = |minute: u32, percent: f64| {
            used_s += percent * 0.6;
            let now = began + Duration::from_secs(60) * minute;
            processor.check(now, Duration::from_secs_f64(used_s))
        };
        assert_eq!(look(0, 0.0), None, "nothing to compare with");
        assert_eq!(look(1, 50.5), None);
        let high = Some("WARNING: CPU utilisation 95% >= threshold (90%)".to_owned());
        assert_eq!(look(2, 95.5), high);
        assert_eq!(look(3, 95.5), None, "unchanged");
        let low = Some("WARNING: CPU utilisation 10% < threshold (90%)".to_owned());
        assert_eq!(look(4, 10.5), low);
        assert_eq!(look(5, 10.5), None);
    }
}
