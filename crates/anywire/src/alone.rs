//! Serving in this process alone, without a supervisor: for handlers, which have no process to keep.

use crate::listener::Listener;
use crate::workers::Workers;
use anyhow::{Context as _, Result};
use anywire_wire::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Says where each listener is and serves it until interrupted.
pub(crate) async fn serve(
    listeners: Vec<Listener>,
    context: Context,
    workers: &Workers,
) -> Result<()> {
    let shutdown = CancellationToken::new();
    let mut wires = JoinSet::new();
    for listener in listeners {
        println!("{listener}");
        wires.spawn(anywire_wire::serve(
            listener.into_bound(),
            context.clone(),
            workers.handles(),
            shutdown.clone(),
        ));
    }
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for signals")?,
        _ = terminate.recv() => {}
        () = context.registry.sweep() => {}
    }
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
