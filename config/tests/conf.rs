//! `ctdb.conf` through the table: messages in upstream's words, values, reload.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use ctdb_config::conf::Value;
use ctdb_config::{Config, Level, Paths, Release, Report, Tunables, options};

struct Base(PathBuf);

impl Base {
    fn new(conf: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("conf-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let base = Self(dir);
        base.write(conf);
        base
    }

    fn write(&self, conf: &str) {
        std::fs::write(self.0.join("ctdb.conf"), conf).unwrap();
    }

    fn paths(&self) -> Paths {
        Paths::below(&self.0)
    }

    /// Errors of a strict load, as `ctdb-config validate` shows them.
    fn validate(&self) -> Vec<String> {
        let paths = self.paths();
        let mut report = Report::new();
        let mut conf = options::define(&paths);
        let result = conf.load(&paths.config_file(), false, &mut report);
        let errors: Vec<String> = report
            .messages
            .into_iter()
            .filter(|m| m.level == Level::Error)
            .map(|m| m.text)
            .collect();
        assert_eq!(result.is_err(), !errors.is_empty());
        errors
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_option_reaches_its_field() {
    let base = Base::new(
        "[logging]\nlog level = debug\nlocation = syslog:udp\n\
         [CLUSTER]\nnode address = fd00::1\nrecovery lock = !cmd a\nnodes list = !x y\n\
         leader timeout = 7\nleader capability = no\n\
         [database]\nvolatile database directory = /tmp\ntdb mutexes = FALSE\n\
         [failover]\ndisabled = yes\nshutdown extra timeout = 0x10\n\
         [legacy]\nstart as stopped = true\nscript log level = INFO\n\
         [interoperation]\nsamba version = 4.17\n[lock waiting]\nprocesses = 3\n\
         [busy polling]\nmicroseconds = 0\n",
    );
    let mut report = Report::new();
    let config = Config::load(&base.paths(), &mut report).unwrap();
    assert!(!report.has_errors(), "{report:?}");
    assert_eq!(config.log_level(), Level::Debug);
    assert_eq!(config.logging.location, "syslog:udp");
    assert_eq!(config.cluster.node_address, "fd00::1".parse().ok());
    assert_eq!(config.cluster.cluster_lock.as_deref(), Some("!cmd a"));
    assert_eq!(config.nodes_list(&base.paths()), "!x y");
    assert_eq!(config.cluster.leader_timeout_s, 7);
    assert!(!config.cluster.leader_capability);
    assert_eq!(config.database.volatile_dir, PathBuf::from("/tmp"));
    assert!(!config.database.tdb_mutexes);
    assert!(config.failover.disabled);
    assert_eq!(config.failover.shutdown_extra_timeout_s, 16);
    assert_eq!(config.failover.shutdown_failover_timeout_s, 10);
    assert!(config.legacy.start_as_stopped && !config.legacy.start_as_disabled);
    assert_eq!(config.ours.samba_release, Release::parse("4.17"));
    assert_eq!(config.ours.lock_processes, 3);
    assert_eq!(config.ours.busy_poll_us, 0);
}

#[test]
fn defaults_without_a_file() {
    let paths = Paths::below("/nonexistent".as_ref());
    let config = Config::load(&paths, &mut Report::new()).unwrap();
    assert_eq!(config.logging.log_level, "NOTICE");
    assert_eq!(config.nodes_list(&paths), "/nonexistent/nodes");
    assert_eq!(config.legacy.script_log_level, "ERROR");
    let dump = options::define(&paths).dump();
    assert!(dump.starts_with("[logging]\n\t# location = file:/var/log/ctdb/log.ctdb\n"));
    assert!(dump.ends_with("\t# script log level = ERROR\n"), "{dump}");
}

#[test]
fn all_errors_are_told_with_their_lines() {
    let base = Base::new("x = 1\n[database]\nfoo = 1\ntdb mutexes = maybe\n[none]\n");
    assert_eq!(
        base.validate(),
        [
            "conf: unknown section for option \"x\"",
            "conf: unknown option [database] -> \"foo\"",
            "conf: invalid value [database] -> \"tdb mutexes\" = \"maybe\"",
            "conf: unknown section [none]",
        ]
    );
    let mut report = Report::new();
    // Unknown names alone do not stop the daemon, the bad value does.
    let e = Config::load(&base.paths(), &mut report).unwrap_err();
    assert_eq!(e.errno(), 22);
    let lines: Vec<_> = report
        .messages
        .iter()
        .filter(|m| m.level == Level::Error)
        .map(|m| m.line)
        .collect();
    assert_eq!(lines, [Some(4), None]);
}

#[test]
fn unknown_names_are_told_once_with_a_hint_for_old_settings() {
    let base = Base::new(
        "CTDB_RECOVERY_LOCK=/x\nCTDB_RECOVERY_LOCK=/y\n[cluster]\ncluster lok = /z\n[more]\na = 1\nb = 2\n",
    );
    let mut report = Report::new();
    let mut conf = options::define(&base.paths());
    conf.load(&base.paths().config_file(), true, &mut report)
        .unwrap();
    let told = |report: &Report| {
        let messages = report.messages.iter();
        messages
            .filter(|m| m.level == Level::Notice && m.line.is_some())
            .map(|m| (m.line.unwrap(), m.text.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&report),
        [
            (
                1,
                "conf: unknown section for option \"CTDB_RECOVERY_LOCK\" (an old setting, now \"cluster lock\" in \
                 [cluster])"
                    .to_owned()
            ),
            (
                4,
                "conf: unknown option [cluster] -> \"cluster lok\"".to_owned()
            ),
            (5, "conf: ignoring unknown section [more]".to_owned()),
        ]
    );
    let mut again = Report::new();
    conf.reload(&mut again).unwrap();
    assert_eq!(told(&again), []);
}

#[test]
fn rules_explain_themselves() {
    let base =
        Base::new("[cluster]\ntransport = ib\nleader timeout = 0\n[event]\ndebug script = a/b\n");
    let script = base.0.join("b");
    assert_eq!(
        base.validate(),
        [
            "Invalid value for [cluster] -> transport = ib".to_owned(),
            "conf: validation for option \"transport\" failed".into(),
            "Invalid value for [cluster] -> leader timeout = 0".into(),
            "conf: validation for option \"leader timeout\" failed".into(),
            format!("debug script {} does not exist", script.display()),
            "conf: validation for option \"debug script\" failed".into(),
        ]
    );
}

#[test]
fn reload_keeps_what_did_not_change_and_all_of_it_after_an_error() {
    let base = Base::new("[legacy]\nscript log level = INFO\nstart as stopped = yes\n");
    let paths = base.paths();
    let mut conf = options::define(&paths);
    let mut report = Report::new();
    conf.load(&paths.config_file(), true, &mut report).unwrap();

    base.write("[legacy]\nscript log level = INFO\n");
    conf.reload(&mut report).unwrap();
    let level = |conf: &ctdb_config::conf::Conf| conf.get("legacy", "script log level").cloned();
    assert_eq!(level(&conf), Some(Value::text("INFO")));
    assert!(conf.is_default("legacy", "start as stopped"));

    base.write("[legacy]\nscript log level = DEBUG\nstart as stopped = perhaps\n");
    assert!(conf.reload(&mut report).is_err());
    assert_eq!(level(&conf), Some(Value::text("INFO")));
}

#[test]
fn tunables_of_a_file() {
    let base = Base::new("");
    let file = base.0.join("ctdb.tunables");
    let load = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let mut report = Report::new();
        let mut tunables = Tunables::default();
        let release = Release::parse("4.22").unwrap();
        let good = tunables.load_file(&file, release, &mut report);
        let errors: Vec<String> = report
            .messages
            .into_iter()
            .filter(|m| m.level == Level::Error)
            .map(|m| m.text)
            .collect();
        assert_eq!(good, errors.is_empty());
        (tunables, errors)
    };
    let (t, errors) = load("# c\n enablebans\t=  0x0 \n\nRecoverInterval = 012\n");
    assert_eq!(errors, [""; 0]);
    assert_eq!((t.enable_bans(), t.recover_interval()), (0, 10));
    let (t, errors) = load("EnableBans=\nEnableBans=value\nEnableBans=0\n=1\nHelloWorld=1\n");
    assert_eq!(t.enable_bans(), 0);
    assert_eq!(
        errors,
        [
            "ctdb_tunable_load_file: Invalid line containing \"EnableBans\"",
            "ctdb_tunable_load_file: Invalid value \"value\" for tunable \"EnableBans\"",
            "ctdb_tunable_load_file: Syntax error",
        ]
    );
}
