//! `anywire echo`: the echo handler on any wire, in one process.

use crate::config::MAX_SESSIONS;
use crate::listener::{self, ListenUrl, Listener};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result};
use anywire_handler::Echo;
use anywire_model::Role;
use anywire_session::{Policy, Registry, Settings};
use anywire_wire::admit::{Options, Rules as AccessRules};
use anywire_wire::{Admission, Context, Listener as Rules, Target};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The one service there is.
const SERVICE: &str = "echo";

/// Options of `echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    /// Where to listen: ws://ADDRESS:PORT/ws or tcp://ADDRESS:PORT; port 0 takes a free one
    #[arg(short, long = "listen", value_name = "URL", required = true)]
    listen: Vec<ListenUrl>,
}

/// Runs until interrupted.
pub(crate) fn echo(args: EchoArgs) -> Result<ExitCode> {
    raise_files();
    let listeners = args
        .listen
        .iter()
        .map(ListenUrl::bind)
        .collect::<Result<Vec<_>>>()?;
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let result = runtime.block_on(serve(listeners, &workers));
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(listeners: Vec<Listener>, workers: &Workers) -> Result<()> {
    let services = BTreeMap::from([(
        SERVICE.to_owned(),
        Policy {
            ttl: Duration::ZERO,
        },
    )]);
    let registry = Registry::new(
        Arc::new(Echo),
        Settings {
            services,
            max_sessions: MAX_SESSIONS,
        },
    );
    let hosts = listener::hosts(&listeners);
    // An echo gives nothing away that its client did not bring; foreign pages are refused all the same.
    let admission = Admission::new(Options::new(AccessRules {
        hosts,
        ..AccessRules::default()
    }));
    let context = Context {
        registry: registry.clone(),
        admission: Arc::new(admission),
        listener: Rules {
            auth: false,
            default_role: Role::Writer,
            ..Rules::new(Target::New {
                service: SERVICE.to_owned(),
            })
        },
    };
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
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("listening for signals")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for signals")?,
        _ = terminate.recv() => {}
        () = registry.sweep() => {}
    }
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
