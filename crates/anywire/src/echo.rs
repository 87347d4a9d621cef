//! `anywire echo`: the echo handlers on any wire, in one process.

use crate::access::Access;
use crate::activity::Log;
use crate::alone::{self, Served};
use crate::config::file::Handler;
use crate::config::{self, Config, Overlay};
use crate::listener::{self, Listener};
use crate::messages;
use crate::server::{listener_url, settings};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result};
use anywire_handler::Echo;
use anywire_model::Role;
use anywire_session::Registry;
use anywire_wire::{Context, Listener as Rules, Metrics, Observer};
use std::process::ExitCode;
use std::sync::Arc;

/// Options of `echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    /// Where to listen: http://ADDRESS:PORT, tcp://ADDRESS:PORT, framed://ADDRESS:PORT or any other listener of `serve`;
    /// port 0 takes a free one
    #[arg(short, long = "listen", value_name = "URL", required = true)]
    listen: Vec<String>,
    /// Log what is echoed, not only how much
    #[arg(long)]
    show: bool,
    /// Log nothing: no connections, no bytes
    #[arg(short, long, conflicts_with = "show")]
    quiet: bool,
}

/// Runs until interrupted.
pub(crate) fn echo(args: EchoArgs) -> Result<ExitCode> {
    alone::raise_files();
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
        let at_port = |port| format!("-l {}", rules.url.with_port(port));
        listeners.extend(listener::bind(index, &rules.url, &at_port)?);
    }
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let log = (!args.quiet).then(|| Log::start(args.show)).transpose();
    let log = log.context("starting the log")?;
    let result = runtime.block_on(serve(&config, listeners, &workers, log));
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(
    config: &Config,
    listeners: Vec<Listener>,
    workers: &Workers,
    log: Option<Log>,
) -> Result<()> {
    let registry = Registry::new(Arc::new(Echo), settings(config));
    // An echo gives nothing away that its client did not bring; foreign pages are refused all the same.
    let access = Access::open(&listeners, config, None, Box::new(|_| {}))?;
    let metrics = Arc::<Metrics>::default();
    let mut served = Vec::new();
    let mut told = None;
    for listener in listeners {
        let Some(index) = listener.index() else {
            continue;
        };
        let rules = &config.listeners[index];
        let is_first = told.replace(index) != Some(index);
        let url = is_first.then(|| listener_url(&listener, rules));
        if let (Some(url), Some(_)) = (&url, &log) {
            eprintln!("listening on {url}");
        }
        let context = Context {
            registry: registry.clone(),
            admission: access.admission.clone(),
            metrics: metrics.clone(),
            listener: Rules {
                default_role: Role::Writer,
                framed: messages::settings(config, rules, log.clone()),
                observer: log.clone().map(|log| Arc::new(log) as Arc<dyn Observer>),
                ..access.secure(rules)
            },
        };
        served.push(Served {
            bound: listener.into_bound(listener::protocol(&rules.url)?),
            context,
            url,
        });
    }
    alone::serve(served, access.fingerprint(), &registry, &metrics, workers).await
}
