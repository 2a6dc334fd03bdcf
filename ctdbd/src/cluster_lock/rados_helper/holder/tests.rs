use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::sleep;

use super::*;

const BUSY: Refusal = Refusal { errno: libc::EBUSY };
const GONE: Refusal = Refusal {
    errno: libc::ENOENT,
};

/// What the store does with one request.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Grant,
    GrantLate(Duration),
    Refuse(Refusal),
    Hang,
}

/// A store that does what it was told, then grants everything, and writes down what it was asked.
struct Script {
    deeds: Mutex<Vec<Deed>>,
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Store for Script {
    fn lock(&self, asking: Asking) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(match asking {
            Asking::Anew => "take",
            Asking::AnewOrAgain => "retake",
            Asking::Again => "renew",
        });
        let mut deeds = self.deeds.lock().unwrap();
        let deed = if deeds.is_empty() {
            Deed::Grant
        } else {
            deeds.remove(0)
        };
        match deed {
            Deed::Grant => Ok(()),
            Deed::GrantLate(delay) => {
                sleep(delay);
                Ok(())
            }
            Deed::Refuse(refusal) => Err(refusal),
            Deed::Hang => loop {
                std::thread::park();
            },
        }
    }

    fn unlock(&self) {
        self.asked.lock().unwrap().push("unlock");
    }
}

/// A process that may lose its parent, and is told to end after its answer if a test wants that.
struct World {
    answers: Vec<u8>,
    parent: Arc<AtomicBool>,
    terminate: Option<(Sender<Event>, Duration)>,
}

impl Surroundings for World {
    fn answer(&mut self, character: u8) {
        self.answers.push(character);
        if let Some((events, after)) = self.terminate.take() {
            std::thread::spawn(move || {
                sleep(after);
                let _ = events.send(Event::Terminated);
            });
        }
    }

    fn has_parent(&self) -> bool {
        self.parent.load(Ordering::Relaxed)
    }
}

/// What came of a run.
#[derive(Debug)]
struct Seen {
    ending: Ending,
    answers: String,
    asked: Vec<&'static str>,
    took: Duration,
}

struct Run {
    deeds: Vec<Deed>,
    life: Option<Duration>,
    terminate_after: Option<Duration>,
    parent: bool,
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn run(run: Run) -> Seen {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let events = channel();
    let mut world = World {
        answers: Vec::new(),
        parent: Arc::new(AtomicBool::new(run.parent)),
        terminate: run.terminate_after.map(|after| (events.0.clone(), after)),
    };
    let holder = Holder {
        name: "helper".to_owned(),
        object: "object".to_owned(),
        life: run.life,
        parent_check: ms(300),
    };
    let store = Script {
        deeds: Mutex::new(run.deeds),
        asked: Arc::clone(&asked),
    };
    let life = run.life;
    let began = Instant::now();
    let ending = holder.run(&mut world, events, move |renewals, events| {
        work(&store, life, renewals, events);
    });
    let asked = asked.lock().unwrap().clone();
    Seen {
        ending,
        answers: String::from_utf8(world.answers).unwrap(),
        asked,
        took: began.elapsed(),
    }
}

fn ended(code: u8) -> Ending {
    Ending {
        code,
        worker_ended: true,
    }
}

#[test]
fn contention_and_failure_are_answers() {
    for (errno, answer) in [(libc::EBUSY, "1"), (libc::EEXIST, "1"), (libc::EPERM, "3")] {
        let seen = run(Run {
            deeds: vec![Deed::Refuse(Refusal { errno })],
            life: Some(ms(1000)),
            terminate_after: None,
            parent: true,
        });
        assert_eq!((seen.ending, seen.answers.as_str()), (ended(1), answer));
        assert_eq!(seen.asked, ["take"]);
    }
}

#[test]
fn renewed_until_told_to_end() {
    let seen = run(Run {
        deeds: vec![],
        life: Some(ms(2000)),
        terminate_after: Some(ms(1500)),
        parent: true,
    });
    assert_eq!((seen.ending, seen.answers.as_str()), (ended(0), "0"));
    assert_eq!(seen.asked, ["take", "renew", "unlock"]);
}

#[test]
fn zero_is_for_ever_and_never_renewed() {
    let seen = run(Run {
        deeds: vec![],
        life: None,
        terminate_after: Some(ms(500)),
        parent: true,
    });
    assert_eq!(seen.ending, ended(0));
    assert_eq!(seen.asked, ["take", "unlock"]);
}

#[test]
fn a_failed_renewal_is_the_end() {
    for refusal in [BUSY, GONE] {
        let seen = run(Run {
            deeds: vec![Deed::Grant, Deed::Refuse(refusal)],
            life: Some(ms(400)),
            terminate_after: None,
            parent: true,
        });
        assert_eq!((seen.ending, seen.answers.as_str()), (ended(1), "0"));
        assert_eq!(seen.asked, ["take", "renew", "unlock"]);
    }
}

#[test]
fn r21_a_renewal_that_hangs_ends_before_the_lock_does() {
    let seen = run(Run {
        deeds: vec![Deed::Grant, Deed::Hang],
        life: Some(ms(4000)),
        terminate_after: None,
        parent: true,
    });
    assert_eq!(
        seen.ending,
        Ending {
            code: 1,
            worker_ended: false
        }
    );
    assert_eq!(seen.asked, ["take", "renew"]);
    assert!(seen.took >= ms(3500) && seen.took < ms(4000), "{seen:?}");
}

#[test]
fn without_a_parent_the_lock_is_given_back() {
    let seen = run(Run {
        deeds: vec![],
        life: Some(ms(10_000)),
        terminate_after: None,
        parent: false,
    });
    assert_eq!(seen.ending, ended(0));
    assert_eq!(seen.asked, ["take", "unlock"]);
}

#[test]
fn a_grant_that_comes_late_is_asked_for_again() {
    let seen = run(Run {
        deeds: vec![Deed::GrantLate(ms(600))],
        life: Some(ms(1000)),
        terminate_after: Some(ms(0)),
        parent: true,
    });
    assert_eq!((seen.ending, seen.answers.as_str()), (ended(0), "0"));
    assert_eq!(seen.asked, ["take", "retake", "unlock"]);
}
