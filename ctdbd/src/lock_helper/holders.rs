//! Who holds and who awaits the locks of databases, told by a helper process. The daemon itself must
//! not look: closing a file that it has open would let go of its own locks (see [`tdb::holders`]).
//!
//! Request and answer are JSON lists with an object for each database.

use std::io::Write as _;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tdb::holders::{Lock, Scope, keys_of, of_file, process_name};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// How many keys of a locked chain are told.
const KEYS: usize = 3;
/// How the kernel shortens the name of the program that waits for the daemon.
const HELPER: &str = "ctdb_lock_helpe";
/// How long the helper may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Requests that the daemon has waiting for one chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Wait {
    /// The chain.
    pub chain: u32,
    /// The key of the first.
    pub key: Vec<u8>,
    /// How long the first has waited, in seconds.
    pub age_s: f64,
    /// How many there are.
    pub requests: usize,
}

/// What the daemon knows of a database.
#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: String,
    /// Its waits.
    pub waits: Vec<Wait>,
}

impl Database {
    fn to_json(&self) -> Value {
        let wait = |w: &Wait| json!([w.chain, w.key, w.age_s, w.requests]);
        let waits: Vec<Value> = self.waits.iter().map(wait).collect();
        json!([self.name, self.path, waits])
    }

    fn from_json(value: &Value) -> Option<Self> {
        let wait = |w: &Value| {
            let key = w[1].as_array()?.iter();
            Some(Wait {
                chain: u32::try_from(w[0].as_u64()?).ok()?,
                key: key
                    .map(|byte| u8::try_from(byte.as_u64()?).ok())
                    .collect::<Option<_>>()?,
                age_s: w[2].as_f64()?,
                requests: usize::try_from(w[3].as_u64()?).ok()?,
            })
        };
        Some(Self {
            name: value[0].as_str()?.to_owned(),
            path: value[1].as_str()?.to_owned(),
            waits: value[2]
                .as_array()?
                .iter()
                .map(wait)
                .collect::<Option<_>>()?,
        })
    }

    fn describe(&self, kernel: &str) -> Value {
        let path = Path::new(&self.path);
        let locks = of_file(path, kernel);
        let error = locks.as_ref().err().map(ToString::to_string);
        let locks: Vec<Value> = locks
            .unwrap_or_default()
            .into_iter()
            .map(|lock| self.describe_lock(path, &lock))
            .collect();
        json!({
            "name": self.name,
            "requests": self.waits.iter().map(|w| w.requests).sum::<usize>(),
            "locks": locks,
            "error": error,
        })
    }

    /// The kernel knows no ages. That of a wait is known if it is the daemon's, for which a helper waits; a
    /// holder has had the lock for at least as long as the daemon has waited for it.
    fn describe_lock(&self, path: &Path, lock: &Lock) -> Value {
        let chain = match lock.scope {
            Scope::Chain(chain) => Some(chain),
            Scope::Everything | Scope::Transaction => None,
        };
        let wait = self.waits.iter().find(|w| Some(w.chain) == chain);
        let keys = match (wait, chain) {
            (Some(wait), _) => vec![wait.key.clone()],
            (None, Some(chain)) => keys_of(path, chain, KEYS).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        let process = lock.pid.map(process_name);
        let helps = process.as_ref().is_some_and(|p| p.starts_with(HELPER));
        let age_s = match (lock.waiting, lock.scope) {
            (true, _) => wait.filter(|_| helps).map(|w| w.age_s),
            (false, Scope::Chain(_)) => wait.map(|w| w.age_s),
            (false, Scope::Everything | Scope::Transaction) => {
                self.waits.iter().map(|w| w.age_s).reduce(f64::max)
            }
        };
        json!({
            "scope": lock.scope.to_string(),
            "waiting": lock.waiting,
            "shared": lock.shared,
            "pid": lock.pid,
            "process": process,
            "keys": keys,
            "age_s": age_s,
            "requests": wait.filter(|_| lock.waiting && helps).map(|w| w.requests),
        })
    }
}

/// `ctdb_lock_helper --holders`: reads the request from standard input, writes the answer.
pub(super) fn main() -> ExitCode {
    let answer = std::io::read_to_string(std::io::stdin())
        .ok()
        .and_then(|text| answer(&text));
    match answer {
        Some(answer) if writeln!(std::io::stdout(), "{answer}").is_ok() => ExitCode::SUCCESS,
        Some(_) | None => ExitCode::FAILURE,
    }
}

fn answer(request: &str) -> Option<Value> {
    let request: Value = serde_json::from_str(request).ok()?;
    let kernel = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let databases = request.as_array()?.iter();
    databases
        .map(|db| Some(Database::from_json(db)?.describe(&kernel)))
        .collect::<Option<Vec<Value>>>()
        .map(Value::from)
}

/// Has the helper describe the locks of these databases.
///
/// # Errors
/// In words, when the helper does not answer as it should.
pub async fn ask(program: &Path, databases: &[Database]) -> Result<Value, String> {
    let request: Value = databases.iter().map(Database::to_json).collect();
    let answer = async {
        let mut child = Command::new(program)
            .arg("--holders")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(request.to_string().as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = timeout(LIMIT, answer)
        .await
        .map_err(|_| "the helper takes too long".to_owned())?
        .map_err(|e| format!("{}: {e}", program.display()))?;
    serde_json::from_slice(&output.stdout).map_err(|e| format!("the helper's answer: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_of_a_file_are_told_with_key_process_and_age() {
        let path = std::env::temp_dir().join(format!("ctdbd-holders-{}", std::process::id()));
        let flags = tdb::TdbFlags::INCOMPATIBLE_HASH;
        let file = tdb::Tdb::open(&path, 7, flags, tdb::OpenMode::Create).unwrap();
        let lock = file.chain_lock(b"key").unwrap();
        let db = Database {
            name: "a.tdb".to_owned(),
            path: path.display().to_string(),
            waits: vec![Wait {
                chain: file.hash(b"key") % 7,
                key: b"key".to_vec(),
                age_s: 2.5,
                requests: 4,
            }],
        };
        assert_eq!(Database::from_json(&db.to_json()), Some(db.clone()));
        let told = answer(&Value::from(vec![db.to_json()]).to_string()).unwrap();
        drop(lock);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(told[0]["requests"], 4);
        let held = &told[0]["locks"][0];
        assert_eq!(held["pid"], std::process::id());
        assert_eq!(held["keys"][0], json!(b"key"));
        assert_eq!(held["age_s"], 2.5);
        assert_eq!(held["waiting"], false);
    }

    #[test]
    fn what_is_no_request_has_no_answer() {
        assert_eq!(answer(""), None);
        assert_eq!(answer("[[1, 2]]"), None);
        assert_eq!(answer("[]"), Some(json!([])));
    }
}
