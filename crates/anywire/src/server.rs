//! The server: the process that the supervisor starts, and starts again.
//!
//! It adopts what an earlier server left, serves every listener on the workers, and goes when it is told to.

use crate::config::{Config, MAX_SESSIONS};
use crate::listener::{self, Listener, Scheme};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result};
use anywire_model::Role;
use anywire_process::supervisor::client::{self, Orphan};
use anywire_process::supervisor::{Adopted, Supervised, Vault};
use anywire_session::{Registry, Settings};
use anywire_wire::admit::Options;
use anywire_wire::{Admission, Context, Listener as Rules, Target};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The argument that makes this executable a server.
pub(crate) const COMMAND: &str = "__server";
/// How long clients may take to hear of the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs the server of the supervisor at the other end of standard input.
pub(crate) fn run() -> Result<ExitCode> {
    let socket = take_stdin().context("taking the supervisor's socket")?;
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let result = runtime.block_on(serve(socket, &workers));
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

/// The socket came as standard input, so that no number had to be agreed upon; `/dev/null` takes its place.
fn take_stdin() -> std::io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}

async fn serve(socket: OwnedFd, workers: &Workers) -> Result<()> {
    let Adopted {
        spawn,
        config,
        epoch,
        vault,
        listeners,
        orphans,
    } = client::adopt(socket).context("adopting what the supervisor holds")?;
    let config: Config = serde_json::from_str(&config).context("reading the configuration")?;
    let settings = Settings {
        services: config.policies(),
        max_sessions: MAX_SESSIONS,
    };
    let registry = Registry::new(spawn.clone(), settings);
    adopt(&registry, orphans, &workers.handles());
    let listeners: Vec<Listener> = listeners
        .into_iter()
        .map(|(name, fd)| Listener::from_parts(&name, fd))
        .collect::<Result<_>>()?;
    let admission = Arc::new(admission(&listeners, vault));
    let context = Context {
        registry: registry.clone(),
        admission: admission.clone(),
        listener: Rules {
            auth: config.auth,
            default_role: Role::Owner,
            ..Rules::new(Target::New {
                service: config.service,
            })
        },
    };
    if epoch == 1 {
        announce(&listeners, &admission, config.auth);
    }
    spawn.ready().await.context("telling the supervisor")?;
    let shutdown = CancellationToken::new();
    let mut wires = JoinSet::new();
    for listener in listeners {
        let serving = anywire_wire::serve(
            listener.into_bound(),
            context.clone(),
            workers.handles(),
            shutdown.clone(),
        );
        wires.spawn(serving);
    }
    live(&spawn, &registry).await;
    shutdown.cancel();
    wires.join_all().await;
    Ok(())
}

/// Takes over the programs of an earlier server, spread over the workers.
fn adopt(registry: &Registry, orphans: Vec<Orphan>, workers: &[Handle]) {
    for (orphan, worker) in orphans.into_iter().zip(workers.iter().cycle()) {
        let _in_worker = worker.enter();
        match orphan.adopt() {
            Ok(running) => drop(registry.adopt(running)),
            Err(error) => tracing::error!(%error, "adopting a program"),
        }
    }
}

fn admission(listeners: &[Listener], vault: Vault) -> Admission {
    let hosts = listener::hosts(listeners);
    let kept = vault.load();
    Admission::new(Options {
        hosts,
        vault: kept,
        save: Box::new(move |bytes| vault.save(bytes)),
    })
}

/// One line for each listener, for people and for scripts.
fn announce(listeners: &[Listener], admission: &Admission, auth: bool) {
    for listener in listeners {
        match listener.scheme() {
            Scheme::Http if auth => {
                println!("{listener}#code={}", admission.start_code());
            }
            Scheme::Http | Scheme::Tcp | Scheme::Framed => println!("{listener}"),
            Scheme::Unix => {}
        }
    }
}

/// Until the supervisor says stop and all programs have ended, or it is gone: then the programs are lost.
async fn live(spawn: &Supervised, registry: &Registry) {
    let stopped = spawn.stopped();
    let ended = async {
        stopped.cancelled().await;
        // The supervisor ends the programs; their last words and reasons still go out.
        registry.all_ended().await;
    };
    tokio::select! {
        heard = spawn.listen() => {
            if let Err(error) = heard {
                tracing::error!(%error, "hearing the supervisor");
            }
            spawn.end_orphans().await;
            registry.lose_all();
        }
        () = registry.sweep() => {}
        () = ended => {}
    }
    let _ = tokio::time::timeout(FAREWELL, registry.all_told()).await;
}
