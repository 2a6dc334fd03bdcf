//! Which sockets have something to do.
//!
//! Each socket has a waker of its own that puts its token on one list and wakes the loop, so a turn
//! costs as much as there are ready sockets, not as there are sockets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use ctdb_protocol::id::{ClientId, Pnn};

/// Names one source of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The connection that a peer opened to us.
    FromPeer(Pnn),
    /// The connection that we opened to a peer.
    ToPeer(Pnn),
    /// A client: a process, or a procedure in the daemon.
    Client(ClientId),
}

/// The list of ready sockets.
#[derive(Debug, Default, Clone)]
pub struct Ready {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    tokens: Mutex<Vec<Arc<SocketWaker>>>,
    main: Mutex<Option<Waker>>,
}

#[derive(Debug)]
struct SocketWaker {
    token: Token,
    listed: AtomicBool,
    shared: Arc<Shared>,
}

impl Ready {
    /// The waker that lists `token`.
    #[must_use]
    pub fn waker(&self, token: Token) -> Waker {
        let waker = SocketWaker {
            token,
            listed: AtomicBool::new(false),
            shared: Arc::clone(&self.shared),
        };
        Arc::new(waker).into()
    }

    /// Who is to be woken when something is listed.
    pub fn set_main(&self, main: &Waker) {
        let mut current = self
            .shared
            .main
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !current.as_ref().is_some_and(|waker| waker.will_wake(main)) {
            *current = Some(main.clone());
        }
    }

    /// Moves what is listed to the end of `to`.
    pub fn take(&self, to: &mut Vec<Token>) {
        let mut tokens = self
            .shared
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for waker in tokens.drain(..) {
            waker.listed.store(false, Ordering::Relaxed);
            to.push(waker.token);
        }
    }
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.listed.swap(true, Ordering::Relaxed) {
            return;
        }
        self.shared
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(self));
        if let Some(main) = &*self
            .shared
            .main
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            main.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_listed_once_until_taken() {
        let ready = Ready::default();
        let token = Token::Client(ClientId(7));
        let waker = ready.waker(token);
        waker.wake_by_ref();
        waker.wake_by_ref();
        let mut taken = Vec::new();
        ready.take(&mut taken);
        assert_eq!(taken, [token]);
        waker.wake();
        ready.take(&mut taken);
        assert_eq!(taken, [token, token]);
    }
}
