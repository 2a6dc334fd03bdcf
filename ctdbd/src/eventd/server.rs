//! The program `ctdb-eventd`: takes requests from its socket and keeps how events went.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ctdb_config::conf::Conf;
use ctdb_config::{Config, Level, Paths, Report, options};
use ctdb_protocol::event::{
    self, Command, Reply, Request, Run, RunFlags, Script, ScriptAction, ScriptList, ScriptResult,
    StatusReply,
};
use ctdb_protocol::text::CountedText;
use ctdb_protocol::types::Timeval;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use super::run::{Event, EventRun, Runner, ScriptRun};
use super::script;
use crate::log::{self, error, notice, warning};
use crate::socket_daemon::{self, Code, Service, Settings};

const HELP: &str = "\
Usage: ctdb-eventd [OPTION...]
  -P, --pid=PID           pid to wait for
  -S, --startup-fd=FD     file descriptor to notify of successful start

Help options:
  -?, --help              Show this help message
";

/// Far above any request: a request is names and arguments.
const MAX_PACKET_BYTES: usize = 16 << 20;

/// The program; answers with its exit code.
#[must_use]
pub fn main() -> i32 {
    if let Some("-?" | "--help") = std::env::args().nth(1).as_deref() {
        print!("{HELP}");
        return 0;
    }
    let settings = match settings_from_arguments() {
        Ok(settings) => settings,
        Err(text) => {
            eprintln!("{text}");
            return 1;
        }
    };
    let paths = match Paths::from_env() {
        Ok(paths) => paths,
        Err(e) => {
            eprintln!("{e}");
            return 1;
        }
    };
    let mut conf = options::define(&paths);
    let mut report = Report::new();
    if let Err(e) = conf.load(&paths.config_file(), true, &mut report)
        && !e.is_missing()
    {
        report.print(Level::Error);
        eprintln!("Failed to initialize event config");
        return e.errno();
    }
    let config = Config::from_conf(&conf);
    let interactive = std::env::var_os("CTDB_INTERACTIVE").is_some();
    let (location, level) = if interactive {
        ("file:", "NOTICE")
    } else {
        (&*config.logging.location, &*config.logging.log_level)
    };
    if let Err(text) = log::init("ctdb-eventd", location, level) {
        eprintln!("{text}");
        eprintln!("Failed to initialize logging, logging={location}, debug={level}");
        return libc::EINVAL;
    }
    let settings = Settings {
        pidfile: Some(paths.pidfile("eventd")),
        socket: Some(paths.socket("eventd")),
        ..settings
    };
    let service = Rc::new(Eventd {
        debug_script: RefCell::new(debug_script(&config, &paths)),
        conf: RefCell::new(conf),
        components: RefCell::default(),
        paths,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => {
            let tasks = LocalSet::new();
            let code = tasks.block_on(&runtime, socket_daemon::run(&settings, service));
            // A signal is how this daemon is meant to end.
            if code == libc::EINTR { 0 } else { code }
        }
        Err(e) => {
            error!("Failed to initialize the runtime: {e}");
            1
        }
    }
}

fn settings_from_arguments() -> Result<Settings, String> {
    let mut settings = Settings::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(word) = arguments.next() {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (word.clone(), None),
        };
        let target = match name.as_str() {
            "-P" | "--pid" => &mut settings.watch_pid,
            "-S" | "--startup-fd" => &mut settings.startup_fd,
            _ => return Err(format!("Invalid options {word}: unknown option")),
        };
        let value = attached
            .or_else(|| arguments.next())
            .ok_or_else(|| format!("Invalid options {word}: missing argument"))?;
        let number = value
            .parse()
            .map_err(|_| format!("Invalid options {word}: invalid numeric value"))?;
        *target = Some(number);
    }
    Ok(settings)
}

fn debug_script(config: &Config, paths: &Paths) -> Option<PathBuf> {
    let name = config.event.debug_script.as_deref()?;
    Some(paths.in_etcdir(name))
}

/// A directory of scripts, and how its events went.
struct Component {
    runner: Rc<Runner>,
    results: RefCell<BTreeMap<String, Results>>,
}

/// How an event went, as clients are told.
struct Results {
    summary: i32,
    scripts: Vec<ScriptResult>,
}

impl Results {
    /// Those of a run. Of the scripts that it did not reach, the results `before` it are kept.
    /// Answers to `eventd_event_set`.
    fn new(run: EventRun, before: Option<Results>) -> Self {
        let mut scripts: Vec<_> = run.scripts.iter().map(script_result).collect();
        let before = before.map_or_else(Vec::new, |results| results.scripts);
        scripts.extend(run.unreached.iter().map(|name| {
            let name = CountedText::from(name.as_str());
            let kept = before.iter().find(|script| script.name == name);
            kept.cloned().unwrap_or_else(|| not_reached(name))
        }));
        Self {
            summary: run.summary,
            scripts,
        }
    }
}

struct Eventd {
    paths: Paths,
    conf: RefCell<Conf>,
    debug_script: RefCell<Option<PathBuf>>,
    components: RefCell<BTreeMap<String, Rc<Component>>>,
}

impl Service for Eventd {
    async fn startup(&self) -> Option<Result<(), Code>> {
        Some(Ok(()))
    }

    async fn reconfigure(&self) -> Option<Result<(), Code>> {
        let mut report = Report::new();
        let result = self.conf.borrow_mut().reload(&mut report);
        for message in &report.messages {
            log::write(message.level.number(), &message.text);
        }
        match result {
            Err(e) if !e.is_missing() => warning!("Configuration reload failed"),
            Err(_) | Ok(()) => {
                let config = Config::from_conf(&self.conf.borrow());
                let program = debug_script(&config, &self.paths);
                for component in self.components.borrow().values() {
                    component.runner.set_debug_script(program.clone());
                }
                *self.debug_script.borrow_mut() = program;
            }
        }
        Some(Ok(()))
    }

    async fn reopen_logs(&self) -> Option<Result<(), Code>> {
        Some(if log::reopen() { Ok(()) } else { Err(1) })
    }

    async fn serve(self: Rc<Self>, client: UnixStream, _pid: Option<i32>) {
        let (mut requests, mut writer) = client.into_split();
        let (replies, mut queue) = mpsc::unbounded_channel::<Bytes>();
        spawn_local(async move {
            while let Some(reply) = queue.recv().await {
                if writer.write_all(&reply).await.is_err() {
                    break;
                }
            }
        });
        while let Some(packet) = read_packet(&mut requests).await {
            match event::open::<Request>(&packet) {
                Ok((reqid, request)) => {
                    let (eventd, replies) = (Rc::clone(&self), replies.clone());
                    // An event goes on when its client has left.
                    spawn_local(async move {
                        let reply = eventd.answer(request).await;
                        let _ = replies.send(event::packet(reqid, &reply));
                    });
                }
                Err(e) => {
                    error!("Invalid packet received: {e}");
                    return;
                }
            }
        }
    }
}

/// The next packet, or `None` if the client has left or sends nonsense.
async fn read_packet(client: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await.ok()?;
    let size = u32::from_ne_bytes(length) as usize;
    if !(event::HEAD..=MAX_PACKET_BYTES).contains(&size) {
        error!("Invalid packet of {size} bytes received");
        return None;
    }
    let mut packet = length.to_vec();
    // Grows with what arrives, whatever the length says.
    let mut rest = client.take((size - length.len()) as u64);
    rest.read_to_end(&mut packet).await.ok()?;
    (packet.len() == size).then_some(packet)
}

impl Eventd {
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Run(run) => {
                let code = self.run(&run).await.err().unwrap_or(0);
                Reply::plain(Command::RUN, code)
            }
            Request::Status(status) => match self.status(&status) {
                Ok(reply) => Reply {
                    command: Command::STATUS,
                    result: 0,
                    status: Some(reply),
                },
                Err(code) => Reply::plain(Command::STATUS, code),
            },
            Request::Script(script) => {
                let code = self.change(&script).err().unwrap_or(0);
                Reply::plain(Command::SCRIPT, code)
            }
        }
    }

    async fn run(&self, run: &Run) -> Result<(), Code> {
        // From now on, not from when its turn comes: the caller waits no longer than this.
        let limit = Duration::from_secs(run.timeout_s.into());
        let event = Event {
            name: run.event.to_str_lossy().into_owned(),
            arguments: run.args.to_str_lossy().into_owned(),
            deadline: (run.timeout_s != 0).then(|| Instant::now() + limit),
            all: run.flags.contains(RunFlags::ALL),
        };
        let component = self.component(&run.component)?;
        let done = component.runner.run(&event).await?;
        let code = match -done.summary {
            0 => Ok(()),
            code @ (libc::ECANCELED | libc::ETIMEDOUT) => Err(code),
            _ => Err(libc::ENOEXEC),
        };
        // Who never got its turn says nothing about how the event goes.
        let never_ran = code == Err(libc::ETIMEDOUT) && done.scripts.is_empty();
        if code != Err(libc::ECANCELED) && !never_ran {
            let mut results = component.results.borrow_mut();
            let before = results.remove(&event.name);
            results.insert(event.name, Results::new(done, before));
        }
        code
    }

    fn status(&self, status: &event::Status) -> Result<StatusReply, Code> {
        let component = self.component(&status.component)?;
        let results = component.results.borrow();
        let run = results
            .get(&*status.event.to_str_lossy())
            .ok_or(libc::EINVAL)?;
        Ok(StatusReply {
            summary: run.summary,
            scripts: ScriptList(run.scripts.clone()),
        })
    }

    fn change(&self, change: &Script) -> Result<(), Code> {
        let component = self.component(&change.component)?;
        let enable = match change.action {
            ScriptAction::ENABLE => true,
            ScriptAction::DISABLE => false,
            other => {
                error!("Invalid action specified: {other:?}");
                return Err(libc::EPROTO);
            }
        };
        let name = change.script.to_str_lossy();
        script::change(component.runner.directory(), &name, enable)
            .map_err(|e| e.raw_os_error().unwrap_or(libc::EIO))
    }

    /// The component of a name, whose directory must be there when it is first asked for.
    fn component(&self, name: &CountedText) -> Result<Rc<Component>, Code> {
        let name = name.to_str_lossy();
        if let Some(component) = self.components.borrow().get(&*name) {
            return Ok(Rc::clone(component));
        }
        if name.is_empty() || name.contains('/') {
            return Err(libc::EINVAL);
        }
        let directory = self.paths.in_etcdir(&format!("events/{name}"));
        match std::fs::metadata(&directory) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(libc::ENOTDIR),
            Err(e) => return Err(e.raw_os_error().unwrap_or(libc::EIO)),
        }
        notice!("Serving events of {}", directory.display());
        let component = Rc::new(Component {
            runner: Rc::new(Runner::new(directory, self.debug_script.borrow().clone())),
            results: RefCell::default(),
        });
        let mut components = self.components.borrow_mut();
        components.insert(name.into_owned(), Rc::clone(&component));
        Ok(component)
    }
}

fn script_result(run: &ScriptRun) -> ScriptResult {
    ScriptResult {
        name: run.name.as_str().into(),
        begin: timeval(run.begin),
        end: timeval(run.end),
        result: run.result,
        output: if run.output.is_empty() {
            CountedText::none()
        } else {
            CountedText::new(&run.output)
        },
    }
}

fn not_reached(name: CountedText) -> ScriptResult {
    ScriptResult {
        name,
        begin: timeval(UNIX_EPOCH),
        end: timeval(UNIX_EPOCH),
        result: event::NOT_REACHED,
        output: CountedText::none(),
    }
}

fn timeval(time: SystemTime) -> Timeval {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timeval {
        sec: since.as_secs().cast_signed(),
        usec: since.subsec_micros().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_run_keeps_what_it_did_not_reach() {
        let at = |s| UNIX_EPOCH + Duration::from_secs(s);
        let script = |name: &str, s, result| ScriptRun {
            name: name.to_owned(),
            begin: at(s),
            end: at(s),
            result,
            output: Vec::new(),
        };
        let first = EventRun {
            scripts: vec![script("00.a", 10, 0), script("10.b", 11, 0)],
            ..EventRun::default()
        };
        let second = EventRun {
            summary: 1,
            scripts: vec![script("00.a", 20, 1)],
            unreached: vec!["05.new".to_owned(), "10.b".to_owned()],
        };
        let results = Results::new(second, Some(Results::new(first, None)));
        let listed: Vec<_> = results
            .scripts
            .iter()
            .map(|run| {
                (
                    run.name.to_str_lossy().into_owned(),
                    run.result,
                    run.begin.sec,
                )
            })
            .collect();
        let expected = [
            ("00.a", 1, 20),
            ("05.new", event::NOT_REACHED, 0),
            ("10.b", 0, 11),
        ];
        assert_eq!(
            listed,
            expected.map(|(name, result, s)| (name.to_owned(), result, s))
        );
        let reply = StatusReply {
            summary: results.summary,
            scripts: ScriptList(results.scripts),
        };
        let shown: Vec<_> = reply.reached().map(|run| run.name.to_str_lossy()).collect();
        assert_eq!(shown, ["00.a"]);
    }
}
