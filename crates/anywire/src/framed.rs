//! `anywire framed`: the application server of the Python sockets tutorial, with the options of its descendants, all of
//! which do what they say.

use crate::alone::{self, Served};
use crate::cli::password::{PasswordArgs, refuse};
use crate::hosted::Hosted;
use crate::listener::{self, At, ListenUrl, Listener, Scheme};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result, bail};
use anywire_codec::framed::Limits;
use anywire_handler::Echo;
use anywire_handler::message::Search;
use anywire_session::Registry;
use anywire_wire::admit::{Options, Rules as AccessRules};
use anywire_wire::framed::{Deadlines, Password, Settings};
use anywire_wire::{Admission, Context, Listener as Rules, Metrics, Protocol, Target};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Options of `framed`.
#[derive(Debug, clap::Args)]
pub(crate) struct FramedArgs {
    /// The port; 0 takes a free one
    #[arg(short = 'P', long, default_value_t = 2021)]
    port: u16,
    /// The address; an empty one is every interface, which needs a password
    #[arg(short = 'h', long, default_value = "127.0.0.1")]
    host: String,
    /// Clients at the same time; more are told that the server is busy
    #[arg(short = 'c', long, default_value_t = 25, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_clients: u32,
    #[command(flatten)]
    password: PasswordArgs,
    /// Serve other machines without a password
    #[arg(long)]
    insecure: bool,
    /// Refuse content that is neither JSON nor binary/...
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// For `-p PASSWORD`, to say why that is not taken
    #[arg(hide = true)]
    refused: Option<String>,
}

/// What a peer may send, and how long it may take.
#[derive(Debug, clap::Args)]
struct LimitArgs {
    /// Bytes of a header, at most 65535
    #[arg(long, value_name = "BYTES", default_value_t = 8192, value_parser = clap::value_parser!(u16).range(2..))]
    max_header: u16,
    /// Bytes of content
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_content: u64,
    /// How deep JSON may be nested
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u8).range(1..=127))]
    max_depth: u8,
    /// Seconds from the first byte of a message to the end of its header
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    header_timeout: Duration,
    /// Seconds from there to the end of its content
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    content_timeout: Duration,
    /// Seconds without a message
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    idle_timeout: Duration,
    /// Seconds in which a client takes nothing of its answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    write_timeout: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    match seconds {
        Some(seconds) if (0.001..=1e6).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds between 0.001 and 1000000".to_owned()),
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            header: self.max_header.into(),
            content: self.max_content,
            depth: self.max_depth.into(),
        }
    }

    fn deadlines(&self) -> Deadlines {
        Deadlines {
            header: self.header_timeout,
            content: self.content_timeout,
            idle: self.idle_timeout,
            write: self.write_timeout,
            ..Deadlines::DEFAULT
        }
    }
}

/// Runs until interrupted.
pub(crate) fn framed(args: FramedArgs) -> Result<ExitCode> {
    let password =
        refuse(args.refused.as_deref()).and_then(|()| args.password.resolve("Set the password: "));
    let password = match password {
        Ok(password) => password,
        Err(error) => return usage(&error),
    };
    let password = password.as_deref().and_then(Password::new);
    let listener = match bind(&args, password.is_some()) {
        Ok(listener) => listener?,
        Err(error) => return usage(&error),
    };
    alone::raise_files();
    let limits = args.limits.limits();
    let search = Search::new(limits);
    let search = if args.strict { search.strict() } else { search };
    let rules = Rules {
        auth: false,
        max_connections: args.max_clients as usize,
        framed: Settings {
            service: Arc::new(Hosted::new(search, None)),
            limits,
            deadlines: args.limits.deadlines(),
            password,
        },
        // No message of this application leads to a session.
        ..Rules::new(Target::New {
            service: String::new(),
        })
    };
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let (listener, url) = listener;
    let context = context(rules);
    let (registry, metrics) = (context.registry.clone(), context.metrics.clone());
    let served = Served {
        bound: listener.into_bound(Protocol::Framed),
        context,
        url: Some(url),
    };
    let serving = alone::serve(vec![served], &registry, &metrics, &workers);
    let result = runtime.block_on(serving);
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

fn context(listener: Rules) -> Context {
    let settings = anywire_session::Settings {
        services: BTreeMap::new(),
        max_sessions: 0,
    };
    let admission = Admission::new(Options::new(AccessRules::default()));
    Context {
        registry: Registry::new(Arc::new(Echo), settings),
        admission: Arc::new(admission),
        metrics: Arc::<Metrics>::default(),
        listener,
    }
}

fn usage(error: &anyhow::Error) -> Result<ExitCode> {
    eprintln!("anywire: {error:#}");
    Ok(ExitCode::from(2))
}

/// The outer error is wrong usage, the inner one is the machine's.
fn bind(args: &FramedArgs, has_password: bool) -> Result<Result<(Listener, ListenUrl)>> {
    let addresses = addresses(&args.host, args.port)?;
    let is_open = addresses.iter().any(|address| !address.ip().is_loopback());
    if is_open && !has_password && !args.insecure {
        bail!(
            "{} can be reached from other machines, which needs a password (-p, --password-file or ANYWIRE_PASSWORD); \
             --insecure serves it without one",
            if args.host.is_empty() {
                "every interface"
            } else {
                &args.host
            }
        );
    }
    let mut result = Err(anyhow::anyhow!("{:?} has no address", args.host));
    for address in addresses {
        result = listen(address);
        if result.is_ok() {
            break;
        }
    }
    Ok(result)
}

fn listen(address: SocketAddr) -> Result<(Listener, ListenUrl)> {
    let url = ListenUrl {
        scheme: Scheme::Framed,
        tls: false,
        at: At::Address(address),
    };
    let listener = listener::bind(0, &url)?.pop();
    let listener = listener.with_context(|| format!("{url} has no address"))?;
    let port = listener.address().map_or(address.port(), |at| at.port());
    Ok((listener, url.with_port(port)))
}

/// The addresses to try, in order.
fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    if host.is_empty() {
        // The IPv6 one takes IPv4 too, where there is IPv6.
        let every: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        return Ok(every.map(|ip| SocketAddr::new(ip, port)).into());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, port).to_socket_addrs();
    let addresses = addresses.with_context(|| format!("{host:?} is no address"))?;
    Ok(addresses.collect())
}
