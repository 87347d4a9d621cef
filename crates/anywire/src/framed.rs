//! `anywire framed`: the application server of the Python sockets tutorial, with the options of its descendants, all of
//! which do what they say.

use crate::access;
use crate::alone::{self, Served};
use crate::cli::password::{PasswordArgs, refuse};
use crate::config::file::{self, Auth, File, Handler, Messages, Service, Table, User};
use crate::config::values::{Bytes, Secret, Time};
use crate::config::{self, Config};
use crate::listener::{self, At, ListenUrl, Listener, Scheme};
use crate::messages;
use crate::print::print;
use crate::server::{listener_rules, listener_url, settings};
use crate::workers::{self, Workers};
use anyhow::{Context as _, Result, bail};
use anywire_handler::Echo;
use anywire_model::Role;
use anywire_session::Registry;
use anywire_wire::admit::{self, Options};
use anywire_wire::framed::USER;
use anywire_wire::{Admission, Context, Listener as Rules, Metrics};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::Arc;

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
    /// Clients at the same time from one address (IPv6: one /64)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_per_address: Option<u32>,
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
    /// Print the configuration that this stands for, and serve nothing; `anywire serve -c` runs it
    #[arg(long)]
    print_config: bool,
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
    header_timeout: Time,
    /// Seconds from there to the end of its content
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    content_timeout: Time,
    /// Seconds without a message
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    idle_timeout: Time,
    /// Seconds in which a client takes nothing of its answer
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    write_timeout: Time,
}

fn seconds(text: &str) -> Result<Time, String> {
    let time = Time::from_flag(text)?;
    if time.millis() == 0 {
        return Err("at least a millisecond".to_owned());
    }
    Ok(time)
}

impl FramedArgs {
    /// The configuration that these options stand for. The password is in it as its hash.
    fn file(&self, at: SocketAddr, password: Option<&str>) -> Result<File> {
        let mut users = BTreeMap::new();
        if let Some(password) = password {
            let user = User {
                password: Secret(admit::hash_password(password)?),
                role: Role::Writer,
            };
            users.insert(USER.to_owned(), user);
        }
        let service = Service {
            handler: Some(Handler::Search),
            ..Service::default()
        };
        let listener = file::Listener {
            max_connections: Some(self.max_clients as usize),
            max_per_address: self.max_per_address.map(|max| max as usize),
            messages: Some(self.messages()),
            ..file::Listener::new(url(at))
        };
        Ok(File {
            services: Table(vec![("search".to_owned(), service)]),
            listeners: Some(vec![listener]),
            auth: Auth {
                required: password.is_some(),
                insecure_no_auth: self.insecure,
                // The protocol that this one takes the place of knows no TLS.
                insecure_no_tls: true,
                users,
                ..Auth::default()
            },
            ..File::default()
        })
    }

    fn messages(&self) -> Messages {
        let limits = &self.limits;
        Messages {
            max_header: Bytes(limits.max_header.into()),
            max_content: Bytes(limits.max_content),
            max_depth: limits.max_depth.into(),
            header_timeout: limits.header_timeout,
            content_timeout: limits.content_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            strict: self.strict,
        }
    }
}

fn url(at: SocketAddr) -> ListenUrl {
    ListenUrl {
        scheme: Scheme::Framed,
        tls: false,
        at: At::Address(at),
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
    let addresses = match addresses(&args, password.is_some()) {
        Ok(addresses) => addresses,
        Err(error) => return usage(&error),
    };
    let Some(first) = addresses.first() else {
        bail!("{:?} has no address", args.host);
    };
    if args.print_config {
        let (file, _) = config::made(&args.file(*first, password.as_deref())?)?;
        print(config::print(&file)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    alone::raise_files();
    let (listener, at) = bind(&addresses)?;
    let (_, settled) = config::made(&args.file(at, password.as_deref())?)?;
    let runtime = workers::runtime().context("starting the runtime")?;
    let workers = Workers::start(workers::count()).context("starting the workers")?;
    let result = runtime.block_on(serve(&settled.config, listener, &workers));
    workers.stop();
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(config: &Config, listener: Listener, workers: &Workers) -> Result<()> {
    let rules = config.listeners.first().context("the listener is gone")?;
    let access = access::rules(&[], &config.listeners, &config.auth)?;
    let admission = Admission::new(Options::new(access));
    let context = Context {
        // No message of this application leads to a session.
        registry: Registry::new(Arc::new(Echo), settings(config)),
        admission: Arc::new(admission),
        metrics: Arc::<Metrics>::default(),
        listener: Rules {
            framed: messages::settings(config, rules, None),
            ..listener_rules(rules)
        },
    };
    let (registry, metrics) = (context.registry.clone(), context.metrics.clone());
    let served = Served {
        url: Some(listener_url(&listener, rules)),
        bound: listener.into_bound(listener::protocol(&rules.url)?),
        context,
    };
    alone::serve(vec![served], None, &registry, &metrics, workers).await
}

fn usage(error: &anyhow::Error) -> Result<ExitCode> {
    eprintln!("anywire: {error:#}");
    Ok(ExitCode::from(2))
}

/// The addresses to try, unless others could come in by them unasked.
fn addresses(args: &FramedArgs, has_password: bool) -> Result<Vec<SocketAddr>> {
    let addresses = resolve(&args.host, args.port)?;
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
    Ok(addresses)
}

/// The first of them that can be had.
fn bind(addresses: &[SocketAddr]) -> Result<(Listener, SocketAddr)> {
    let mut result = Err(anyhow::anyhow!("there is no address"));
    for address in addresses {
        result = listener::bind(0, &url(*address), &|port| format!("-P {port}"))
            .map(|mut sockets| (sockets.pop(), *address));
        if result.is_ok() {
            break;
        }
    }
    let (listener, address) = result?;
    Ok((listener.context("there is no address")?, address))
}

/// The addresses to try, in order.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
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
