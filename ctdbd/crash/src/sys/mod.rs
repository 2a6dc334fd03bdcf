// SPDX-License-Identifier: GPL-3.0-or-later
//! Handlers of fatal signals, an allocator that remembers what it refused, and where reports go. Everything
//! that a handler reaches is async-signal-safe: no lock, no memory from the heap.

mod allocator;
mod sink;
mod trace;

use std::fmt::Write as _;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use crate::line::Line;

pub(crate) use sink::{Sink, emit, set_sink};

/// Who may know what to do about a SIGBUS.
static RESCUER: OnceLock<fn(usize) -> bool> = OnceLock::new();

/// The first call counts.
pub(crate) fn rescue_with(rescuer: fn(usize) -> bool) {
    let _ = RESCUER.set(rescuer);
}

const SIGNALS: [(libc::c_int, &str); 5] = [
    (libc::SIGSEGV, "Segmentation fault"),
    (libc::SIGBUS, "Bus error"),
    (libc::SIGABRT, "Aborted"),
    (libc::SIGILL, "Illegal instruction"),
    (libc::SIGFPE, "Arithmetic exception"),
];
/// Unwinding and our lines fit in it several times.
const STACK_BYTES: usize = 128 << 10;
/// A report that hangs must not keep the process alive.
const REPORT_LIMIT_S: u32 = 10;

/// Installs the handlers, and a stack for them: the usual one may be what is used up.
pub(crate) fn handle_signals() {
    trace::prepare();
    let stack = vec![0_u8; STACK_BYTES].leak();
    let stack = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: STACK_BYTES,
    };
    // SAFETY: the stack is never freed. Other threads keep the one that std has given them.
    unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
    for (signal, _) in SIGNALS {
        // SAFETY: all zeroes is a valid sigaction: empty mask, no flags.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler has the signature that SA_SIGINFO wants and is async-signal-safe.
        unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
    }
}

extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid pointer.
    let info = unsafe { &*info };
    if signal == libc::SIGBUS && info.si_code > 0 {
        // SAFETY: for a fault the address is the valid member.
        let address = unsafe { info.si_addr() } as usize;
        if RESCUER.get().is_some_and(|rescue| rescue(address)) {
            return;
        }
    }
    // The second time the signal does what it does by default.
    // SAFETY: async-signal-safe; SIG_DFL is a valid disposition.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    if !crate::REPORTED.swap(true, Ordering::SeqCst) {
        // SAFETY: both are async-signal-safe and touch no memory of ours.
        unsafe {
            libc::signal(libc::SIGALRM, libc::SIG_DFL);
            libc::alarm(REPORT_LIMIT_S);
        }
        report(signal, info);
        // SAFETY: as above.
        unsafe { libc::alarm(0) };
    }
    // A faulting instruction is repeated when we return, and leaves the core dump that it would have left. What
    // somebody sent has to be sent again; it comes when we return.
    if info.si_code <= 0 {
        // SAFETY: async-signal-safe; touches no memory.
        unsafe { libc::raise(signal) };
    }
}

fn report(signal: libc::c_int, info: &libc::siginfo_t) {
    let name = SIGNALS
        .iter()
        .find(|(number, _)| *number == signal)
        .map_or("unknown", |(_, name)| name);
    let mut line = Line::new();
    let _ = write!(line, "INTERNAL ERROR: Signal {signal}: {name}");
    let refused_bytes = allocator::refused_bytes();
    if signal == libc::SIGABRT && refused_bytes > 0 {
        let _ = write!(
            line,
            " after a memory allocation of {refused_bytes} bytes failed"
        );
    } else if info.si_code > 0 {
        // SAFETY: for a fault of the processor the address is the valid member.
        let address = unsafe { info.si_addr() } as usize;
        let _ = write!(line, " at address {address:#x} (code {})", info.si_code);
    } else {
        // SAFETY: for a signal that a process sent the sender is the valid member.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        let _ = write!(line, " sent by process {pid} of user {uid}");
    }
    // SAFETY: takes nothing and touches no memory.
    let (pid, thread) = unsafe { (libc::getpid(), libc::syscall(libc::SYS_gettid)) };
    let _ = write!(
        line,
        " in {} {} pid {pid} thread {thread} ",
        crate::program(),
        env!("CARGO_PKG_VERSION")
    );
    line.push(thread_name(&mut [0; 16]));
    sink::emit_bytes(line.bytes());
    trace::write();
}

/// The name of the thread that runs.
fn thread_name(bytes: &mut [u8; 16]) -> &[u8] {
    // SAFETY: the kernel writes at most 16 bytes, with a NUL at the end.
    unsafe { libc::prctl(libc::PR_GET_NAME, bytes.as_mut_ptr()) };
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
