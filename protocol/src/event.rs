//! What the daemon, `ctdb-event` and the event daemon say to each other over the event socket.
//! A packet is length, version and request number (12 bytes), then a command and its body; there
//! is no padding.

use bytes::Bytes;

use crate::id::ReqId;
use crate::text::CountedText;
use crate::types::Timeval;
use crate::wire::{Parsed, Wire, WireError, all, invalid, items, put_length};

/// The version in every packet.
pub const VERSION: u32 = 1;
/// Size of a packet's head.
pub const HEAD: usize = 12;

wire_enum! {
    /// What is asked for.
    pub struct Command: u32 {
        /// Run an event.
        RUN = 1, "RUN";
        /// How an event's last run went.
        STATUS = 2, "STATUS";
        /// Enable or disable a script.
        SCRIPT = 3, "SCRIPT";
    }

    /// What becomes of a script.
    pub struct ScriptAction: u32 {
        /// It is no longer run.
        DISABLE = 0, "DISABLE";
        /// It is run again.
        ENABLE = 1, "ENABLE";
    }
}

wire_flags! {
    /// Flags of a run.
    pub struct RunFlags: u32 {
        /// Go on after a failure.
        const ALL = 0x1;
    }
}

wire_struct! {
    /// Runs an event's scripts.
    pub struct Run {
        /// A directory of scripts: `legacy`.
        component: CountedText,
        /// The event.
        event: CountedText,
        /// Its arguments with blanks between. No bytes: none.
        args: CountedText,
        /// For each script, in seconds; 0: no limit.
        timeout_s: u32,
        /// How.
        flags: RunFlags,
    }

    /// How an event's last run went.
    pub struct Status {
        /// A directory of scripts.
        component: CountedText,
        /// The event.
        event: CountedText,
    }

    /// Enables or disables a script.
    pub struct Script {
        /// A directory of scripts.
        component: CountedText,
        /// The script's name.
        script: CountedText,
        /// Which of both.
        action: ScriptAction,
    }

    /// How a script's last run went.
    pub struct ScriptResult {
        /// The script.
        name: CountedText,
        /// When it began.
        begin: Timeval,
        /// When it ended.
        end: Timeval,
        /// Its exit status, or a negative error number.
        result: i32,
        /// What it wrote. No bytes: nothing.
        output: CountedText,
    }

    /// How an event's last run went, script by script.
    pub struct StatusReply {
        /// The run as a whole.
        summary: i32,
        /// The scripts.
        scripts: ScriptList,
    }
}

/// Scripts in the order of their run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptList(pub Vec<ScriptResult>);

/// The result of a script that was not reached: an earlier one failed. Stands in the list until an
/// earlier run's result takes its place (ENOMSG; upstream 4.24 to 4.24.5 ENODATA).
pub const NOT_REACHED: i32 = -42;
const NOT_REACHED_BEFORE: i32 = -61;

/// What a script's result means, in upstream's words.
#[must_use]
pub fn outcome(result: i32) -> &'static str {
    /// -ETIMEDOUT.
    const TIMED_OUT: i32 = -110;
    /// -ENOEXEC: the script is not executable.
    const DISABLED: i32 = -8;
    match result {
        0 => "OK",
        TIMED_OUT => "TIMEDOUT",
        DISABLED => "DISABLED",
        _ => "ERROR",
    }
}

impl StatusReply {
    /// The script that made the run fail.
    #[must_use]
    pub fn failed(&self) -> Option<&ScriptResult> {
        self.reached()
            .find(|script| !matches!(outcome(script.result), "OK" | "DISABLED"))
    }

    /// The scripts that the last run reached. Behind a script that failed, those that it did not
    /// reach are listed with what an earlier run gave: they began earlier. Answers to
    /// `print_status` of 4.24.
    pub fn reached(&self) -> impl Iterator<Item = &ScriptResult> {
        let mut latest = (0, 0);
        let answered =
            |run: &&ScriptResult| run.result != NOT_REACHED && run.result != NOT_REACHED_BEFORE;
        self.scripts
            .0
            .iter()
            .filter(answered)
            .take_while(move |run| {
                let begin = (run.begin.sec, run.begin.usec);
                let in_order = begin >= latest;
                latest = begin;
                in_order
            })
    }
}

impl Wire for ScriptList {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.0.len(), out);
        for script in &self.0 {
            script.put(out);
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        // The count is signed on the wire; below zero is malformed, not huge.
        let (rest, count) = i32::take(input)?;
        let Ok(count) = u32::try_from(count) else {
            return invalid("number of scripts");
        };
        let (rest, scripts) = items(rest, count)?;
        Ok((rest, Self(scripts)))
    }
}

/// A request to the event daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Runs an event.
    Run(Run),
    /// How its last run went.
    Status(Status),
    /// Enables or disables a script.
    Script(Script),
}

impl Wire for Request {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Run(run) => {
                Command::RUN.put(out);
                run.put(out);
            }
            Self::Status(status) => {
                Command::STATUS.put(out);
                status.put(out);
            }
            Self::Script(script) => {
                Command::SCRIPT.put(out);
                script.put(out);
            }
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, command) = Command::take(input)?;
        match command {
            Command::RUN => Run::take(rest).map(|(rest, run)| (rest, Self::Run(run))),
            Command::STATUS => {
                Status::take(rest).map(|(rest, status)| (rest, Self::Status(status)))
            }
            Command::SCRIPT => {
                Script::take(rest).map(|(rest, script)| (rest, Self::Script(script)))
            }
            _ => invalid("event command"),
        }
    }
}

/// The event daemon's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What was asked for.
    pub command: Command,
    /// 0, or an error number.
    pub result: i32,
    /// To a successful [`Command::STATUS`] only.
    pub status: Option<StatusReply>,
}

impl Reply {
    /// An answer of a result alone.
    #[must_use]
    pub fn plain(command: Command, result: i32) -> Self {
        Self {
            command,
            result,
            status: None,
        }
    }
}

impl Wire for Reply {
    fn put(&self, out: &mut Vec<u8>) {
        self.command.put(out);
        self.result.put(out);
        if let Some(status) = &self.status {
            status.put(out);
        }
    }

    fn take(input: &[u8]) -> Parsed<'_, Self> {
        let (rest, command) = Command::take(input)?;
        let (rest, result) = i32::take(rest)?;
        match command {
            Command::STATUS if result == 0 => {
                let (rest, status) = StatusReply::take(rest)?;
                Ok((
                    rest,
                    Self {
                        command,
                        result,
                        status: Some(status),
                    },
                ))
            }
            Command::RUN | Command::STATUS | Command::SCRIPT => {
                Ok((rest, Self::plain(command, result)))
            }
            _ => invalid("event command"),
        }
    }
}

/// Random requests and replies.
#[cfg(any(test, feature = "sample"))]
mod samples {
    use super::*;
    use crate::sample::{Random, Sample};

    impl Sample for ScriptList {
        fn sample(random: &mut Random) -> Self {
            Self(Sample::sample(random))
        }
    }

    impl Sample for Request {
        fn sample(random: &mut Random) -> Self {
            match random.below(3) {
                0 => Self::Run(Sample::sample(random)),
                1 => Self::Status(Sample::sample(random)),
                _ => Self::Script(Sample::sample(random)),
            }
        }
    }

    impl Sample for Reply {
        fn sample(random: &mut Random) -> Self {
            let command = Command::NAMED[random.below(Command::NAMED.len())].0;
            match bool::sample(random) {
                true => Self::plain(command, i32::sample(random) | 1),
                false if command == Command::STATUS => Self {
                    command,
                    result: 0,
                    status: Some(Sample::sample(random)),
                },
                false => Self::plain(command, 0),
            }
        }
    }
}

/// A whole packet.
#[must_use]
pub fn packet<T: Wire>(reqid: ReqId, body: &T) -> Bytes {
    let mut out = vec![0; 4];
    VERSION.put(&mut out);
    reqid.put(&mut out);
    body.put(&mut out);
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_ne_bytes());
    out.into()
}

/// Takes a whole packet apart. Upstream's programs write 0 for the version and look at none.
///
/// # Errors
/// When the length is not what it must be, or the body is malformed.
pub fn open<T: Wire>(packet: &[u8]) -> Result<(ReqId, T), WireError> {
    let (length, _version, reqid) = head(packet)?;
    if length as usize != packet.len() {
        return Err(WireError::Length(length));
    }
    Ok((reqid, all(&packet[HEAD..])?))
}

/// A packet's length, version and request number.
fn head(packet: &[u8]) -> Result<(u32, u32, ReqId), WireError> {
    let (rest, length) = u32::take(packet).map_err(crate::wire::plain)?;
    let (rest, version) = u32::take(rest).map_err(crate::wire::plain)?;
    let (_, reqid) = ReqId::take(rest).map_err(crate::wire::plain)?;
    Ok((length, version, reqid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_goes_round() {
        let run = Run {
            component: "legacy".into(),
            event: "takeip".into(),
            args: "eth0 192.0.2.1 24".into(),
            timeout_s: 30,
            flags: RunFlags::ALL,
        };
        let bytes = packet(ReqId(7), &Request::Run(run.clone()));
        assert_eq!(open::<Request>(&bytes), Ok((ReqId(7), Request::Run(run))));
    }

    #[test]
    fn unknown_command_is_refused() {
        let bytes = packet(ReqId(7), &9_u32);
        assert_eq!(
            open::<Request>(&bytes),
            Err(WireError::Invalid("event command"))
        );
    }

    #[test]
    fn negative_number_of_scripts_is_refused() {
        let bytes = packet(ReqId(7), &[2_u32, 0, 0, u32::MAX]);
        assert_eq!(
            open::<Reply>(&bytes),
            Err(WireError::Invalid("number of scripts"))
        );
    }
}
