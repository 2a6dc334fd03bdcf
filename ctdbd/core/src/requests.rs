//! Controls that this node has sent and that await an answer: found by their number, and by the client,
//! node or database that they are about, so that the end of one of many costs what it had itself.

use std::collections::{BTreeMap, BTreeSet};

use ctdb_protocol::id::{ClientId, DbId, Pnn, ReqId};

use crate::shared::Pending;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// A client of this node asked.
    Client(ClientId),
    /// The node was asked.
    Node(Pnn),
    /// It is part of work on the database.
    Database(DbId),
    /// It is part of a push of a record.
    Push(u64),
}

/// All of them.
#[derive(Debug, Default)]
pub struct Requests {
    by_number: BTreeMap<ReqId, Pending>,
    about: BTreeMap<About, BTreeSet<ReqId>>,
}

impl Requests {
    /// Adds one; one of the same number is replaced.
    pub fn insert(&mut self, reqid: ReqId, pending: Pending) {
        self.remove(reqid);
        for about in subjects(&pending).into_iter().flatten() {
            self.about.entry(about).or_default().insert(reqid);
        }
        self.by_number.insert(reqid, pending);
    }

    /// Looks one up.
    #[must_use]
    pub fn get(&self, reqid: ReqId) -> Option<&Pending> {
        self.by_number.get(&reqid)
    }

    /// Takes one out.
    pub fn remove(&mut self, reqid: ReqId) -> Option<Pending> {
        let pending = self.by_number.remove(&reqid)?;
        for about in subjects(&pending).into_iter().flatten() {
            if let Some(numbers) = self.about.get_mut(&about) {
                numbers.remove(&reqid);
                if numbers.is_empty() {
                    self.about.remove(&about);
                }
            }
        }
        Some(pending)
    }

    /// Takes those about something for which `chosen` says yes, in ascending order.
    pub fn remove_about(
        &mut self,
        about: About,
        mut chosen: impl FnMut(&Pending) -> bool,
    ) -> Vec<(ReqId, Pending)> {
        let numbers: Vec<ReqId> = self
            .about
            .get(&about)
            .into_iter()
            .flatten()
            .copied()
            .filter(|reqid| self.get(*reqid).is_some_and(&mut chosen))
            .collect();
        numbers
            .into_iter()
            .filter_map(|reqid| Some((reqid, self.remove(reqid)?)))
            .collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }
}

/// What a request is to be found by.
fn subjects(pending: &Pending) -> [Option<About>; 2] {
    match *pending {
        // Found in its database, which knows the client too.
        Pending::Call(_) => [None, None],
        Pending::Client { client, node, .. } => {
            [Some(About::Client(client)), Some(About::Node(node))]
        }
        Pending::Commit { db, node, .. }
        | Pending::Revoke { db, node, .. }
        | Pending::VacuumDelete { db, node } => {
            [Some(About::Database(db)), Some(About::Node(node))]
        }
        Pending::PushRecord { push, node } => [Some(About::Push(push)), Some(About::Node(node))],
        Pending::LockCheck { node, .. } => [Some(About::Node(node)), None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_client(client: u32, node: u32) -> Pending {
        Pending::Client {
            client: ClientId(client),
            reqid: ReqId(7),
            node: Pnn(node),
            timer: None,
        }
    }

    #[test]
    fn each_is_found_by_all_it_is_about_and_gone_from_everywhere() {
        let mut requests = Requests::default();
        for number in 0..300 {
            requests.insert(ReqId(number), of_client(number % 3, number % 2));
        }
        let gone = requests.remove_about(About::Client(ClientId(1)), |_| true);
        assert_eq!(gone.len(), 100);
        assert!(gone.is_sorted_by_key(|(reqid, _)| *reqid));
        assert_eq!(requests.len(), 200);
        assert_eq!(
            requests.remove_about(About::Node(Pnn(0)), |_| false).len(),
            0
        );
        assert_eq!(
            requests.remove_about(About::Node(Pnn(0)), |_| true).len(),
            100
        );
        assert!(requests.remove(ReqId(0)).is_none());
        // One number twice: the second is about something else.
        requests.insert(ReqId(9), of_client(5, 5));
        requests.insert(ReqId(9), of_client(6, 5));
        assert!(
            requests
                .remove_about(About::Client(ClientId(5)), |_| true)
                .is_empty()
        );
        for number in 0..300 {
            requests.remove(ReqId(number));
        }
        assert!(requests.is_empty() && requests.about.is_empty());
    }
}
