//! `sock_daemon_test PIDFILE SOCKET NUMBER`: the skeleton of the event daemon, with the steps
//! that UNIT/cunit/sock_daemon_test_001 asks for. Daemons that must be processes of their own
//! are this program again; they tell the test how far they are on their standard output.

use std::cell::Cell;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream as Stream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use ctdbd::socket_daemon::{Code, Service, Settings, run};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, getsid, setsid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::LocalSet;

/// Asks this program to be a daemon of the test.
const DAEMON: &str = "SOCK_DAEMON_TEST_DAEMON";

// What daemons tell.
const STARTED: u8 = 1;
const RECONFIGURED: u8 = 2;
const SHUT_DOWN: u8 = 3;
const REOPENED: u8 = 4;

const VALID_CLIENTS: u32 = 10;
const ALL_CLIENTS: u32 = 100;
const QUESTION: u32 = 0xbaba;
const ANSWER: u32 = 0xffee_ddcc;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pidfile, socket, number] = arguments.as_slice() else {
        eprintln!("sock_daemon_test <pidfile> <sockpath> <testnum>");
        return ExitCode::FAILURE;
    };
    let test = Test {
        pidfile: pidfile.into(),
        socket: socket.into(),
        number,
    };
    if ctdbd::log::init("sock_daemon_test", "file:", "NOTICE").is_err() {
        return ExitCode::FAILURE;
    }
    let result = match std::env::var(DAEMON) {
        Ok(daemon) => test.daemon(&daemon),
        Err(_) => test.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("sock_daemon_test {number}: {e}");
            ExitCode::FAILURE
        }
    }
}

fn expect(good: bool, what: &str) -> Result<(), Failure> {
    if good { Ok(()) } else { Err(what.into()) }
}

/// Steps of a daemon; `None` is a step it does not have. `PLAIN` chooses a text.
#[derive(Default)]
struct Steps<const PLAIN: bool> {
    startup: Option<Result<(), Code>>,
    /// The first SIGUSR1 and the first SIGHUP fail with this.
    first_failure: Cell<Option<(Code, Code)>>,
    handles_signals: bool,
    tells_start: bool,
    tells_wait: bool,
    tells_shutdown: bool,
    ends_after: Option<Duration>,
    clients: Cell<u32>,
    answered: Cell<bool>,
    must_answer: bool,
}

fn tell(what: u8) {
    let mut out = io::stdout();
    // Nobody listens any more: the test will say so.
    let _ = out.write_all(&[what]).and_then(|()| out.flush());
}

impl<const PLAIN: bool> Steps<PLAIN> {
    fn signal(
        &self,
        what: u8,
        take: impl Fn(&mut (Code, Code)) -> Code,
    ) -> Option<Result<(), Code>> {
        if !self.handles_signals {
            return None;
        }
        tell(what);
        let mut left = self.first_failure.get().unwrap_or_default();
        let code = take(&mut left);
        self.first_failure.set(Some(left));
        Some(if code == 0 { Ok(()) } else { Err(code) })
    }
}

impl<const PLAIN: bool> Service for Steps<PLAIN> {
    const REOPEN_FAILED: &'static str = if PLAIN {
        "reopen logs"
    } else {
        "reopen logs failed"
    };

    async fn startup(&self) -> Option<Result<(), Code>> {
        if self.tells_start {
            tell(STARTED);
        }
        self.startup
    }

    async fn reconfigure(&self) -> Option<Result<(), Code>> {
        self.signal(RECONFIGURED, |left| std::mem::take(&mut left.0))
    }

    async fn reopen_logs(&self) -> Option<Result<(), Code>> {
        self.signal(REOPENED, |left| std::mem::take(&mut left.1))
    }

    async fn shutdown(&self) {
        if self.tells_shutdown {
            tell(SHUT_DOWN);
        }
    }

    /// Ten clients at a time; the answer is how many there are, or a fixed word.
    async fn serve(self: Rc<Self>, mut client: UnixStream, _: Option<i32>) {
        if self.clients.get() == VALID_CLIENTS {
            return;
        }
        self.clients.set(self.clients.get() + 1);
        let mut packet = [0; 8];
        while client.read_exact(&mut packet).await.is_ok() {
            let answer = if self.must_answer {
                ANSWER
            } else {
                self.clients.get()
            };
            packet[4..].copy_from_slice(&answer.to_ne_bytes());
            if client.write_all(&packet).await.is_err() {
                break;
            }
            self.answered.set(true);
        }
        self.clients.set(self.clients.get() - 1);
    }

    async fn wait(&self) -> Code {
        if self.tells_wait {
            tell(STARTED);
        }
        match self.ends_after {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
        if self.must_answer && !self.answered.get() {
            libc::EIO
        } else {
            0
        }
    }
}

fn serve<const PLAIN: bool>(settings: &Settings, steps: Steps<PLAIN>) -> Result<Code, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(LocalSet::new().block_on(&runtime, run(settings, Rc::new(steps))))
}

struct Test<'a> {
    pidfile: PathBuf,
    socket: PathBuf,
    number: &'a str,
}

/// A daemon in another process.
struct Daemon {
    process: Child,
    told: ChildStdout,
}

impl Daemon {
    fn expect(&mut self, what: u8) -> Result<(), Failure> {
        let mut byte = [0];
        self.told.read_exact(&mut byte)?;
        expect(
            byte == [what],
            &format!("told {} instead of {what}", byte[0]),
        )
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.process.id().cast_signed())
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        Ok(kill(self.pid(), signal)?)
    }

    fn ends(mut self) -> Result<(), Failure> {
        expect(self.process.wait()?.success(), "the daemon ended badly")
    }
}

impl Test<'_> {
    fn run(&self) -> Result<(), Failure> {
        match self.number {
            "1" => self.startup(),
            "2" => self.signals("plain").and_then(|()| self.signals("worded")),
            "3" => self.watched_process(),
            "4" => self.ends_by_itself(),
            "5" => self.many_clients(),
            "6" => self.one_client(),
            "7" => self.twice(),
            "8" => self.session(false).and_then(|()| self.session(true)),
            "9" => self.in_front().and_then(|()| self.in_background()),
            "10" => self.stale_socket(),
            _ => Err("no such test".into()),
        }
    }

    fn both(&self) -> Settings {
        Settings {
            pidfile: Some(self.pidfile.clone()),
            socket: Some(self.socket.clone()),
            ..Settings::default()
        }
    }

    /// The daemon of that name, in this process.
    fn daemon(&self, name: &str) -> Result<(), Failure> {
        let without_socket = Settings {
            pidfile: Some(self.pidfile.clone()),
            ..Settings::default()
        };
        let starts = Steps::<true> {
            startup: Some(Ok(())),
            tells_start: true,
            ..Steps::default()
        };
        let (expected, code) = match name {
            "plain" => {
                let steps = Steps::<true> {
                    handles_signals: true,
                    tells_shutdown: true,
                    first_failure: Cell::new(Some((1, 1))),
                    ..starts
                };
                (libc::EINTR, serve(&self.both(), steps)?)
            }
            "worded" => {
                let steps = Steps::<false> {
                    startup: Some(Ok(())),
                    tells_start: true,
                    handles_signals: true,
                    tells_shutdown: true,
                    first_failure: Cell::new(Some((2, 2))),
                    ..Steps::default()
                };
                (libc::EINTR, serve(&self.both(), steps)?)
            }
            "timed" => {
                let steps = Steps::<true> {
                    ends_after: Some(Duration::from_secs(10)),
                    ..Steps::default()
                };
                (0, serve(&without_socket, steps)?)
            }
            "clients" => {
                let steps = Steps::<true> {
                    tells_wait: true,
                    ..Steps::default()
                };
                (libc::EINTR, serve(&self.both(), steps)?)
            }
            "answering" => {
                let steps = Steps::<true> {
                    tells_wait: true,
                    must_answer: true,
                    ends_after: Some(Duration::from_secs(10)),
                    ..Steps::default()
                };
                (0, serve(&self.both(), steps)?)
            }
            "telling" => {
                let steps = Steps::<true> {
                    tells_shutdown: true,
                    ..starts
                };
                (libc::EINTR, serve(&without_socket, steps)?)
            }
            "quiet" => (libc::EINTR, serve(&without_socket, starts)?),
            "session" => {
                setsid()?;
                (libc::EINTR, serve(&without_socket, starts)?)
            }
            "background" => {
                ctdbd::sys::process::continue_in_child()?;
                let steps = Steps::<true> {
                    tells_shutdown: true,
                    ..starts
                };
                (libc::EINTR, serve(&without_socket, steps)?)
            }
            "stale" => {
                let steps = Steps::<true> {
                    tells_wait: true,
                    tells_shutdown: true,
                    ends_after: Some(Duration::from_secs(10)),
                    ..Steps::default()
                };
                (libc::EINTR, serve(&self.both(), steps)?)
            }
            watched => {
                let settings = Settings {
                    socket: Some(self.socket.clone()),
                    watch_pid: Some(watched.parse()?),
                    ..Settings::default()
                };
                (libc::ESRCH, serve(&settings, Steps::<true>::default())?)
            }
        };
        expect(
            code == expected,
            &format!("ended with {code} instead of {expected}"),
        )
    }

    fn start(&self, daemon: &str) -> Result<Daemon, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([&self.pidfile, &self.socket])
            .arg(self.number)
            .env(DAEMON, daemon)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let told = process.stdout.take().ok_or("no pipe")?;
        Ok(Daemon { process, told })
    }

    fn left_nothing(&self) -> Result<(), Failure> {
        expect(!self.pidfile.exists(), "the pid file is left")?;
        expect(!self.socket.exists(), "the socket is left")
    }

    /// The pid in the pid file.
    fn pid_on_file(&self) -> Result<Pid, Failure> {
        let text = std::fs::read_to_string(&self.pidfile)?;
        Ok(Pid::from_raw(text.trim_end().parse()?))
    }

    fn startup(&self) -> Result<(), Failure> {
        for code in [1, 2] {
            let steps = Steps::<true> {
                startup: Some(Err(code)),
                ..Steps::default()
            };
            expect(
                serve(&Settings::default(), steps)? == libc::EIO,
                "started anyway",
            )?;
        }
        let settings = Settings {
            socket: Some(self.socket.clone()),
            ..Settings::default()
        };
        let steps = Steps::<true> {
            startup: Some(Ok(())),
            ends_after: Some(Duration::ZERO),
            ..Steps::default()
        };
        expect(serve(&settings, steps)? == 0, "did not end well")
    }

    fn signals(&self, daemon: &str) -> Result<(), Failure> {
        let mut daemon = self.start(daemon)?;
        daemon.expect(STARTED)?;
        expect(self.pid_on_file()? == daemon.pid(), "another pid on file")?;
        for (signal, told) in [
            (Signal::SIGUSR1, RECONFIGURED),
            (Signal::SIGUSR1, RECONFIGURED),
            (Signal::SIGHUP, REOPENED),
            (Signal::SIGHUP, REOPENED),
            (Signal::SIGTERM, SHUT_DOWN),
        ] {
            daemon.signal(signal)?;
            daemon.expect(told)?;
        }
        daemon.ends()?;
        self.left_nothing()
    }

    fn watched_process(&self) -> Result<(), Failure> {
        let mut watched = Command::new("sleep").arg("10").spawn()?;
        let daemon = self.start(&watched.id().to_string())?;
        watched.wait()?;
        daemon.ends()?;
        self.left_nothing()
    }

    fn ends_by_itself(&self) -> Result<(), Failure> {
        self.start("timed")?.ends()?;
        self.left_nothing()
    }

    fn many_clients(&self) -> Result<(), Failure> {
        let mut daemon = self.start("clients")?;
        daemon.expect(STARTED)?;
        let mut clients = Vec::new();
        for n in 1..=ALL_CLIENTS {
            let (client, answer) = ask(&self.socket, QUESTION)?;
            let expected = (n <= VALID_CLIENTS).then_some(n);
            expect(
                answer == expected,
                &format!("client {n} was told {answer:?}"),
            )?;
            clients.push(client);
        }
        drop(clients);
        daemon.signal(Signal::SIGTERM)?;
        daemon.ends()
    }

    fn one_client(&self) -> Result<(), Failure> {
        let mut daemon = self.start("answering")?;
        daemon.expect(STARTED)?;
        let (_client, answer) = ask(&self.socket, 0xaabb_ccdd)?;
        expect(answer == Some(ANSWER), "a wrong answer")?;
        daemon.ends()
    }

    fn twice(&self) -> Result<(), Failure> {
        let mut daemon = self.start("telling")?;
        daemon.expect(STARTED)?;
        let second = Settings {
            pidfile: Some(self.pidfile.clone()),
            ..Settings::default()
        };
        let code = serve(&second, Steps::<true>::default())?;
        expect(code == libc::EEXIST, "a second daemon runs")?;
        daemon.signal(Signal::SIGTERM)?;
        daemon.expect(SHUT_DOWN)?;
        daemon.ends()
    }

    fn session(&self, own: bool) -> Result<(), Failure> {
        let mut daemon = self.start(if own { "session" } else { "quiet" })?;
        daemon.expect(STARTED)?;
        let leads = getsid(Some(daemon.pid()))? == daemon.pid();
        expect(leads == own, "the wrong session")?;
        daemon.signal(Signal::SIGTERM)?;
        daemon.ends()
    }

    fn in_front(&self) -> Result<(), Failure> {
        let mut daemon = self.start("quiet")?;
        daemon.expect(STARTED)?;
        expect(self.pid_on_file()? == daemon.pid(), "forked")?;
        daemon.signal(Signal::SIGTERM)?;
        daemon.ends()
    }

    fn in_background(&self) -> Result<(), Failure> {
        let mut daemon = self.start("background")?;
        daemon.expect(STARTED)?;
        let pid = self.pid_on_file()?;
        expect(pid != daemon.pid() && pid != getpid(), "not forked")?;
        expect(
            daemon.process.wait()?.success(),
            "the first process ended badly",
        )?;
        kill(pid, Signal::SIGTERM)?;
        daemon.expect(SHUT_DOWN)?;
        // Its end closes the pipe.
        daemon.told.read_to_end(&mut Vec::new())?;
        self.left_nothing()
    }

    fn stale_socket(&self) -> Result<(), Failure> {
        let mut first = self.start("stale")?;
        first.expect(STARTED)?;
        first.signal(Signal::SIGKILL)?;
        first.process.wait()?;
        expect(self.socket.exists(), "killed, and yet it cleaned up")?;
        let mut second = self.start("stale")?;
        second.expect(STARTED)?;
        expect(self.pid_on_file()? == second.pid(), "another pid on file")?;
        second.signal(Signal::SIGTERM)?;
        second.expect(SHUT_DOWN)?;
        second.ends()?;
        self.left_nothing()
    }
}

/// Connects and asks; `None` if the daemon hangs up.
fn ask(socket: &Path, question: u32) -> io::Result<(Stream, Option<u32>)> {
    let mut client = Stream::connect(socket)?;
    let mut packet = [0; 8];
    packet[..4].copy_from_slice(&8_u32.to_ne_bytes());
    packet[4..].copy_from_slice(&question.to_ne_bytes());
    // A daemon that has hung up already shows when reading.
    let _ = client.write_all(&packet);
    let answered = client.read_exact(&mut packet).is_ok();
    let [_, _, _, _, answer @ ..] = packet;
    Ok((client, answered.then(|| u32::from_ne_bytes(answer))))
}
