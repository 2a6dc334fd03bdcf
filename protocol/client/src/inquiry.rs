//! Questions between nodes of ours that no control of the protocol answers: which version of Samba a
//! node speaks and hears, how its last monitor event ended, and who holds and awaits its locks. Asked by
//! the tool with a message, answered by the daemon with a JSON document. A C daemon does not listen there
//! and stays silent.

use bytes::Bytes;
use ctdb_protocol::event::{StatusReply, outcome};
use ctdb_protocol::types::SrvidMessage;
use ctdb_protocol::{Pnn, Srvid, encode};

/// Bit of a question: the locks too, which takes a look at files.
const LOCKS: u32 = 1;

/// One question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Who asks.
    pub asker: Pnn,
    /// Where the answer goes.
    pub answer_to: Srvid,
    /// Whether locks are wanted too.
    pub locks: bool,
}

impl Question {
    /// As it travels: asker and port like other requests by message, then 4 bytes of bits.
    pub fn to_bytes(self) -> Bytes {
        let head = SrvidMessage {
            pnn: self.asker,
            pad: Default::default(),
            srvid: self.answer_to,
        };
        let mut bytes = encode(&head);
        bytes.extend_from_slice(&if self.locks { LOCKS } else { 0 }.to_ne_bytes());
        bytes.into()
    }

    /// `None` if these are not the bytes of a question.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (head, bits) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
        let head: SrvidMessage = ctdb_protocol::all(head).ok()?;
        let bits = u32::from_ne_bytes(*bits.first_chunk()?);
        Some(Self {
            asker: head.pnn,
            answer_to: head.srvid,
            locks: bits & LOCKS != 0,
        })
    }
}

/// Most characters of a script's output in [`monitor_line`].
const SHOWN: usize = 300;

/// How the last monitor event ended, for a node that is unhealthy; `None` if none has run yet.
#[must_use]
pub fn monitor_line(last: Option<&StatusReply>) -> String {
    let Some(run) = last else {
        return "no monitor event has run yet".to_owned();
    };
    let Some(script) = run.failed() else {
        return "its last monitor event succeeded: about to become healthy".to_owned();
    };
    let word = match outcome(script.result) {
        "TIMEDOUT" => "timed out",
        _ => "failed",
    };
    let output = script.output.to_string();
    let mut lines = output.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty()).unwrap_or("no output");
    let shown: String = first.chars().take(SHOWN).collect();
    format!("monitor event {word} in script {}: {shown}", script.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::event::{NOT_REACHED, ScriptList, ScriptResult};

    fn script(name: &str, result: i32, output: &str) -> ScriptResult {
        ScriptResult {
            name: name.into(),
            begin: Default::default(),
            end: Default::default(),
            result,
            output: output.into(),
        }
    }

    fn run(scripts: Vec<ScriptResult>) -> String {
        monitor_line(Some(&StatusReply {
            summary: 0,
            scripts: ScriptList(scripts),
        }))
    }

    #[test]
    fn the_first_script_that_failed_is_named_with_its_first_line() {
        assert_eq!(monitor_line(None), "no monitor event has run yet");
        let well = script("00.ctdb", 0, "");
        let disabled = script("01.reclock", -8, "");
        let fails = script("50.samba", 1, "\n  samba not listening\nmore\n");
        let behind = script("60.nfs", NOT_REACHED, "");
        let line = run(vec![well.clone(), disabled.clone(), fails, behind]);
        assert_eq!(
            line,
            "monitor event failed in script 50.samba: samba not listening"
        );
        let slow = script("50.samba", -110, "");
        assert_eq!(
            run(vec![well.clone(), slow]),
            "monitor event timed out in script 50.samba: no output"
        );
        assert!(run(vec![well, disabled]).contains("succeeded"));
        let long = run(vec![script("a", 1, &"x".repeat(9999))]);
        assert!(long.len() < SHOWN + 60, "{}", long.len());
    }

    #[test]
    fn questions_travel_and_others_are_not_taken_for_one() {
        let question = Question {
            asker: Pnn(3),
            answer_to: Srvid(77),
            locks: true,
        };
        let bytes = question.to_bytes();
        assert_eq!(Question::read(&bytes), Some(question));
        for length in 0..bytes.len() {
            assert_eq!(Question::read(&bytes[..length]), None);
        }
    }
}
