//! Worker threads: one single-threaded runtime each.
//!
//! A connection and the session that it creates live on one worker, so that a key and its echo wake nobody else.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

/// The most that are worth having.
const MAX: usize = 32;

/// How many there are on this machine.
pub(crate) fn count() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MAX)
}

/// The runtime of a single thread.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Running workers. [`Workers::stop`] ends them.
#[derive(Debug)]
pub(crate) struct Workers {
    handles: Arc<[Handle]>,
    threads: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Workers {
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let (mut handles, mut threads) = (Vec::new(), Vec::new());
        for index in 0..count {
            let runtime = runtime()?;
            handles.push(runtime.handle().clone());
            let stop = stop.clone();
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            threads.push(thread.spawn(move || runtime.block_on(stop.cancelled()))?);
        }
        Ok(Self {
            handles: handles.into(),
            threads,
            stop,
        })
    }

    pub(crate) fn handles(&self) -> Arc<[Handle]> {
        self.handles.clone()
    }

    /// Ends all tasks of all workers.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}
