//! A task of a process that can be stopped: while it is, the task does nothing, and its timers find
//! out late.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::time::{Sleep, sleep_until};

use crate::daemon::Daemon;

/// A future that is polled only while its process runs.
pub struct Stoppable<T> {
    daemon: Rc<Daemon>,
    inner: Pin<Box<dyn Future<Output = T>>>,
    wake: Option<Pin<Box<Sleep>>>,
}

impl<T> Stoppable<T> {
    /// A task of this process.
    #[must_use]
    pub fn new(daemon: Rc<Daemon>, inner: impl Future<Output = T> + 'static) -> Self {
        Self {
            daemon,
            inner: Box::pin(inner),
            wake: None,
        }
    }
}

impl<T> Future for Stoppable<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        while let Some(until) = self.daemon.paused_until() {
            let wake = self
                .wake
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            match wake.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.wake = None,
            }
        }
        self.inner.as_mut().poll(context)
    }
}
