//! From the command line to the running loop, in upstream's order.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use ctdb_config::{Config, Level, Paths, Release, Report, Tunables, nodes};
use ctdb_core::{Delivery, Settings};
use ctdb_core::{Node, NodeConfig};
use nix::sys::signal::Signal;
use socket2::Socket;
use tokio::runtime::{Builder, LocalOptions};

use crate::event_loop::{EventLoop, Facts, Parts};
use crate::inbound::links::SocketLinks;
use crate::inbound::{output, signal, stdin, unix};
use crate::log;
use crate::news::{News, ToLoop};
use crate::outbound::events::Events;
use crate::outbound::locks::Locks;
use crate::outbound::records::Records;
use crate::pidfile::PidFile;
use crate::store::{Directories, TdbStorage};
use crate::sys::process;
use crate::watchdog::Watchdog;

const USAGE: &str = "\
Usage: [OPTION...]
  -i, --interactive     don't fork, log to stderr

Help options:
  -?, --help            Show this help message
      --usage           Display brief usage message
";
const BRIEF_USAGE: &str = "Usage: [-?i] [-?|--help] [--usage] [-i|--interactive]\n";

/// Exit codes that scripts know.
mod exit {
    pub(super) const FAILED: i32 = 1;
    pub(super) const SOCKET: i32 = 10;
    pub(super) const PID_FILE: i32 = 11;
    /// EPIPE: standard input ended in test mode.
    pub(super) const STDIN: i32 = 32;
}

/// The tokio driver is asked for news after each task; one of them is the loop.
const EVENT_INTERVAL: u32 = 1;
/// With real-time priority nobody else gets the CPU that the loop stays awake on; a machine with fewer
/// has none to spare.
const BUSY_POLL_CPUS: usize = 4;
/// How long the end may wait for the cluster lock to be let go.
const RESIGN_LIMIT: Duration = Duration::from_secs(2);

/// The program; returns its exit code.
#[must_use]
pub fn main() -> i32 {
    if std::env::var_os("CTDB_BASE").is_none() {
        process::export("CTDB_BASE", &Paths::installed().etcdir().to_string_lossy());
    }
    match interactive(std::env::args().skip(1)) {
        Ok(interactive) => match start(interactive) {
            Ok(code) | Err(code) => code,
        },
        Err(code) => code,
    }
}

/// Reads the command line.
fn interactive(arguments: impl Iterator<Item = String>) -> Result<bool, i32> {
    let mut interactive = false;
    let mut extra = false;
    for argument in arguments {
        match argument.as_str() {
            "-i" | "--interactive" => interactive = true,
            "-?" | "--help" => {
                print!("{USAGE}");
                return Err(0);
            }
            "--usage" => {
                print!("{BRIEF_USAGE}");
                return Err(0);
            }
            option if option.starts_with('-') && option.len() > 1 => {
                eprintln!("Invalid option {option}: unknown option");
                return Err(exit::FAILED);
            }
            _ => extra = true,
        }
    }
    if extra {
        print!("{USAGE}");
        return Err(exit::FAILED);
    }
    Ok(interactive)
}

fn start(interactive: bool) -> Result<i32, i32> {
    let paths = Paths::from_env().map_err(|e| fail(&e.to_string()))?;
    let (config, found) = load_config(&paths)?;
    begin_log(&config, &paths, interactive)?;
    log::notice!("CTDB starting on node");
    tell_of_config(&paths, &found);
    if config.cluster.cluster_lock.is_none() {
        log::warning!("Cluster lock not set");
    }
    let nodes_list = config.nodes_list(&paths);
    let nodes = ctdb_config::Nodes::read(&nodes_list).map_err(|e| fail(&e.to_string()))?;
    check_directories(&config)?;
    if let Some(script) = &config.database.lock_debug_script {
        process::export("CTDB_DEBUG_LOCKS", script);
    }
    let mut report = Report::new();
    let release = config.release(&paths);
    // As in C, a mistake in these files is logged and does not keep the node from starting.
    let (tunables, _) = Tunables::load(&paths, release, &mut report);
    write_report(&report);

    if !interactive {
        become_daemon(paths.test_mode())?;
    }
    process::ignore_signal(Signal::SIGPIPE);
    process::ignore_signal(Signal::SIGUSR1);
    log::error!(
        "Starting CTDBD (Version {release}) as PID: {}",
        std::process::id()
    );
    let pid_path = paths.pidfile("ctdbd");
    let pid_file = PidFile::create(&pid_path).map_err(|e| {
        log::error!("Failed to create PID file {}: {e}", pid_path.display());
        exit::PID_FILE
    })?;
    log::notice!("Created PID file {}", pid_path.display());
    let unix = unix::bind(&paths.socket("ctdbd"), paths.test_mode()).map_err(|e| {
        log::error!("Cannot continue.  Exiting! ({e})");
        exit::SOCKET
    })?;
    let _links = SocketLinks::make(&paths.socket("ctdbd"), &paths.other_sockets());
    set_scheduling(&config, &paths)?;
    let output = if interactive {
        None
    } else {
        Some(output::redirect().map_err(|e| fail(&format!("child logging: {e}")))?)
    };
    let settings = settings(&config, &paths, release);
    let boot = Boot {
        config,
        paths,
        tunables,
        settings,
        nodes: nodes.0,
        nodes_list,
        output,
    };
    let code = boot.run(unix);
    log::notice!("CTDB daemon shutting down");
    log::drain_at_end();
    drop(pid_file);
    Ok(code)
}

/// Writes the reason to the log (standard error before there is one); gives the exit code.
fn fail(reason: &str) -> i32 {
    log::error!("{reason}");
    exit::FAILED
}

fn write_report(report: &Report) {
    for message in &report.messages {
        log::write(message.level.number(), &message.text);
    }
}

fn load_config(paths: &Paths) -> Result<(Config, Report), i32> {
    let mut report = Report::new();
    let config = Config::load(paths, &mut report);
    // Before there is a log only errors are told, as upstream does.
    report.print(Level::Error);
    config
        .map(|config| (config, report))
        .map_err(|_| exit::FAILED)
}

/// What was noticed about single lines of the configuration and is no error: names that nobody knows.
fn tell_of_config(paths: &Paths, found: &Report) {
    let file = paths.config_file();
    for message in &found.messages {
        if let Some(line) = message.line
            && message.level > Level::Error
        {
            let text = format!("{}:{line}: {}", file.display(), message.text);
            log::write(message.level.number(), &text);
        }
    }
}

fn begin_log(config: &Config, paths: &Paths, interactive: bool) -> Result<(), i32> {
    let location = if interactive {
        process::export("CTDB_INTERACTIVE", "true");
        "file:"
    } else {
        &config.logging.location
    };
    log::init("ctdbd", location, &config.logging.log_level).map_err(|e| {
        eprintln!("{e}");
        exit::FAILED
    })?;
    if location != "syslog" && !paths.test_mode() {
        log::note_in_syslog("ctdbd", &format!("CTDB logging to location {location}"));
    }
    process::export("CTDB_LOGGING", location);
    process::export("CTDB_DEBUGLEVEL", log::level_name(log::current_level()));
    Ok(())
}

fn check_directories(config: &Config) -> Result<(), i32> {
    let database = &config.database;
    for (kind, directory) in [
        ("Volatile", &database.volatile_dir),
        ("Persistent", &database.persistent_dir),
        ("State", &database.state_dir),
    ] {
        if !directory.is_dir() {
            let shown = directory.display();
            return Err(fail(&format!(
                "{kind} database directory {shown} does not exist"
            )));
        }
    }
    Ok(())
}

/// Goes into the background. In test mode standard input and the session stay, so that a test can
/// notice us and end us.
fn become_daemon(test_mode: bool) -> Result<(), i32> {
    let failed = |e: std::io::Error| fail(&format!("Cannot become a daemon: {e}"));
    process::continue_in_child().map_err(failed)?;
    if !test_mode {
        nix::unistd::setsid().map_err(|e| failed(e.into()))?;
        let null = OwnedFd::from(std::fs::File::open("/dev/null").map_err(failed)?);
        nix::unistd::dup2_stdin(&null).map_err(|e| failed(e.into()))?;
    }
    Ok(())
}

fn is_realtime(config: &Config, paths: &Paths) -> bool {
    config.legacy.realtime_scheduling && !paths.test_mode()
}

fn set_scheduling(config: &Config, paths: &Paths) -> Result<(), i32> {
    if !is_realtime(config, paths) {
        process::export("CTDB_NOSETSCHED", "1");
        return Ok(());
    }
    process::become_realtime()
        .map_err(|e| fail(&format!("Unable to set real-time scheduler priority: {e}")))?;
    log::notice!("Set real-time scheduler priority");
    Ok(())
}

/// A version that a test forces, as upstream's `CTDB_TEST_SAMBA_VERSION`: a positive number.
fn forced_version() -> Option<u32> {
    let text = std::env::var("CTDB_TEST_SAMBA_VERSION").ok()?;
    text.parse().ok().filter(|version| *version > 0)
}

fn settings(config: &Config, paths: &Paths, release: Release) -> Settings {
    let forced = forced_version();
    Settings {
        pid: std::process::id().cast_signed(),
        cluster_lock: config.cluster.cluster_lock.clone(),
        test_mode: paths.test_mode(),
        failover_disabled: config.failover.disabled,
        shutdown_failover_timeout_s: config.failover.shutdown_failover_timeout_s,
        shutdown_extra_timeout_s: config.failover.shutdown_extra_timeout_s,
        start_as_disabled: config.legacy.start_as_disabled,
        start_as_stopped: config.legacy.start_as_stopped,
        leader_capability: config.cluster.leader_capability,
        lmaster_capability: config.legacy.lmaster_capability,
        samba_version: forced
            .unwrap_or_else(|| u32::from(release.major) << 16 | u32::from(release.minor)),
        strict_version: forced.is_some(),
        log_level: log::current_level(),
    }
}

/// Everything that the runtime's first task needs.
struct Boot {
    config: Config,
    paths: Paths,
    tunables: Tunables,
    settings: Settings,
    nodes: Vec<ctdb_config::NodeLine>,
    nodes_list: String,
    /// What children write.
    output: Option<OwnedFd>,
}

impl Boot {
    /// `[busy polling] microseconds`, unless it would keep the machine's other work waiting.
    fn busy_poll_us(&self) -> u32 {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        if is_realtime(&self.config, &self.paths) && cpus < BUSY_POLL_CPUS {
            return 0;
        }
        self.config.ours.busy_poll_us
    }

    fn run(self, unix: Socket) -> i32 {
        let own = Rc::new(Cell::new(0));
        let database = &self.config.database;
        let directories = Directories {
            volatile: database.volatile_dir.clone(),
            persistent: database.persistent_dir.clone(),
            state: database.state_dir.clone(),
        };
        // Before the runtime watches children: libtdb's probe for mutexes forks.
        let storage = TdbStorage::new(directories, Rc::clone(&own), database.tdb_mutexes);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .event_interval(EVENT_INTERVAL)
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                let code = runtime.block_on(self.serve(unix, own, storage));
                // Children that are still waited for must not keep us.
                runtime.shutdown_background();
                code
            }
            Err(e) => fail(&format!("Cannot start the runtime: {e}")),
        }
    }

    async fn serve(mut self, unix: Socket, own: Rc<Cell<u32>>, storage: TdbStorage) -> i32 {
        let (to_loop, news) = ToLoop::new();
        if let Some(read) = self.output.take() {
            let level = log::parse_level(&self.config.legacy.script_log_level);
            tokio::task::spawn_local(output::log_lines(read, level.unwrap_or(0)));
        }
        if self.paths.test_mode() && stdin::is_fifo() {
            let to_loop = to_loop.clone();
            if let Err(e) = stdin::watch(move || to_loop.tell(News::StdinEnded(exit::STDIN))) {
                return fail(&format!("Failed to setup stdin handler: {e}"));
            }
        }
        let events = match Events::start(&self.paths, to_loop.clone()).await {
            Ok(events) => events,
            Err(e) => return fail(&format!("Failed to start event daemon: {e}")),
        };
        match signal::watch_hangup(events.pid()) {
            Ok(watch) => drop(tokio::task::spawn_local(watch)),
            Err(e) => return fail(&format!("Failed to set up signal handler for SIGHUP: {e}")),
        }
        tokio::task::spawn_local(log::keep_draining());
        tokio::task::spawn_local(Locks::tick(to_loop.clone()));
        if nix::unistd::getuid().is_root()
            && let Err(e) = process::lock_memory()
        {
            log::warning!("Failed to lockdown memory: {e}'");
        }
        let parts = self.parts(to_loop, news, events, own, storage);
        let mut event_loop = EventLoop::new(parts, unix);
        // The loop bounds its own turns.
        let code = tokio::task::spawn_local(tokio::task::unconstrained(async move {
            let code = Watchdog::new(&mut event_loop).await;
            let watch = event_loop.end();
            drop(event_loop);
            if let Some(watch) = watch {
                let _ = tokio::time::timeout(RESIGN_LIMIT, watch.ended()).await;
            }
            code
        }));
        code.await.unwrap_or(exit::FAILED)
    }

    fn parts(
        self,
        to_loop: ToLoop,
        news: tokio::sync::mpsc::UnboundedReceiver<News>,
        events: Events,
        own: Rc<Cell<u32>>,
        storage: TdbStorage,
    ) -> Parts {
        let paths = &self.paths;
        let lock_helper = paths.helper("CTDB_LOCK_HELPER", "ctdb_lock_helper");
        let record_helper = beside(&lock_helper, "ctdb_record_helper");
        let debug_script = paths.helper("CTDB_DEBUG_LOCKS", "");
        let debug_script = match std::env::var_os("CTDB_DEBUG_LOCKS") {
            Some(_) => debug_script,
            None => paths.in_etcdir("debug_locks.sh"),
        };
        let limit = usize::try_from(self.config.ours.lock_processes).unwrap_or(usize::MAX);
        let busy_poll_us = self.busy_poll_us();
        let facts = Facts {
            node_address: self.config.cluster.node_address,
            cluster_lock: self.config.cluster.cluster_lock.clone(),
            leader_timeout: Duration::from_secs(self.config.cluster.leader_timeout_s.into()),
            failover_disabled: self.config.failover.disabled,
            nodes_list: self.nodes_list,
            notification_script: paths.in_etcdir("notify.sh"),
            port: nodes::port(),
            busy_poll_us,
            paths: self.paths.clone(),
        };
        Parts {
            locks: Locks::new(lock_helper, debug_script, limit.max(1), to_loop.clone()),
            records: Records::new(record_helper, to_loop.clone()),
            closed: storage.closed(),
            node: Node::new(NodeConfig {
                settings: self.settings,
                tunables: self.tunables,
                nodes: self.nodes,
                storage: Box::new(storage),
                delivery: Delivery::AtOnce,
            }),
            news,
            to_loop,
            events,
            own,
            facts,
        }
    }
}

/// A program of ours in the directory of another one.
fn beside(program: &Path, name: &str) -> std::path::PathBuf {
    program.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<bool, i32> {
        interactive(arguments.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn the_command_line_is_short() {
        assert_eq!(parse(&[]), Ok(false));
        assert_eq!(parse(&["-i"]), Ok(true));
        assert_eq!(parse(&["--interactive"]), Ok(true));
        assert_eq!(parse(&["--help"]), Err(0));
        assert_eq!(parse(&["--nodes"]), Err(1));
        assert_eq!(parse(&["-i", "extra"]), Err(1));
    }
}
