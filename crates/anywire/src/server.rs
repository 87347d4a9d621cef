//! The server: the process that the supervisor starts, and starts again.
//!
//! It adopts what an earlier server left, serves every listener on the workers, and goes when it is told to.

use crate::access::Access;
use crate::announce::announce;
use crate::config::Config;
use crate::config::file::{self, Log, LogFormat};
use crate::config::runtime;
use crate::config::values::SilentProtocol;
use crate::hubs::Hubs;
use crate::listener::{self, ListenUrl, Listener, Scheme};
use crate::logging;
use crate::messages;
use crate::programs::Programs;
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result};
use anywire_model::Role;
use anywire_process::supervisor::{self, Adopted, Orphan, Supervised};
use anywire_session::{Lag, Policy, Registry, Settings, SizePolicy};
use anywire_wire::{
    Compression, Context, Listener as Rules, Metrics, Protocol, Stderr, Target, framed,
};
use std::convert::Infallible;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The argument that makes this executable a server.
pub(crate) const COMMAND: &str = "__server";
/// How long clients may take to hear of the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// How the supervisor starts a server: before it has heard the configuration it may have something to log.
pub(crate) fn command(log: &Log) -> Vec<OsString> {
    let mut command = vec![COMMAND.into()];
    if log.format == LogFormat::Json {
        command.push("--json".into());
    }
    command.extend(
        log.level
            .iter()
            .map(|level| format!("--level={level}").into()),
    );
    command
}

/// Options of a server.
#[derive(Debug, clap::Args)]
pub(crate) struct ServerArgs {
    /// Log as JSON
    #[arg(long)]
    json: bool,
    /// What is logged
    #[arg(long)]
    level: Option<String>,
}

/// Runs the server of the supervisor at the other end of standard input.
pub(crate) fn run(args: ServerArgs) -> Result<ExitCode> {
    let format = if args.json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    logging::start(format, args.level.as_deref());
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
    } = supervisor::adopt(socket).context("adopting what the supervisor holds")?;
    let config: Config = serde_json::from_str(&config).context("reading the configuration")?;
    let programs = Arc::new(Programs::new(spawn.clone(), &config));
    let registry = Registry::new(programs.clone(), settings(&config));
    adopt(&registry, orphans, &workers.handles());
    let listeners = take_listeners(listeners, &config)?;
    let kept = vault.load();
    let save = Box::new(move |bytes: &[u8]| vault.save(bytes));
    let access = Arc::new(Access::open(&listeners, &config, kept, save)?);
    let metrics = Arc::<Metrics>::default();
    let hubs = Hubs::new(&registry, &config, &listeners);
    if epoch == 1 {
        // Sessions are worth more than a line that nobody can read; `anywire code` and `anywire url` say it again.
        if let Err(error) = announce(&listeners, &access, &config) {
            tracing::error!("telling where the listeners are: {error:#}");
        }
    }
    spawn.ready().await.context("telling the supervisor")?;
    let page = page(&listeners, &config);
    let shutdown = CancellationToken::new();
    let mut wires = JoinSet::new();
    let mut followers = JoinSet::new();
    hubs.run(&mut followers);
    for listener in listeners {
        let rules = listener
            .index()
            .and_then(|index| config.listeners.get(index));
        let context = Context {
            registry: registry.clone(),
            admission: access.admission.clone(),
            metrics: metrics.clone(),
            listener: match rules {
                Some(rules) => Rules {
                    framed: messages::settings(&config, rules, None),
                    xwterm: hubs.serve(rules),
                    ..access.secure(rules)
                },
                None => Rules {
                    page: page.clone(),
                    ..command_line_rules(&config)
                },
            },
        };
        let protocol = match rules {
            Some(rules) => listener::protocol(&rules.url)?,
            None => Protocol::Http,
        };
        let bound = listener.into_bound(protocol);
        wires.spawn(anywire_wire::serve(
            bound,
            context,
            workers.handles(),
            shutdown.clone(),
        ));
    }
    metrics.set_ready(true);
    // Whoever keeps something of the configuration subscribes.
    let current = watch::Sender::new(Arc::new(config));
    followers.spawn(access.follow(current.subscribe()));
    tokio::select! {
        () = live(&spawn, &registry, &metrics, &hubs) => {}
        never = follow(&spawn, &registry, &programs, &current) => match never {},
    }
    shutdown.cancel();
    wires.join_all().await;
    Ok(())
}

/// The listeners that the supervisor keeps. Those that the file has lost since are closed for this server.
fn take_listeners(kept: Vec<(String, OwnedFd)>, config: &Config) -> Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for (name, fd) in kept {
        match Listener::from_parts(&name, fd, config)? {
            Some(listener) => listeners.push(listener),
            None => tracing::warn!(name, "the configuration has no such listener any more"),
        }
    }
    Ok(listeners)
}

/// Takes over each configuration that comes after the first: services and limits for sessions to come. Sessions that
/// live keep their rules, listeners theirs until the next start. Others follow what is `current`.
async fn follow(
    spawn: &Supervised,
    registry: &Registry,
    programs: &Programs,
    current: &watch::Sender<Arc<Config>>,
) -> Infallible {
    let mut configs = spawn.configs();
    while configs.changed().await.is_ok() {
        let read = serde_json::from_str::<Config>(&configs.borrow_and_update());
        let config = match read {
            Ok(config) => config,
            Err(error) => {
                tracing::error!(%error, "reading the new configuration");
                continue;
            }
        };
        if config.listeners != current.borrow().listeners {
            tracing::warn!("listeners have changed: they do so when anywire is started again");
        }
        registry.set_settings(settings(&config));
        programs.replace(&config);
        tracing::info!(
            services = config.services.len(),
            "a new configuration is in force"
        );
        current.send_replace(Arc::new(config));
    }
    std::future::pending().await
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

/// What the registry needs to know of a configuration.
pub(crate) fn settings(config: &Config) -> Settings {
    let policies = config.services.iter();
    Settings {
        services: policies
            .map(|(name, service)| (name.clone(), Arc::new(policy(service, &config.limits))))
            .collect(),
        max_sessions: config.limits.sessions,
    }
}

fn policy(service: &runtime::Service, limits: &file::Limits) -> Policy {
    Policy {
        io: service.io,
        ttl: service.ttl.duration(),
        never_attached: service.never_attached.duration(),
        keep_ended: service
            .keep_ended
            .map(crate::config::values::Time::duration),
        idle: service.idle.limit(),
        max_life: service.max_life.limit(),
        first_size: service.size.0,
        size: match service.size_policy {
            file::SizePolicy::Owner => SizePolicy::Owner,
            file::SizePolicy::Smallest => SizePolicy::Smallest,
            file::SizePolicy::Largest => SizePolicy::Largest,
            file::SizePolicy::LastActive => SizePolicy::LastActive,
            file::SizePolicy::Fixed => SizePolicy::Fixed,
        },
        lag: match service.lag {
            file::Lag::Resync => Lag::Resync,
            file::Lag::Drop => Lag::Drop,
            file::Lag::Disconnect => Lag::Disconnect,
        },
        max_sessions: service.max_sessions.unwrap_or(usize::MAX),
        max_attachments: limits.attachments,
    }
}

/// The rules of a listener as the wire knows them.
pub(crate) fn listener_rules(rules: &runtime::Listener) -> Rules {
    let service = rules.service.clone();
    Rules {
        target: match &rules.session {
            runtime::Target::New => Target::New { service },
            runtime::Target::Lobby => Target::Lobby { service },
            runtime::Target::Named(name) => Target::Named {
                name: name.clone(),
                service,
            },
        },
        default_role: rules.role,
        auth: rules.auth,
        stderr: match rules.stderr {
            file::Stderr::Merge => Stderr::Merge,
            file::Stderr::Drop => Stderr::Drop,
        },
        linger: rules.linger.limit(),
        silent: rules.silent.map(|silent| anywire_wire::Silent {
            telnet: silent.protocol == SilentProtocol::Telnet,
            after: silent.after.duration(),
        }),
        compression: match rules.compression {
            file::Compression::Auto => Compression::Auto,
            file::Compression::Always => Compression::Always,
            file::Compression::Never => Compression::Never,
        },
        tls: None,
        offered_tls: None,
        max_connections: rules.max_connections,
        max_per_address: rules.max_per_address,
        framed: framed::Settings::default(),
        observer: None,
        xwterm: None,
        page: None,
    }
}

/// Of the command line's way in: whoever can open its socket owns everything.
fn command_line_rules(config: &Config) -> Rules {
    Rules {
        default_role: Role::Owner,
        ..Rules::new(Target::New {
            service: config.default_service.clone(),
        })
    }
}

/// Where a listener is reached: as it was written, with the real port.
pub(crate) fn listener_url(listener: &Listener, rules: &runtime::Listener) -> ListenUrl {
    match listener.address() {
        Some(address) => rules.url.with_port(address.port()),
        None => rules.url.clone(),
    }
}

/// Where the page is: on the first listener that has it, or else on the first port for everything.
fn page(listeners: &[Listener], config: &Config) -> Option<Arc<str>> {
    let of = |scheme| {
        listeners.iter().find_map(|listener| {
            let rules = config.listeners.get(listener.index()?)?;
            let address = listener.address()?;
            let is_page = rules.url.scheme == scheme && rules.dialect.is_none();
            is_page.then(|| rules.url.page(address.port()))
        })
    };
    of(Scheme::Http)
        .or_else(|| of(Scheme::Auto))
        .map(Into::into)
}

/// Until the supervisor says stop and all programs have ended, or it is gone: then the programs are lost.
async fn live(spawn: &Supervised, registry: &Registry, metrics: &Metrics, hubs: &Hubs) {
    let stopped = spawn.stopped();
    let ended = async {
        stopped.cancelled().await;
        metrics.set_ready(false);
        // The supervisor ends the programs; their last words and reasons still go out.
        registry.all_ended().await;
    };
    tokio::select! {
        heard = spawn.listen() => {
            metrics.set_ready(false);
            if let Err(error) = heard {
                tracing::error!(%error, "hearing the supervisor");
            }
            spawn.end_orphans().await;
            registry.lose_all();
        }
        () = registry.sweep() => {}
        () = ended => {}
    }
    hubs.release();
    let _ = tokio::time::timeout(FAREWELL, registry.all_told()).await;
}
