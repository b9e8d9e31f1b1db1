//! Cores and descriptors.

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_setaffinity},
};

/// Enough for ten thousand connections on either side.
const DESCRIPTORS: u64 = 65_536;

/// The core of the server and that of the clients; none where there is only one.
pub fn cores() -> (Option<usize>, Option<usize>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores < 2 {
        (None, None)
    } else {
        (Some(0), Some(1))
    }
}

/// Keeps this thread, and the processes it starts, on one core.
pub fn to_core(core: Option<usize>) {
    let Some(core) = core else {
        return;
    };
    let mut set = CpuSet::new();
    set.set(core);
    if let Err(error) = sched_setaffinity(None, &set) {
        eprintln!("not pinned to core {core}: {error}");
    }
}

/// Raises the limit of descriptors as far as it may be.
pub fn raise_descriptors() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let wanted = |maximum: u64| Rlimit {
        current: Some(maximum),
        maximum: Some(maximum),
    };
    let hard = now.maximum.unwrap_or(DESCRIPTORS);
    // More than the hard limit takes a privilege that may be there.
    let raised = [DESCRIPTORS.max(hard), hard]
        .into_iter()
        .find(|limit| setrlimit(Resource::Nofile, wanted(*limit)).is_ok());
    raised.or(now.current).unwrap_or_default()
}
