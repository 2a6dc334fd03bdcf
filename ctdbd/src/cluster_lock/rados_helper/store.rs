//! Where the lock is: a Ceph cluster, or what a test puts in its place.

use std::ffi::CString;
use std::io;
use std::time::Duration;

use super::arguments::Arguments;
use crate::log::say;
use crate::sys::rados::{Asking, Cluster, LIBRARY, ObjectLock, Pool, Rados};

/// Name and cookie of the lock. They are the C program's: both exclude each other.
const LOCK: &std::ffi::CStr = c"ctdb_reclock_mutex";
const DESCRIPTION: &std::ffi::CStr = c"CTDB cluster lock";

/// Why the lock was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The system's number for it; 0 if there is none.
    pub(super) errno: i32,
}

impl Refusal {
    /// True if somebody has the lock.
    pub(super) fn is_contention(self) -> bool {
        matches!(self.errno, libc::EEXIST | libc::EBUSY)
    }
}

/// What the worker calls. Each call may block for as long as nobody answers.
pub(super) trait Store {
    /// Asks for the lock.
    fn lock(&self, asking: Asking) -> Result<(), Refusal>;
    /// Gives it back. What goes wrong is told, and that is all that can be done.
    fn unlock(&self);
}

/// The lock in a pool of a connected cluster.
struct InPool<'a> {
    pool: Pool<'a>,
    name: &'a str,
    object: &'a CString,
    life: Option<Duration>,
}

impl InPool<'_> {
    fn object_lock(&self) -> ObjectLock<'_> {
        ObjectLock {
            object: self.object,
            name: LOCK,
            cookie: LOCK,
            description: DESCRIPTION,
        }
    }

    fn complain(&self, what: &str, e: &io::Error) {
        say(format_args!(
            "{}: Failed to {what} lock on RADOS object '{}' - ({})",
            self.name,
            self.object.to_string_lossy(),
            reason(e)
        ));
    }
}

impl Store for InPool<'_> {
    fn lock(&self, asking: Asking) -> Result<(), Refusal> {
        self.pool
            .lock(&self.object_lock(), self.life, asking)
            .map_err(|e| {
                let refusal = Refusal {
                    errno: e.raw_os_error().unwrap_or(0),
                };
                if !refusal.is_contention() {
                    self.complain("get", &e);
                }
                refusal
            })
    }

    fn unlock(&self) {
        if let Err(e) = self.pool.unlock(&self.object_lock()) {
            self.complain("drop", &e);
        }
    }
}

/// Connects to the cluster and calls `work` with the lock in it. `name` is the program's.
///
/// # Errors
/// There is no cluster to work with: the text is for standard error.
pub(super) fn with_ceph(
    name: &str,
    arguments: &Arguments,
    work: impl FnOnce(&dyn Store),
) -> Result<(), String> {
    let rados = Rados::open().map_err(|e| format!("{name}: failed to load {LIBRARY} - ({e})"))?;
    let cluster = connect(name, arguments, rados)?;
    let pool = cluster.pool(&arguments.pool).map_err(|e| {
        format!(
            "{name}: failed to create Ceph ioctx for pool {} - ({})",
            arguments.pool.to_string_lossy(),
            reason(&e)
        )
    })?;
    if let Some(namespace) = &arguments.namespace {
        pool.set_namespace(namespace);
    }
    if arguments.register {
        register(&cluster);
    }
    work(&InPool {
        pool,
        name,
        object: &arguments.object,
        life: arguments.life,
    });
    Ok(())
}

fn connect(name: &str, arguments: &Arguments, rados: Rados) -> Result<Cluster, String> {
    let failed = |what: &str, e: &io::Error| {
        format!(
            "{name}: failed to {what} Ceph cluster {} as {} - ({})",
            arguments.cluster.to_string_lossy(),
            arguments.user.to_string_lossy(),
            reason(e)
        )
    };
    let cluster = rados
        .cluster(&arguments.cluster, &arguments.user)
        .map_err(|e| failed("initialise", &e))?;
    cluster.read_configuration().map_err(|e| {
        format!(
            "{name}: failed to parse Ceph cluster config - ({})",
            reason(&e)
        )
    })?;
    cluster.connect().map_err(|e| failed("connect to", &e))?;
    Ok(cluster)
}

/// Shows the holder in the manager's service map, which is for people only: a failure is told.
fn register(cluster: &Cluster) {
    let daemon = format!(
        "ctdb_mutex_ceph_rados_helper:0x{:016x}",
        cluster.instance_id()
    );
    let daemon = CString::new(daemon).expect("a name and hexadecimal digits");
    if cluster.register_service(c"ctdb", &daemon).is_err() {
        say("failed to register service with ceph-mgr");
        say("Failed to register with ceph-mgr");
    }
}

/// An error in the C library's words.
fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
