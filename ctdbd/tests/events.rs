//! Events of a directory of scripts: order, cancelling, time-outs, output (regression scenarios
//! R41, R42, R43 among them).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a test program has no readers of its interface, and stops at what fails"
)]

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ctdbd::eventd::run::{Event, EventRun, Runner};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

struct Scripts(PathBuf);

impl Scripts {
    fn new(scripts: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("events-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, body) in scripts {
            let path = dir.join(format!("{name}.script"));
            std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn runner(&self, debug_script: Option<PathBuf>) -> Rc<Runner> {
        ctdbd::log::set_level(-1);
        Rc::new(Runner::new(self.0.clone(), debug_script))
    }
}

impl Drop for Scripts {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn event(name: &str, limit: Duration) -> Event {
    Event {
        name: name.to_owned(),
        arguments: "one  two".to_owned(),
        deadline: Some(Instant::now() + limit),
        all: false,
    }
}

const LONG: Duration = Duration::from_secs(20);

fn test<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async { timeout(LONG, body).await.unwrap() })
}

fn results(run: &EventRun) -> Vec<(&str, i32)> {
    let scripts = run.scripts.iter();
    scripts.map(|s| (s.name.as_str(), s.result)).collect()
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LONG / 2, "{what} takes too long");
        sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn the_first_failure_ends_an_event() {
    let scripts = Scripts::new(&[
        ("01.a", "echo $0 $*"),
        ("02.b", "exit 3"),
        ("03.c", "exit 0"),
    ]);
    test(async {
        let runner = scripts.runner(None);
        let run = runner.run(&event("startup", LONG)).await.unwrap();
        assert_eq!(
            (run.summary, results(&run)),
            (3, vec![("01.a", 0), ("02.b", 3)])
        );
        let output = String::from_utf8_lossy(&run.scripts[0].output).into_owned();
        assert!(output.ends_with(" startup one two\n"), "{output}");
        let all = Event {
            all: true,
            ..event("startup", LONG)
        };
        let run = runner.run(&all).await.unwrap();
        assert_eq!((run.summary, run.scripts.len()), (3, 3));
    });
}

#[test]
fn monitor_gives_way_and_others_wait() {
    let scripts = Scripts::new(&[("01.a", "sleep 0.4; echo $1 >>${0%/*}/log")]);
    test(async {
        let runner = scripts.runner(None);
        let order = Rc::new(RefCell::new(Vec::new()));
        let start = |name: &'static str| {
            let (runner, order) = (Rc::clone(&runner), Rc::clone(&order));
            spawn_local(async move {
                let run = runner.run(&event(name, LONG)).await.unwrap();
                order.borrow_mut().push((name, run.summary));
            })
        };
        let monitor = start("monitor");
        sleep(Duration::from_millis(100)).await;
        let waiting = [start("takeip"), start("releaseip")];
        sleep(Duration::from_millis(100)).await;
        let late = start("monitor");
        monitor.await.unwrap();
        late.await.unwrap();
        for one in waiting {
            one.await.unwrap();
        }
        let cancelled = -libc::ECANCELED;
        assert_eq!(
            *order.borrow(),
            [
                ("monitor", cancelled),
                ("monitor", cancelled),
                ("takeip", 0),
                ("releaseip", 0),
            ]
        );
        let log = std::fs::read_to_string(scripts.file("log")).unwrap();
        assert_eq!(log, "takeip\nreleaseip\n");
    });
}

#[test]
fn a_hung_script_is_shown_then_looked_at_then_ended() {
    let scripts = Scripts::new(&[(
        "01.a",
        "echo $$ >${0%/*}/pid; echo before; sleep 60; echo after",
    )]);
    let debug = scripts.file("debug.sh");
    std::fs::write(&debug, "#!/bin/sh\nkill -0 $1 && echo $2 >${0%/*}/debug\n").unwrap();
    std::fs::set_permissions(&debug, PermissionsExt::from_mode(0o755)).unwrap();
    test(async {
        let runner = scripts.runner(Some(debug.clone()));
        let limit = Duration::from_millis(300);
        let run = runner.run(&event("startup", limit)).await.unwrap();
        assert_eq!(run.summary, -libc::ETIMEDOUT);
        assert_eq!(run.scripts[0].output, b"before\n");
        let pid = std::fs::read_to_string(scripts.file("pid")).unwrap();
        until("the debug script", || {
            std::fs::read_to_string(scripts.file("debug")).is_ok_and(|text| text == "startup\n")
        })
        .await;
        let proc = Path::new("/proc").join(pid.trim());
        until("the end of the script", || !proc.exists()).await;
    });
}

#[test]
fn all_output_is_there_when_a_script_ends() {
    // 300 kB is more than a pipe holds; the last words come just before the end. Somebody in
    // the background keeps the pipe open and must not be waited for.
    let body = "sleep 30 & head -c 300000 /dev/zero | tr '\\0' x; echo end; exit 5";
    let scripts = Scripts::new(&[("01.a", body)]);
    test(async {
        let start = Instant::now();
        let runner = scripts.runner(None);
        let run = runner.run(&event("startup", LONG)).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(run.summary, 5);
        let output = &run.scripts[0].output;
        assert_eq!(output.len(), 300_004);
        assert!(output.ends_with(b"xend\n"));
    });
}

#[test]
fn a_script_that_goes_away_meanwhile_counts_as_disabled() {
    let scripts = Scripts::new(&[
        (
            "01.a",
            "rm ${0%/*}/02.b.script; chmod -x ${0%/*}/03.c.script",
        ),
        ("02.b", "exit 1"),
        ("03.c", "exit 1"),
        ("04.d", "exit 0"),
    ]);
    test(async {
        let run = scripts
            .runner(None)
            .run(&event("startup", LONG))
            .await
            .unwrap();
        let disabled = -libc::ENOEXEC;
        assert_eq!(run.summary, 0);
        assert_eq!(
            results(&run),
            [
                ("01.a", 0),
                ("02.b", disabled),
                ("03.c", disabled),
                ("04.d", 0)
            ]
        );
    });
}

#[test]
fn a_cancelled_script_is_killed_with_its_children() {
    let scripts = Scripts::new(&[("01.a", "sleep 60 & echo $! >${0%/*}/pid; wait")]);
    test(async {
        let runner = scripts.runner(None);
        let running = Rc::clone(&runner);
        let monitor = spawn_local(async move { running.run(&event("monitor", LONG)).await });
        let pid = scripts.file("pid");
        until("the script's child", || {
            std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))
        })
        .await;
        let child = std::fs::read_to_string(&pid).unwrap();
        std::fs::remove_file(scripts.file("01.a.script")).unwrap();
        let run = runner.run(&event("startup", LONG)).await.unwrap();
        assert_eq!(run, EventRun::default());
        let cancelled = monitor.await.unwrap().unwrap();
        assert_eq!(cancelled.summary, -libc::ECANCELED);
        let stat = Path::new("/proc").join(child.trim()).join("stat");
        until("the end of the child", || {
            std::fs::read_to_string(&stat).map_or(true, |text| text.contains(") Z "))
        })
        .await;
    });
}
