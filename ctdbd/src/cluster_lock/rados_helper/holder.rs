//! Takes the lock, renews it and lets it go. A thread of its own speaks with the store, since a
//! call into it may hang; whatever it does, the holder goes on counting the time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::lease::{Lease, Step};
use super::store::{Refusal, Store};
use crate::log::say;
use crate::sys::rados::Asking;

/// How long the store may take to give the lock back, or to end, when nothing else limits it.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the holder waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// SIGTERM or SIGINT.
    Terminated,
    /// There is no store: the text says why.
    Unreachable(String),
    /// How the first request for the lock went, and when the one that was granted was sent.
    Taken(Result<Instant, Refusal>),
    /// How a renewal went, and when it was sent.
    Renewed(Result<Instant, Refusal>),
    /// The lock has been given back, or was never held; the worker is done.
    Ended,
}

/// The process around the holder.
pub(super) trait Surroundings {
    /// Writes the character that the daemon waits for.
    fn answer(&mut self, character: u8);
    /// Whether the daemon is still there.
    fn has_parent(&self) -> bool;
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The exit code.
    pub(super) code: u8,
    /// False if the worker hangs in the store, and nothing may be waited for any more.
    pub(super) worker_ended: bool,
}

/// Names and times.
#[derive(Debug)]
pub(super) struct Holder {
    /// For messages.
    pub(super) name: String,
    /// For messages.
    pub(super) object: String,
    /// How long the lock lives without being renewed; `None`: for ever.
    pub(super) life: Option<Duration>,
    /// How often the parent is looked for.
    pub(super) parent_check: Duration,
}

/// The work of the thread that speaks with the store: takes the lock, renews it whenever asked, and
/// gives it back when nobody can ask any more.
pub(super) fn work(
    store: &dyn Store,
    life: Option<Duration>,
    renewals: &Receiver<()>,
    events: &Sender<Event>,
) {
    let taken = take(store, life);
    let held = taken.is_ok();
    // That nobody listens any more is seen at the other channel.
    let _ = events.send(Event::Taken(taken));
    if !held {
        return;
    }
    while renewals.recv().is_ok() {
        let asked = Instant::now();
        let renewed = store.lock(Asking::Again).map(|()| asked);
        let _ = events.send(Event::Renewed(renewed));
    }
    store.unlock();
}

/// Asks until the answer is so fresh that much of the lock's life must be left.
fn take(store: &dyn Store, life: Option<Duration>) -> Result<Instant, Refusal> {
    let mut asking = Asking::Anew;
    loop {
        let asked = Instant::now();
        store.lock(asking)?;
        if life.is_none_or(|life| asked.elapsed() < life / 2) {
            return Ok(asked);
        }
        asking = Asking::AnewOrAgain;
    }
}

impl Holder {
    /// Runs until the lock cannot be had, is lost, or is given back. `worker` is called in a
    /// thread; it gets what [`work`] needs, and says [`Event::Ended`] at its end by returning.
    pub(super) fn run<W>(
        &self,
        surroundings: &mut impl Surroundings,
        events: (Sender<Event>, Receiver<Event>),
        worker: W,
    ) -> Ending
    where
        W: FnOnce(&Receiver<()>, &Sender<Event>) + Send + 'static,
    {
        let (sender, inbox) = events;
        let (renew, renewals) = channel();
        std::thread::spawn(move || {
            worker(&renewals, &sender);
            let _ = sender.send(Event::Ended);
        });
        let mut lease = None;
        let code = self.hold(surroundings, &inbox, &renew, &mut lease);
        // Now the worker gives the lock back.
        drop(renew);
        Ending {
            code,
            worker_ended: await_end(&inbox, self.patience(lease.as_ref())),
        }
    }

    /// Until the holder has to end; the result is the exit code.
    fn hold(
        &self,
        surroundings: &mut impl Surroundings,
        inbox: &Receiver<Event>,
        renew: &Sender<()>,
        lease: &mut Option<Lease>,
    ) -> u8 {
        let mut parent_due = Instant::now() + self.parent_check;
        loop {
            let now = Instant::now();
            if now >= parent_due {
                if !surroundings.has_parent() {
                    return 0;
                }
                parent_due = now + self.parent_check;
            }
            let mut until = parent_due;
            match lease.as_mut().map(|lease| lease.step(now)) {
                Some(Step::Renew) => {
                    // A worker that ended says so.
                    let _ = renew.send(());
                    continue;
                }
                Some(Step::Wait(then)) => until = until.min(then),
                Some(Step::Overdue) => {
                    say(format_args!(
                        "{}: lock lost - RADOS object '{}' was not renewed in time",
                        self.name, self.object
                    ));
                    return 1;
                }
                Some(Step::Rest) | None => {}
            }
            match inbox.recv_timeout(until.saturating_duration_since(now)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(event) => {
                    if let Some(code) = self.take_in(event, surroundings, lease) {
                        return code;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return 1,
            }
        }
    }

    /// The exit code, if that was it.
    fn take_in(
        &self,
        event: Event,
        surroundings: &mut impl Surroundings,
        lease: &mut Option<Lease>,
    ) -> Option<u8> {
        match event {
            Event::Terminated if lease.is_some() => Some(0),
            Event::Terminated => {
                say("Sigterm callback invoked without mutex!");
                Some(1)
            }
            Event::Unreachable(text) => {
                say(text);
                surroundings.answer(b'3');
                Some(1)
            }
            Event::Taken(Ok(asked)) => {
                *lease = Some(Lease::new(self.life, asked));
                surroundings.answer(b'0');
                None
            }
            Event::Taken(Err(refusal)) => {
                surroundings.answer(if refusal.is_contention() { b'1' } else { b'3' });
                Some(1)
            }
            Event::Renewed(Ok(asked)) => {
                if let Some(lease) = lease {
                    lease.renewed(asked);
                }
                None
            }
            Event::Renewed(Err(Refusal {
                errno: libc::EBUSY, ..
            })) => {
                say(format_args!(
                    "Lock contention during renew: -{}",
                    libc::EBUSY
                ));
                Some(1)
            }
            Event::Renewed(Err(_)) => {
                say("Lock renew failed");
                Some(1)
            }
            Event::Ended => Some(1),
        }
    }

    /// Until when the lock may be given back; `None`: however long it takes, since a lock that
    /// lives for ever is nobody else's before.
    fn patience(&self, lease: Option<&Lease>) -> Option<Instant> {
        let farewell = Instant::now() + FAREWELL;
        match lease {
            None => Some(farewell),
            Some(_) if self.life.is_none() => None,
            Some(lease) => Some(lease.safe_until().map_or(farewell, |end| end.min(farewell))),
        }
    }
}

/// Waits for the worker's end; false if it does not come before `until`.
fn await_end(inbox: &Receiver<Event>, until: Option<Instant>) -> bool {
    loop {
        let event = match until {
            Some(until) => inbox.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Ended) | Err(RecvTimeoutError::Disconnected) => return true,
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

#[cfg(test)]
mod tests;
