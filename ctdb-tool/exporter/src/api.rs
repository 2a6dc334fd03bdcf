// SPDX-License-Identifier: GPL-3.0-or-later
//! `/api/v1/WORD/WORD`: what `ctdb -j WORD WORD` prints, from the same code.
//!
//! Only commands that read, answer in JSON, start no other program and tell no contents of records.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use ctdb_tool::args::Options as ToolOptions;
use ctdb_tool::failure::{Failure, Outcome};
use ctdb_tool::output::{Kept, write_json};
use ctdb_tool::table::{self, Action, Command, Reach};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};

use crate::watch::{Unavailable, Watcher, lines_of};

/// The commands, by the tool's names.
pub const READERS: &[&str] = &[
    "dbstatistics",
    "getcapabilities",
    "getdbmap",
    "getdbseqnum",
    "getdbstatus",
    "getpid",
    "getreclock",
    "gettickles",
    "getvar",
    "health",
    "ifaces",
    "ip",
    "ipinfo",
    "leader",
    "listvars",
    "locks",
    "nodestatus",
    "ping",
    "pnn",
    "runstate",
    "statistics",
    "stats",
    "status",
    "top",
    "uptime",
    "version",
];

/// How long an answer is good for everybody who asks the same.
const FRESH: Duration = Duration::from_millis(500);
/// How long a command may take: several steps, each as long as the daemon may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// Commands at work at the same time.
const AT_ONCE: usize = 4;
/// Different questions whose answers are kept.
const MOST_QUESTIONS: usize = 64;
/// Words of a command line; the longest has three.
const MOST_WORDS: usize = 4;
/// Bytes of a command line.
const LONGEST: usize = 512;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The exit status of the command, if one ran.
    pub exit: Option<i32>,
    /// A JSON document.
    pub body: Vec<u8>,
}

impl Answer {
    fn error(status: u16, exit: Option<i32>, lines: Vec<String>) -> Self {
        let document = json!({ "error": { "status": exit, "lines": lines } });
        Self {
            status,
            exit,
            body: pretty(&document),
        }
    }

    fn wrong(line: impl Into<String>) -> Self {
        Self::error(400, None, vec![line.into()])
    }
}

impl From<Unavailable> for Answer {
    fn from(unavailable: Unavailable) -> Self {
        Self::error(503, None, vec![unavailable.text])
    }
}

/// A document as the tool prints it.
#[must_use]
pub fn pretty(document: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, document).expect("a vector takes whatever is written to it");
    bytes
}

type Slot = Rc<Mutex<Option<(Instant, Rc<Answer>)>>>;

/// Runs commands.
pub struct Api {
    watcher: Rc<Watcher>,
    slots: RefCell<BTreeMap<String, Slot>>,
    running: Semaphore,
}

/// A command line taken from a path.
struct Question {
    command: &'static Command,
    args: Vec<String>,
    options: ToolOptions,
}

impl Api {
    /// Nothing has been asked yet.
    #[must_use]
    pub fn new(watcher: Rc<Watcher>) -> Self {
        Self {
            watcher,
            slots: RefCell::default(),
            running: Semaphore::new(AT_ONCE),
        }
    }

    /// Answers what stands behind `/api/v1/`.
    pub async fn answer(&self, path: &str, query: &str) -> Rc<Answer> {
        let question = match question(path, query) {
            Ok(question) => question,
            Err(answer) => return Rc::new(answer),
        };
        let slot = self.slot(format!("{path}?{query}"));
        let asked = timeout(LIMIT, async {
            let mut kept = slot.lock().await;
            if let Some((at, answer)) = &*kept
                && at.elapsed() < FRESH
            {
                return Rc::clone(answer);
            }
            let _turn = self.running.acquire().await;
            let answer = Rc::new(self.run(&question).await);
            *kept = Some((Instant::now(), Rc::clone(&answer)));
            answer
        });
        asked.await.unwrap_or_else(|_| {
            let line = format!("no answer within {} s", LIMIT.as_secs());
            Rc::new(Answer::error(503, None, vec![line]))
        })
    }

    /// The place of this question's answer. Answers that nobody waits for make room.
    fn slot(&self, key: String) -> Slot {
        let mut slots = self.slots.borrow_mut();
        if slots.len() >= MOST_QUESTIONS && !slots.contains_key(&key) {
            slots.retain(|_, slot| Rc::strong_count(slot) > 1);
        }
        Rc::clone(slots.entry(key).or_default())
    }

    async fn run(&self, question: &Question) -> Answer {
        let Question {
            command,
            args,
            options,
        } = question;
        match command.run {
            // Not among the readers.
            Action::Help => Answer::wrong("help prints no JSON"),
            Action::Alone(run) | Action::AloneOrVerbose(run, _) => {
                let mut console = self.watcher.console(options);
                let outcome = run(&mut console, args);
                finished(outcome, console.out.take_kept())
            }
            Action::Daemon(run) => {
                let anywhere = command.reach == Reach::Anywhere;
                let session = self.watcher.session(options, command.name, anywhere).await;
                let mut session = match session {
                    Ok(session) => session,
                    Err(unavailable) => return unavailable.into(),
                };
                let outcome = run(&mut session, args).await;
                finished(outcome, session.console.out.take_kept())
            }
        }
    }
}

/// What `/api/v1` alone answers.
#[must_use]
pub fn index() -> Value {
    let rows = READERS.iter().filter_map(|name| table::find(name));
    let commands: Vec<Value> = rows
        .map(|row| json!({ "command": row.name, "arguments": row.args, "help": row.help }))
        .collect();
    json!({ "commands": commands })
}

fn finished(outcome: Outcome, kept: Kept) -> Answer {
    let mut lines = kept.warnings;
    let exit = match outcome {
        Ok(exit) => exit,
        Err(Failure::Usage) => return Answer::wrong("wrong arguments for this command"),
        Err(failure) => {
            lines.extend(lines_of(&failure));
            failure.status()
        }
    };
    // some commands complain in a line of text where they have no document
    let is_document = serde_json::from_slice::<Value>(&kept.output).is_ok();
    if is_document {
        return Answer {
            status: 200,
            exit: Some(exit),
            body: kept.output,
        };
    }
    let said = String::from_utf8_lossy(&kept.output);
    lines.extend(said.lines().map(str::to_owned));
    Answer::error(502, Some(exit), lines)
}

fn question(path: &str, query: &str) -> Result<Question, Answer> {
    if path.len() + query.len() > LONGEST {
        return Err(Answer::wrong("too long"));
    }
    let mut words = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        let word = percent_decode_str(part)
            .decode_utf8()
            .map_err(|_| Answer::wrong("not UTF-8"))?;
        if word.contains(char::is_control) {
            return Err(Answer::wrong("control characters"));
        }
        words.push(word.into_owned());
    }
    if words.len() > MOST_WORDS {
        return Err(Answer::wrong("too many words"));
    }
    let name = words.first().map(String::as_str).unwrap_or_default();
    let command = READERS
        .contains(&name)
        .then(|| table::find(name))
        .flatten()
        .ok_or_else(|| {
            let line = "no such command here: /api/v1 lists them".to_owned();
            Answer::error(404, None, vec![line])
        })?;
    let options = options(query)?;
    words.remove(0);
    Ok(Question {
        command,
        args: words,
        options,
    })
}

fn options(query: &str) -> Result<ToolOptions, Answer> {
    let mut options = ToolOptions::default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=').unwrap_or((part, "")) {
            ("node", number) => {
                options.node = number
                    .parse()
                    .ok()
                    .filter(|pnn| *pnn >= 0)
                    .ok_or_else(|| Answer::wrong("node wants the number of a node"))?;
            }
            ("verbose", "" | "1") => options.verbose = true,
            _ => return Err(Answer::wrong("options are node=PNN and verbose")),
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(path: &str, query: &str) -> u16 {
        question(path, query)
            .err()
            .map_or(200, |answer| answer.status)
    }

    #[test]
    fn paths_are_command_lines() {
        let question = question("/dbstatistics/a%2fb.tdb", "node=2&verbose").unwrap();
        assert_eq!(question.command.name, "dbstatistics");
        assert_eq!(question.args, ["a/b.tdb"]);
        assert_eq!(question.options.node, 2);
        assert!(question.options.verbose);
    }

    #[test]
    fn only_readers_are_served() {
        for name in ["shutdown", "catdb", "readkey", "config", "event", "", "-j"] {
            assert_eq!(status(name, ""), 404, "{name}");
        }
        let known = |name: &&str| table::find(name).is_some();
        assert!(READERS.iter().all(known));
    }

    #[test]
    fn nonsense_is_refused() {
        for (path, query) in [
            ("status/a/b/c/d", ""),
            ("status/%ff", ""),
            ("status/%0a", ""),
            ("status", "node=-1"),
            ("status", "node=x"),
            ("status", "timelimit=9"),
            (&*"s".repeat(600), ""),
        ] {
            assert_eq!(status(path, query), 400, "{path}?{query}");
        }
    }

    #[test]
    fn a_document_is_passed_on_whatever_the_exit_status() {
        let kept = Kept {
            output: b"{ \"healthy\": false }\n".to_vec(),
            warnings: vec![],
        };
        let answer = finished(Ok(1), kept);
        assert_eq!((answer.status, answer.exit), (200, Some(1)));
        assert_eq!(answer.body, b"{ \"healthy\": false }\n");
    }

    #[test]
    fn lines_of_text_become_an_error() {
        let kept = Kept {
            output: b"Invalid run state (x)\n".to_vec(),
            warnings: vec!["first".to_owned()],
        };
        let answer = finished(Ok(1), kept);
        assert_eq!(answer.status, 502);
        let document: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(
            document["error"],
            json!({ "status": 1, "lines": ["first", "Invalid run state (x)"] })
        );
    }
}
