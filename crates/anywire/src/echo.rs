//! `anywire echo`: the echo handler on any wire, in one process.

use crate::access::Access;
use crate::config::file::Handler;
use crate::config::{self, Config, Overlay};
use crate::listener::{self, Listener};
use crate::server::{listener_url, settings};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result};
use anywire_handler::Echo;
use anywire_model::Role;
use anywire_session::Registry;
use anywire_wire::{Context, Listener as Rules, Metrics};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Options of `echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    /// Where to listen: http://ADDRESS:PORT, tcp://ADDRESS:PORT or any other listener of `serve`; port 0 takes a free
    /// one
    #[arg(short, long = "listen", value_name = "URL", required = true)]
    listen: Vec<String>,
}

/// Runs until interrupted.
pub(crate) fn echo(args: EchoArgs) -> Result<ExitCode> {
    raise_files();
    let overlay = Overlay {
        listen: args.listen,
        no_auth: true,
        handler: Some(Handler::Echo),
        ..Overlay::default()
    };
    let config = config::settle(None, &overlay)?.config;
    let mut listeners = Vec::new();
    for (index, rules) in config.listeners.iter().enumerate() {
        listener::protocol(&rules.url)?;
        listeners.extend(listener::bind(index, &rules.url)?);
    }
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let result = runtime.block_on(serve(&config, listeners, &workers));
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(config: &Config, listeners: Vec<Listener>, workers: &Workers) -> Result<()> {
    let registry = Registry::new(Arc::new(Echo), settings(config));
    // An echo gives nothing away that its client did not bring; foreign pages are refused all the same.
    let access = Access::open(&listeners, config, None, Box::new(|_| {}))?;
    let metrics = Arc::<Metrics>::default();
    let shutdown = CancellationToken::new();
    let mut wires = JoinSet::new();
    let mut told = None;
    for listener in listeners {
        let Some(index) = listener.index() else {
            continue;
        };
        let rules = &config.listeners[index];
        if told.replace(index) != Some(index) {
            println!("{}", listener_url(&listener, rules));
        }
        let context = Context {
            registry: registry.clone(),
            admission: access.admission.clone(),
            metrics: metrics.clone(),
            listener: Rules {
                default_role: Role::Writer,
                ..access.secure(rules)
            },
        };
        wires.spawn(anywire_wire::serve(
            listener.into_bound(listener::protocol(&rules.url)?),
            context,
            workers.handles(),
            shutdown.clone(),
        ));
    }
    metrics.set_ready(true);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listening for signals")?;
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
fn raise_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    let _ = setrlimit(Resource::Nofile, files);
}
