//! `protocol_util_test`: addresses and connections as text. Silent when all is well.

use std::process::ExitCode;

use ctdb_protocol::types::SockAddr;
use ctdb_test_programs::self_check::{Check, ensure, once};
use ctdb_tool::failure::Failure;
use ctdb_tool::parse;

fn main() -> ExitCode {
    once(|| {
        texts()?;
        bad_texts()?;
        order()?;
        masks()?;
        connections()
    })
}

fn parsed<T>(text: &str, result: Result<T, Failure>) -> Result<T, String> {
    result.map_err(|_| format!("\"{text}\" is refused"))
}

/// What an address with a port looks like.
fn shown(addr: &SockAddr) -> String {
    addr.to_socket_addr()
        .map_or_else(String::new, |addr| addr.to_string())
}

fn texts() -> Check {
    for text in [
        "0.0.0.0",
        "127.0.0.1",
        "::1",
        "192.168.2.1",
        "fe80::6af7:28ff:fefa:d136",
    ] {
        let addr = parsed(text, parse::address(text))?;
        ensure(addr.to_string() == text, || {
            format!("\"{text}\" became \"{addr}\"")
        })?;
        ensure(addr.port() == 0, || format!("\"{text}\" has a port"))?;
    }
    for text in [
        "0.0.0.0:0",
        "127.0.0.1:123",
        "[::1]:234",
        "[fe80::6af7:28ff:fefa:d136]:234",
    ] {
        let addr = parsed(text, parse::address_with_port(text))?;
        ensure(shown(&addr) == text, || {
            format!("\"{text}\" became \"{}\"", shown(&addr))
        })?;
    }
    Ok(())
}

fn bad_texts() -> Check {
    for text in ["0.0.0", "junk", "", "1.2.3.4 "] {
        ensure(parse::address(text).is_err(), || {
            format!("\"{text}\" is taken for an address")
        })?;
    }
    for text in [
        "0.0.0:0",
        "fe80::6af7:28ff:fefa:d136",
        "0.0.0.0:0 trailing junk",
        "1.2.3.4:",
    ] {
        let refused = parse::address_with_port(text).is_err();
        ensure(refused, || {
            format!("\"{text}\" is taken for an address and a port")
        })?;
    }
    Ok(())
}

/// Pairs in order, and pairs that are one and the same.
fn order() -> Check {
    let addr = |text: &str| parsed(text, parse::address(text));
    let port = |text: &str| parsed(text, parse::address_with_port(text));
    let rising = [
        (addr("127.0.0.1")?, addr("127.0.0.2")?),
        (addr("127.0.1.2")?, addr("127.0.2.1")?),
        (addr("127.0.1.2")?, addr("fe80::6af7:28ff:fefa:d136")?),
        (
            addr("fe80::6af7:28ff:fefa:d136")?,
            addr("fe80::6af7:28ff:fefa:d137")?,
        ),
        (port("127.0.0.1:123")?, port("127.0.0.1:124")?),
        (
            port("fe80::6af7:28ff:fefa:d136:122")?,
            port("fe80::6af7:28ff:fefa:d136:123")?,
        ),
    ];
    for (low, high) in rising {
        let apart = low.cmp(&high).is_lt() && high.cmp(&low).is_gt();
        ensure(apart, || format!("{low:?} is not below {high:?}"))?;
    }
    let same = [
        (addr("127.0.0.1")?, addr("127.0.0.1")?),
        (addr("::ffff:192.0.2.128")?, addr("192.0.2.128")?),
        (
            addr("fe80::6af7:28ff:fefa:d136")?,
            addr("fe80:0000:0:0:6af7:28ff:fefa:d136")?,
        ),
        (port("[::1]:234")?, port("::1:234")?),
        (port("::ffff:172.16.0.27:977")?, port("172.16.0.27:977")?),
        (port("[::ffff:172.16.0.27]:977")?, port("172.16.0.27:977")?),
    ];
    for (one, other) in same {
        let equal = one == other && one.raw() == other.raw();
        ensure(equal, || format!("{one:?} is not {other:?}"))?;
    }
    Ok(())
}

fn masks() -> Check {
    for text in ["127.0.0.1/8", "::1/128", "fe80::6af7:28ff:fefa:d136/64"] {
        let (addr, mask) = parsed(text, parse::address_with_mask(text))?;
        let again = format!("{addr}/{mask}");
        ensure(again == text, || format!("\"{text}\" became \"{again}\""))?;
    }
    for text in ["127.0.0.1", "127.0.0.1/", "127.0.0.1/x", "junk/8"] {
        let refused = parse::address_with_mask(text).is_err();
        ensure(refused, || {
            format!("\"{text}\" is taken for an address and a mask")
        })?;
    }
    Ok(())
}

/// Lists of connections; sorted, they are in the order of their ends.
fn connections() -> Check {
    let four = [
        "10.0.0.1:7 10.0.0.2:5",
        "10.0.0.2:7 10.0.0.1:5",
        "10.0.0.1:7 10.0.0.2:4",
    ];
    let six = [
        "[fd::2]:7 [fd::1]:5",
        "[fd::1]:8 [fd::2]:5",
        "[fd::1]:7 [fd::2]:5",
    ];
    let sorted = [
        "10.0.0.1:7 10.0.0.2:4",
        "10.0.0.1:7 10.0.0.2:5",
        "10.0.0.2:7 10.0.0.1:5",
        "[fd::1]:7 [fd::2]:5",
        "[fd::1]:8 [fd::2]:5",
        "[fd::2]:7 [fd::1]:5",
    ];
    let text = format!(
        "{}\n# Comment\n\n# Comment\n{}\n",
        six.join("\n"),
        four.join("\n")
    );
    let mut list = parsed("a list", parse::connections(&text))?;
    list.sort();
    let shown: Vec<String> = list
        .iter()
        .map(|conn| format!("{} {}", shown(&conn.src), shown(&conn.dst)))
        .collect();
    ensure(shown == sorted, || format!("the list became {shown:?}"))?;
    let bad = [
        "127.0.0.1:12345 127.0.0.2:",
        "127.0.0.1:12345",
        "127.0.0.1:1 [fd::1]:2",
        "Junk!",
    ];
    for line in bad {
        let refused = parse::connections(&format!("{}\n{line}\n", four[0])).is_err();
        ensure(refused, || format!("\"{line}\" is taken for a connection"))?;
    }
    Ok(())
}
