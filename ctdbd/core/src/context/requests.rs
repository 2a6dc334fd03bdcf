//! Controls that this node has sent and that await an answer: found by their number, and by the client,
//! node or database that they are about, so that the end of one of many costs what it had itself.

use std::collections::{BTreeMap, BTreeSet};

use ctdb_protocol::id::{ClientId, DbId, Pnn, ReqId};

use super::Asked;
use crate::timer::TimerId;

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
    by_number: BTreeMap<ReqId, (Asked, Option<TimerId>)>,
    about: BTreeMap<About, BTreeSet<ReqId>>,
}

impl Requests {
    /// Adds one with its time limit; one of the same number is replaced.
    pub fn insert(&mut self, reqid: ReqId, asked: Asked, timer: Option<TimerId>) {
        self.remove(reqid);
        for about in subjects(&asked).into_iter().flatten() {
            self.about.entry(about).or_default().insert(reqid);
        }
        self.by_number.insert(reqid, (asked, timer));
    }

    /// Looks one up.
    #[must_use]
    pub fn get(&self, reqid: ReqId) -> Option<&Asked> {
        self.by_number.get(&reqid).map(|(asked, _)| asked)
    }

    /// Takes one out.
    pub fn remove(&mut self, reqid: ReqId) -> Option<(Asked, Option<TimerId>)> {
        let taken = self.by_number.remove(&reqid)?;
        for about in subjects(&taken.0).into_iter().flatten() {
            if let Some(numbers) = self.about.get_mut(&about) {
                numbers.remove(&reqid);
                if numbers.is_empty() {
                    self.about.remove(&about);
                }
            }
        }
        Some(taken)
    }

    /// The numbers of those about something, ascending.
    #[must_use]
    pub fn about(&self, about: About) -> Vec<ReqId> {
        let numbers = self.about.get(&about).into_iter().flatten();
        numbers.copied().collect()
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
fn subjects(asked: &Asked) -> [Option<About>; 2] {
    match asked {
        Asked::Proxy(asked) => asked.subjects(),
        Asked::Database(asked) => asked.subjects(),
        Asked::Cluster(asked) => asked.subjects(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_client(client: u32, node: u32) -> Asked {
        let (client, node) = (ClientId(client), Pnn(node));
        crate::proxy::Asked::new(client, ReqId(7), node).into()
    }

    #[test]
    fn each_is_found_by_all_it_is_about_and_gone_from_everywhere() {
        let mut requests = Requests::default();
        for number in 0..300 {
            requests.insert(ReqId(number), of_client(number % 3, number % 2), None);
        }
        let gone = requests.about(About::Client(ClientId(1)));
        assert_eq!(gone.len(), 100);
        assert!(gone.is_sorted());
        for number in gone {
            requests.remove(number);
        }
        assert_eq!(requests.len(), 200);
        assert_eq!(requests.about(About::Node(Pnn(0))).len(), 100);
        // One number twice: the second is about something else.
        requests.insert(ReqId(9), of_client(5, 5), None);
        requests.insert(ReqId(9), of_client(6, 5), None);
        assert!(requests.about(About::Client(ClientId(5))).is_empty());
        for number in 0..300 {
            requests.remove(ReqId(number));
        }
        assert!(requests.is_empty() && requests.about.is_empty());
    }
}
