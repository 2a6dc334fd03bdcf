// SPDX-License-Identifier: GPL-3.0-or-later
//! `ctdb_smnotify_helper {monitor CLIENT-IP SERVER-IP|state NUMBER}`: prints what is to be in the files
//! from which sm-notify learns whom to notify.

use std::net::Ipv4Addr;

use super::Failure;

/// RPC program of the lock manager, to which the kernel's statd calls back.
const NLM_PROGRAM: u32 = 100_021;
/// Version of that program.
const NLM_VERSION: u32 = 4;
/// Procedure of that program.
const NLM_NOTIFY: u32 = 16;

/// What the program prints; `args` without the program's name.
///
/// # Errors
/// Wrong arguments.
pub fn output(args: &[&str]) -> Result<Vec<u8>, Failure> {
    match args {
        ["monitor", client, server] => Ok(monitor_line(client, server).into_bytes()),
        ["state", number] => Ok(leading_number(number).to_ne_bytes().to_vec()),
        _ => Err(Failure::Usage),
    }
}

/// A line as rpc.statd writes it, though sm-notify reads the two names only: whom to call back (in
/// network byte order, printed as a number), 16 private bytes, the client and the server.
fn monitor_line(client: &str, server: &str) -> String {
    let loopback = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    let private = [0u8; 16].map(|byte| format!("{byte:02x}")).concat();
    format!(
        "{loopback:08x} {NLM_PROGRAM:08x} {NLM_VERSION:08x} {NLM_NOTIFY:08x} {private} {client} {server}\n"
    )
}

/// The number at the beginning of a text, as C's atoi would read it; 0 if there is none.
fn leading_number(text: &str) -> i32 {
    let text = text.trim_start();
    let digits = text
        .char_indices()
        .take_while(|&(at, c)| c.is_ascii_digit() || (at == 0 && (c == '-' || c == '+')))
        .count();
    text[..digits].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_line_names_client_and_server() {
        let line = output(&["monitor", "10.9.9.9", "10.0.0.1"]).unwrap();
        let line = String::from_utf8(line).unwrap();
        let rest =
            "000186b5 00000004 00000010 00000000000000000000000000000000 10.9.9.9 10.0.0.1\n";
        assert_eq!(line.split_once(' ').unwrap().1, rest);
    }

    #[test]
    fn a_state_is_a_number_in_memory_order() {
        assert_eq!(output(&["state", "127"]).unwrap(), 127i32.to_ne_bytes());
        assert_eq!(output(&["state", "-3x"]).unwrap(), (-3i32).to_ne_bytes());
        assert_eq!(output(&["state", "x"]).unwrap(), 0i32.to_ne_bytes());
    }

    #[test]
    fn other_arguments_are_wrong() {
        assert_eq!(output(&[]), Err(Failure::Usage));
        assert_eq!(output(&["monitor", "x"]), Err(Failure::Usage));
    }
}
