//! The locks of one database file: chains and the whole file, held by clients and by the daemon's
//! lock helpers, granted in order of arrival.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tokio::sync::oneshot;

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One hash chain.
    Chain(u32),
    /// The whole file.
    File,
}

#[derive(Debug, Default)]
struct State {
    chains: BTreeMap<u32, u64>,
    file: Option<u64>,
    queue: VecDeque<(Scope, u64, oneshot::Sender<LockGuard>)>,
    last_owner: u64,
}

impl State {
    fn is_free(&self, scope: Scope) -> bool {
        match scope {
            Scope::Chain(chain) => self.file.is_none() && !self.chains.contains_key(&chain),
            Scope::File => self.file.is_none() && self.chains.is_empty(),
        }
    }

    fn take(&mut self, scope: Scope, owner: u64) {
        match scope {
            Scope::Chain(chain) => {
                self.chains.insert(chain, owner);
            }
            Scope::File => self.file = Some(owner),
        }
    }

    fn release(&mut self, scope: Scope, owner: u64) {
        match scope {
            Scope::Chain(chain) if self.chains.get(&chain) == Some(&owner) => {
                self.chains.remove(&chain);
            }
            Scope::File if self.file == Some(owner) => self.file = None,
            Scope::Chain(_) | Scope::File => {}
        }
    }
}

/// All locks of one file.
#[derive(Debug, Clone, Default)]
pub struct Locks(Rc<RefCell<State>>);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct LockGuard {
    locks: Locks,
    scope: Scope,
    owner: u64,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        self.locks.0.borrow_mut().release(self.scope, self.owner);
        self.locks.grant();
    }
}

impl Locks {
    /// Whether a chain could be locked just now.
    #[must_use]
    pub fn is_free(&self, chain: u32) -> bool {
        self.0.borrow().is_free(Scope::Chain(chain))
    }

    /// Whether somebody holds the lock of the whole file.
    #[must_use]
    pub fn is_locked_as_a_whole(&self) -> bool {
        self.0.borrow().file.is_some()
    }

    /// Queues for a lock.
    #[must_use]
    pub fn ask(&self, scope: Scope) -> oneshot::Receiver<LockGuard> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.0.borrow_mut();
            state.last_owner += 1;
            let owner = state.last_owner;
            state.queue.push_back((scope, owner, sender));
        }
        self.grant();
        receiver
    }

    /// Waits for a lock; for ever when the file is gone.
    pub async fn acquire(&self, scope: Scope) -> LockGuard {
        match self.ask(scope).await {
            Ok(guard) => guard,
            Err(_) => std::future::pending().await,
        }
    }

    /// Gives free locks to those who wait, in order; who waits for the whole file is not overtaken.
    fn grant(&self) {
        loop {
            let granted = {
                let mut state = self.0.borrow_mut();
                state.queue.retain(|(_, _, sender)| !sender.is_closed());
                let barrier = state
                    .queue
                    .iter()
                    .position(|(scope, ..)| *scope == Scope::File);
                let limit = barrier.map_or(state.queue.len(), |position| position + 1);
                let next = state
                    .queue
                    .iter()
                    .take(limit)
                    .position(|(scope, ..)| state.is_free(*scope));
                next.and_then(|index| state.queue.remove(index))
                    .map(|(scope, owner, sender)| {
                        state.take(scope, owner);
                        (
                            LockGuard {
                                locks: self.clone(),
                                scope,
                                owner,
                            },
                            sender,
                        )
                    })
            };
            let Some((guard, sender)) = granted else {
                return;
            };
            // A guard that nobody wants any more gives the lock back when it is dropped here.
            drop(sender.send(guard));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lock_waits_for_chains_and_is_not_overtaken() {
        let locks = Locks::default();
        let mut first = locks.ask(Scope::Chain(1));
        let chain = first.try_recv().expect("free");
        let mut file = locks.ask(Scope::File);
        assert!(file.try_recv().is_err());
        let mut late = locks.ask(Scope::Chain(2));
        assert!(late.try_recv().is_err());
        drop(chain);
        let file = file.try_recv().expect("the chain is free now");
        assert!(late.try_recv().is_err());
        drop(file);
        assert!(late.try_recv().is_ok());
    }

    #[test]
    fn a_waiter_that_left_does_not_keep_the_lock() {
        let locks = Locks::default();
        let held = locks.ask(Scope::Chain(1)).try_recv().expect("free");
        drop(locks.ask(Scope::Chain(1)));
        drop(held);
        assert!(locks.is_free(1));
        drop(locks.ask(Scope::Chain(1)));
        assert!(locks.is_free(1));
    }
}
