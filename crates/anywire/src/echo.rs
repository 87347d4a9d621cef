//! `anywire echo`: the echo handler on any wire, in one process.

use crate::activity::Log;
use crate::alone;
use crate::config::MAX_SESSIONS;
use crate::hosted::Hosted;
use crate::listener::{self, ListenUrl, Listener};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result};
use anywire_handler::Echo;
use anywire_handler::message::EchoMessages;
use anywire_model::Role;
use anywire_session::{Policy, Registry};
use anywire_wire::admit::Options;
use anywire_wire::framed::Settings;
use anywire_wire::{Admission, Context, Listener as Rules, Observer, Target};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The one service there is.
const SERVICE: &str = "echo";

/// Options of `echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    /// Where to listen: ws://ADDRESS:PORT/ws, tcp://ADDRESS:PORT or framed://ADDRESS:PORT; port 0 takes a free one
    #[arg(short, long = "listen", value_name = "URL", required = true)]
    listen: Vec<ListenUrl>,
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
    let listeners = args
        .listen
        .iter()
        .map(ListenUrl::bind)
        .collect::<Result<Vec<_>>>()?;
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let log = (!args.quiet).then(|| Log::start(args.show)).transpose();
    let log = log.context("starting the log")?;
    let result = runtime.block_on(serve(listeners, &workers, log));
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(listeners: Vec<Listener>, workers: &Workers, log: Option<Log>) -> Result<()> {
    let services = BTreeMap::from([(
        SERVICE.to_owned(),
        Policy {
            ttl: Duration::ZERO,
        },
    )]);
    let registry = Registry::new(
        Arc::new(Echo),
        anywire_session::Settings {
            services,
            max_sessions: MAX_SESSIONS,
        },
    );
    let hosts = listener::hosts(&listeners);
    // An echo gives nothing away that its client did not bring; foreign pages are refused all the same.
    let admission = Admission::new(Options {
        hosts,
        vault: None,
        save: Box::new(|_| ()),
    });
    let context = Context {
        registry: registry.clone(),
        admission: Arc::new(admission),
        listener: Rules {
            auth: false,
            default_role: Role::Writer,
            framed: Settings {
                service: Arc::new(Hosted::new(EchoMessages, log.clone())),
                ..Settings::default()
            },
            observer: log.clone().map(|log| Arc::new(log) as Arc<dyn Observer>),
            ..Rules::new(Target::New {
                service: SERVICE.to_owned(),
            })
        },
    };
    if log.is_some() {
        for listener in &listeners {
            eprintln!("listening on {listener}");
        }
    }
    alone::serve(listeners, context, workers).await
}
