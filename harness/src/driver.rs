//! What Mesa's drivers read from the environment when a device is opened; what the user has set stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

/// Threads of a device of llvmpipe; 0 is the one that submits.
const THREADS: &str = "LP_NUM_THREADS";

/// Whether [`THREADS`] is ours to change.
static OURS: AtomicBool = AtomicBool::new(false);

/// Settings for a command that opens so many devices.
///
/// * Mesa's device-select layer asks Wayland for the default device and, on machines without a desktop, complains on stderr as
///   if something had failed. The engine orders devices itself, so the layer is left out.
/// * llvmpipe gives every device a thread per core. Several devices in one process then wait for each other's threads more than
///   they compute, so each gets its part of the cores: two compute at the same time, a dealer's in between. A
///   single thread is the driver's own (0).
///
/// # Safety
/// To be called from `main`, before it starts any thread.
pub unsafe fn prepare(devices: usize) {
    // SAFETY: no other thread, says the caller.
    unsafe {
        set_if_missing("NODEVICE_SELECT", "1");
        if devices > 1 {
            OURS.store(set_if_missing(THREADS, &threads(2)), Ordering::Relaxed);
        }
    }
}

/// A device that computes while all others wait, as a dealer's that works before the parties do: it gets all cores. To be
/// opened before them.
pub fn alone<T>(open: impl FnOnce() -> T) -> T {
    if !OURS.load(Ordering::Relaxed) {
        return open();
    }
    // SAFETY: the standard library orders accesses among threads of ours, and drivers, which know no such order, read the
    // environment when a device is opened. This is the first.
    unsafe { std::env::set_var(THREADS, threads(1)) };
    let device = open();
    // SAFETY: as above; the threads of a device that is open read no environment.
    unsafe { std::env::set_var(THREADS, threads(2)) };
    device
}

/// Threads of each of `devices` that compute at the same time.
fn threads(devices: usize) -> String {
    let each = available_parallelism().map_or(1, |cores| cores.get() / devices);
    if each < 2 { 0 } else { each }.to_string()
}

/// Whether it was missing.
///
/// # Safety
/// No other thread may read the environment meanwhile.
unsafe fn set_if_missing(name: &str, value: &str) -> bool {
    let missing = std::env::var_os(name).is_none();
    if missing {
        // SAFETY: no such thread, says the caller.
        unsafe { std::env::set_var(name, value) };
    }
    missing
}
