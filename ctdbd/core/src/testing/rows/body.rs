//! What requests carry.

use ctdb_protocol::wire::encode;

use super::{Ids, KEY, TID, UNKNOWN};

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

pub(super) fn none(_: &Ids) -> Vec<u8> {
    Vec::new()
}
pub(super) fn zero(_: &Ids) -> Vec<u8> {
    words(&[0])
}
pub(super) fn one(_: &Ids) -> Vec<u8> {
    words(&[1])
}
pub(super) fn volatile(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0])
}
pub(super) fn persistent(ids: &Ids) -> Vec<u8> {
    words(&[ids.persistent.0])
}
pub(super) fn unknown(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN])
}
/// A database and three more words, the port among them.
pub(super) fn walk(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, 1, 0x77, 0])
}
pub(super) fn unknown_walk(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, 1, 0x77, 0])
}
pub(super) fn walk_ext(ids: &Ids) -> Vec<u8> {
    [walk(ids), words(&[1, 0])].concat()
}
pub(super) fn unknown_walk_ext(ids: &Ids) -> Vec<u8> {
    [unknown_walk(ids), words(&[1, 0])].concat()
}
pub(super) fn walk_all(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, 1, 0, 1, 0x77, 0])
}
pub(super) fn unknown_walk_all(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, 1, 0, 1, 0x77, 0])
}
pub(super) fn walk_all_ext(ids: &Ids) -> Vec<u8> {
    [walk_all(ids), words(&[1, 0])].concat()
}
pub(super) fn unknown_walk_all_ext(ids: &Ids) -> Vec<u8> {
    [unknown_walk_all(ids), words(&[1, 0])].concat()
}
/// No records of a database.
pub(super) fn records(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, 0])
}
pub(super) fn persistent_records(ids: &Ids) -> Vec<u8> {
    words(&[ids.persistent.0, 0])
}
pub(super) fn unknown_records(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, 0])
}
pub(super) fn transaction(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, TID])
}
pub(super) fn other_transaction(ids: &Ids) -> Vec<u8> {
    words(&[ids.volatile.0, TID + 1])
}
pub(super) fn unknown_transaction(_: &Ids) -> Vec<u8> {
    words(&[UNKNOWN, TID])
}
pub(super) fn address(last: u8) -> Vec<u8> {
    let address = std::net::SocketAddr::from(([10, 9, 9, last], 0));
    encode(&ctdb_protocol::types::SockAddr::from(address))
}
/// The public address.
pub(super) fn public(_: &Ids) -> Vec<u8> {
    address(9)
}
/// Another one.
pub(super) fn elsewhere(_: &Ids) -> Vec<u8> {
    address(8)
}
pub(super) fn to_public(_: &Ids) -> Vec<u8> {
    [address(1), address(9)].concat()
}
pub(super) fn to_elsewhere(_: &Ids) -> Vec<u8> {
    [address(1), address(8)].concat()
}
pub(super) fn described(last: u8, interface: &str) -> Vec<u8> {
    let length = u32::try_from(interface.len() + 1).unwrap();
    let text = [interface.as_bytes(), b"\0"].concat();
    [address(last), words(&[24, length]), text].concat()
}
pub(super) fn public_described(_: &Ids) -> Vec<u8> {
    described(9, "eth0")
}
pub(super) fn new_described(_: &Ids) -> Vec<u8> {
    described(7, "eth0")
}
pub(super) fn without_interface(_: &Ids) -> Vec<u8> {
    described(7, "eth9")
}
pub(super) fn on_node(node: u32, last: u8) -> Vec<u8> {
    [words(&[node]), address(last)].concat()
}
pub(super) fn public_here(_: &Ids) -> Vec<u8> {
    on_node(0, 9)
}
pub(super) fn public_there(_: &Ids) -> Vec<u8> {
    on_node(1, 9)
}
pub(super) fn elsewhere_here(_: &Ids) -> Vec<u8> {
    on_node(0, 8)
}
pub(super) fn interface(name: &str, link: u16, references: u32) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(18, 0);
    bytes.extend(link.to_ne_bytes());
    [bytes, words(&[references])].concat()
}
pub(super) fn tunable(value: Option<u32>, name: &str) -> Vec<u8> {
    let length = u32::try_from(name.len() + 1).unwrap();
    let value = value.map(|value| words(&[value])).unwrap_or_default();
    [value, words(&[length]), name.as_bytes().to_vec(), vec![0]].concat()
}
pub(super) fn header(dmaster: u32) -> Vec<u8> {
    words(&[1, 0, dmaster, 0, 0, 0])
}
pub(super) fn key() -> Vec<u8> {
    [words(&[4]), KEY.to_vec()].concat()
}
pub(super) fn scheduled(db: u32) -> Vec<u8> {
    [words(&[db, 0]), header(0), key()].concat()
}
pub(super) fn pushed(generation: u32, db: u32) -> Vec<u8> {
    [words(&[generation, db]), header(1), key(), key()].concat()
}
pub(super) fn attach(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}
