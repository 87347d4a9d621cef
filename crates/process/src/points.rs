//! Named points: places where a test may have this process killed, to prove that what follows loses nothing.
//!
//! `ANYWIRE_KILL_AT=name` or `name:K` makes the process kill itself with SIGKILL the K-th time that it reaches the
//! point. Without the variable a point costs one relaxed load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Armed {
    name: String,
    left: AtomicU64,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

fn armed() -> Option<&'static Armed> {
    ARMED
        .get_or_init(|| {
            let text = std::env::var("ANYWIRE_KILL_AT").ok()?;
            let (name, count) = text.split_once(':').unwrap_or((&text, "1"));
            Some(Armed {
                name: name.to_owned(),
                left: AtomicU64::new(count.parse().ok()?),
            })
        })
        .as_ref()
}

/// Says that the process has reached the point `name`.
pub fn at(name: &str) {
    if let Some(armed) = armed()
        && armed.name == name
        && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
