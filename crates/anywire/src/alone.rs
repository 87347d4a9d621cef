//! Serving in this process alone, without a supervisor: for handlers, which have no process to keep.

use crate::listener::ListenUrl;
use crate::print::print_line;
use crate::workers::Workers;
use anyhow::{Context as _, Result};
use anywire_session::Registry;
use anywire_wire::{Bound, Context, Metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A listener to be served.
pub(crate) struct Served {
    pub(crate) bound: Bound,
    pub(crate) context: Context,
    /// Where it is, to be told.
    pub(crate) url: Option<ListenUrl>,
}

/// Says where each listener is, and perhaps one line more, and serves them until interrupted.
pub(crate) async fn serve(
    listeners: Vec<Served>,
    note: Option<String>,
    registry: &Registry,
    metrics: &Metrics,
    workers: &Workers,
) -> Result<()> {
    let shutdown = CancellationToken::new();
    let mut wires = JoinSet::new();
    for Served {
        bound,
        context,
        url,
    } in listeners
    {
        if let Some(url) = url {
            print_line(url.to_string())?;
        }
        wires.spawn(anywire_wire::serve(
            bound,
            context,
            workers.handles(),
            shutdown.clone(),
        ));
    }
    if let Some(note) = note {
        print_line(note)?;
    }
    metrics.set_ready(true);
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for signals")?,
        _ = terminate.recv() => {}
        () = registry.sweep() => {}
    }
    metrics.set_ready(false);
    shutdown.cancel();
    wires.join_all().await;
    Ok(())
}

/// As many connections as the kernel allows this process at all.
pub(crate) fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, files);
}
