//! Ceph's librados, as much of it as a lock on an object needs. It is opened at run time, so that
//! neither the build nor a machine without Ceph needs it.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::ptr::null;
use std::time::Duration;

use libloading::Library;

/// The library's file name: its C interface has had this number since the first release.
pub const LIBRARY: &str = "librados.so.2";

/// A `rados_t` or a `rados_ioctx_t`.
type Handle = *mut c_void;
type Text = *const c_char;

/// What is called, as `rados/librados.h` declares it.
#[derive(Debug, Clone, Copy)]
struct Functions {
    create2: unsafe extern "C" fn(*mut Handle, Text, Text, u64) -> c_int,
    conf_read_file: unsafe extern "C" fn(Handle, Text) -> c_int,
    connect: unsafe extern "C" fn(Handle) -> c_int,
    shutdown: unsafe extern "C" fn(Handle),
    get_instance_id: unsafe extern "C" fn(Handle) -> u64,
    service_register: unsafe extern "C" fn(Handle, Text, Text, Text) -> c_int,
    ioctx_create: unsafe extern "C" fn(Handle, Text, *mut Handle) -> c_int,
    ioctx_destroy: unsafe extern "C" fn(Handle),
    ioctx_set_namespace: unsafe extern "C" fn(Handle, Text),
    lock_exclusive:
        unsafe extern "C" fn(Handle, Text, Text, Text, Text, *const libc::timeval, u8) -> c_int,
    unlock: unsafe extern "C" fn(Handle, Text, Text, Text) -> c_int,
}

/// The opened library.
#[derive(Debug, Clone, Copy)]
pub struct Rados {
    functions: Functions,
}

impl Rados {
    /// Opens the library. It stays open until the process ends, since it has threads of its own.
    ///
    /// # Errors
    /// It is not there, or lacks a function; the system's words.
    pub fn open() -> Result<Self, libloading::Error> {
        // SAFETY: the initialisers of the system's librados are meant to run in any program.
        let library = unsafe { Library::new(LIBRARY) }?;
        // Each field's type is the declaration of the function of that name.
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: `rados/librados.h` declares this name with the type of the field, and
                // the interface of `.so.2` does not change; the library is never closed, below.
                *unsafe { library.get($name) }?
            };
        }
        let functions = Functions {
            create2: function!(b"rados_create2\0"),
            conf_read_file: function!(b"rados_conf_read_file\0"),
            connect: function!(b"rados_connect\0"),
            shutdown: function!(b"rados_shutdown\0"),
            get_instance_id: function!(b"rados_get_instance_id\0"),
            service_register: function!(b"rados_service_register\0"),
            ioctx_create: function!(b"rados_ioctx_create\0"),
            ioctx_destroy: function!(b"rados_ioctx_destroy\0"),
            ioctx_set_namespace: function!(b"rados_ioctx_set_namespace\0"),
            lock_exclusive: function!(b"rados_lock_exclusive\0"),
            unlock: function!(b"rados_unlock\0"),
        };
        std::mem::forget(library);
        Ok(Self { functions })
    }

    /// A handle of the cluster `cluster` for the user `user` (`client.admin`); not connected yet.
    ///
    /// # Errors
    /// The name of the user means nothing, or the library has no memory.
    pub fn cluster(self, cluster: &CStr, user: &CStr) -> io::Result<Cluster> {
        let mut handle: Handle = std::ptr::null_mut();
        // SAFETY: a live local for the result, and two strings that end with NUL and are copied.
        let code = unsafe {
            (self.functions.create2)(&raw mut handle, cluster.as_ptr(), user.as_ptr(), 0)
        };
        checked(code)?;
        Ok(Cluster {
            functions: self.functions,
            handle,
        })
    }
}

/// A cluster. Dropping it closes the connection. It stays in the thread that made it.
#[derive(Debug)]
pub struct Cluster {
    functions: Functions,
    /// From `rados_create2`, not shut down before the drop.
    handle: Handle,
}

impl Cluster {
    /// Reads the configuration from where Ceph has it.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn read_configuration(&self) -> io::Result<()> {
        // SAFETY: the handle is live; no path stands for the default places.
        checked(unsafe { (self.functions.conf_read_file)(self.handle, null()) })
    }

    /// Connects to the monitors; blocks, by default for up to five minutes.
    ///
    /// # Errors
    /// No monitor answers, or none lets the user in.
    pub fn connect(&self) -> io::Result<()> {
        // SAFETY: the handle is live.
        checked(unsafe { (self.functions.connect)(self.handle) })
    }

    /// The number of this connection in the cluster.
    #[must_use]
    pub fn instance_id(&self) -> u64 {
        // SAFETY: the handle is live.
        unsafe { (self.functions.get_instance_id)(self.handle) }
    }

    /// Shows this process in the manager's service map, without further data.
    ///
    /// # Errors
    /// It is there already.
    pub fn register_service(&self, service: &CStr, daemon: &CStr) -> io::Result<()> {
        // SAFETY: the handle is live; the strings end with NUL and are copied. The data is pairs
        // of strings that end with an empty one: none.
        checked(unsafe {
            (self.functions.service_register)(
                self.handle,
                service.as_ptr(),
                daemon.as_ptr(),
                c"".as_ptr(),
            )
        })
    }

    /// A pool of a connected cluster.
    ///
    /// # Errors
    /// There is no such pool.
    pub fn pool(&self, name: &CStr) -> io::Result<Pool<'_>> {
        let mut handle: Handle = std::ptr::null_mut();
        // SAFETY: the cluster's handle is live, the name ends with NUL, the result is a live local.
        let code =
            unsafe { (self.functions.ioctx_create)(self.handle, name.as_ptr(), &raw mut handle) };
        checked(code)?;
        Ok(Pool {
            functions: self.functions,
            handle,
            cluster: PhantomData,
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and every pool of it is gone: pools borrow the cluster.
        unsafe { (self.functions.shutdown)(self.handle) }
    }
}

/// How a lock is asked for, in librados' flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Asking {
    /// As somebody who does not have it.
    Anew = 0,
    /// Renewed if it is there, otherwise anew.
    AnewOrAgain = 1,
    /// Only to renew it: ENOENT if it is gone.
    Again = 2,
}

/// An exclusive lock on an object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectLock<'a> {
    /// The object; made if it is not there.
    pub object: &'a CStr,
    /// The lock's name: an object may have several.
    pub name: &'a CStr,
    /// What tells locks of one client apart.
    pub cookie: &'a CStr,
    /// For those who list locks.
    pub description: &'a CStr,
}

/// A pool. Dropping it waits for nothing.
#[derive(Debug)]
pub struct Pool<'a> {
    functions: Functions,
    /// From `rados_ioctx_create`, not destroyed before the drop.
    handle: Handle,
    cluster: PhantomData<&'a Cluster>,
}

impl Pool<'_> {
    /// Objects are those of this namespace from now on.
    pub fn set_namespace(&self, namespace: &CStr) {
        // SAFETY: the handle is live; the string ends with NUL and is copied.
        unsafe { (self.functions.ioctx_set_namespace)(self.handle, namespace.as_ptr()) }
    }

    /// Asks for a lock that lives for `life` from when the object's server grants it, or for ever.
    /// Blocks as long as no server answers.
    ///
    /// # Errors
    /// EBUSY: another client has it. EEXIST: this one has. ENOENT: it is gone.
    pub fn lock(
        &self,
        lock: &ObjectLock<'_>,
        life: Option<Duration>,
        asking: Asking,
    ) -> io::Result<()> {
        let life = life.map(|life| libc::timeval {
            tv_sec: life.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_usec: life.subsec_micros().into(),
        });
        let life = life.as_ref().map_or_else(null, std::ptr::from_ref);
        // SAFETY: the handle is live, the strings end with NUL, `life` is null or points to a live
        // local; the call keeps none of them.
        checked(unsafe {
            (self.functions.lock_exclusive)(
                self.handle,
                lock.object.as_ptr(),
                lock.name.as_ptr(),
                lock.cookie.as_ptr(),
                lock.description.as_ptr(),
                life,
                asking as u8,
            )
        })
    }

    /// Gives a lock back. Blocks as long as no server answers.
    ///
    /// # Errors
    /// ENOENT: it is gone.
    pub fn unlock(&self, lock: &ObjectLock<'_>) -> io::Result<()> {
        // SAFETY: the handle is live, the strings end with NUL.
        checked(unsafe {
            (self.functions.unlock)(
                self.handle,
                lock.object.as_ptr(),
                lock.name.as_ptr(),
                lock.cookie.as_ptr(),
            )
        })
    }
}

impl Drop for Pool<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live, and its cluster is: a pool borrows it.
        unsafe { (self.functions.ioctx_destroy)(self.handle) }
    }
}

/// librados returns errors as negative numbers of the system.
fn checked(code: c_int) -> io::Result<()> {
    if code < 0 {
        Err(io::Error::from_raw_os_error(code.saturating_neg()))
    } else {
        Ok(())
    }
}
