//! `anywire connect`: the multi-connection client of the Python sockets tutorial, grown up.

use super::load::{self, Outcome, Plan, Progress};
use super::report::{self, Figures};
use super::talk::Way;
use super::url::Url;
use super::{USAGE, fail, runtime};
use crate::alone;
use crate::cli::password::PasswordArgs;
use crate::cli::tls::Trust;
use crate::print::print;
use anyhow::{Context as _, Result, bail};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// What the tutorial's client sends.
const MESSAGES: [&str; 2] = ["Message 1 from client.", "Message 2 from client."];
/// Connections that are opened at the same time.
const DOORS: usize = 256;
/// Between two updates of the progress line.
const PROGRESS: Duration = Duration::from_millis(250);

/// Options of `connect`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "anywire connect [OPTIONS] <URL>\n       anywire connect [OPTIONS] <HOST> <PORT> <CONNECTIONS>",
    after_help = "Exit code: 0 if every byte came back, 1 if not, 2 for wrong usage."
)]
pub(crate) struct ConnectArgs {
    /// An echo: framed://HOST:PORT, ws://HOST:PORT (framed) or tcp://HOST:PORT, with TLS framed+tls://, wss:// or tcps://;
    /// framed+unix:///PATH or tcp+unix:///PATH; or a host
    #[arg(value_name = "URL|HOST")]
    target: String,
    /// The port of the host: then a line is printed for each start, send, receive and close
    #[arg(requires = "number")]
    port: Option<u16>,
    /// How many connections to the host
    #[arg(value_name = "CONNECTIONS", conflicts_with = "connections", value_parser = clap::value_parser!(u32).range(1..))]
    number: Option<u32>,
    /// How many connections
    #[arg(short = 'n', long, value_name = "CONNECTIONS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// A message; several are sent one after the other [default: the two of the tutorial]
    #[arg(short, long = "message", value_name = "MESSAGE", value_parser = something)]
    message: Vec<String>,
    /// How often each connection sends all messages [default: 1; with --duration without end]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Messages in a second, all connections together [default: as many as come back]
    #[arg(long, value_parser = positive)]
    rate: Option<f64>,
    /// Seconds after which nothing more is sent
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    duration: Option<f64>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    password: PasswordArgs,
    #[command(flatten)]
    trust: Trust,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| (1e-3..=1e9).contains(number))
        .ok_or_else(|| "a number between 0.001 and 1000000000".to_owned())
}

fn something(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("an empty message cannot come back".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs `connect`.
pub(crate) fn connect(args: ConnectArgs) -> Result<ExitCode> {
    let url = match args.port {
        Some(port) => Ok(Url::raw(&args.target, port)),
        None => args.target.parse::<Url>(),
    };
    let url = match url {
        Ok(url) => url,
        Err(error) => return Ok(fail(USAGE, &error)),
    };
    let prepared = Way::new(url, &args.trust).and_then(|way| {
        let password = args.password.resolve("Password: ")?;
        if password.is_some() {
            way.warn();
        }
        Ok((way, password))
    });
    let (way, password) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok(fail(USAGE, &format!("{error:#}"))),
    };
    alone::raise_files();
    let connections = args.number.unwrap_or(args.connections);
    let plan = Arc::new(plan(&args, way, password, connections));
    let (outcomes, seconds) = runtime()?.block_on(all(plan.clone(), connections, &args))?;
    let figures = Figures::new(outcomes, seconds);
    let text = if args.json {
        report::json(&figures)?
    } else {
        report::text(&figures)
    };
    print(text)?;
    Ok(ExitCode::from(u8::from(!figures.is_whole())))
}

fn plan(args: &ConnectArgs, way: Way, password: Option<String>, connections: u32) -> Plan {
    let messages: Vec<Vec<u8>> = if args.message.is_empty() {
        MESSAGES.map(|message| message.as_bytes().to_vec()).into()
    } else {
        let messages = args.message.iter();
        messages
            .map(|message| message.clone().into_bytes())
            .collect()
    };
    let rounds = match (args.count, args.duration) {
        (Some(count), _) => Some(count),
        (None, Some(_)) => None,
        (None, None) => Some(1),
    };
    let pace = |rate| Duration::from_secs_f64(f64::from(connections) / rate);
    Plan {
        way,
        password,
        count: rounds.map(|rounds| rounds.saturating_mul(messages.len() as u64)),
        messages,
        pace: args.rate.map(pace),
        verbose: args.port.is_some(),
        stop: CancellationToken::new(),
        doors: Semaphore::new(DOORS),
        progress: Progress::default(),
    }
}

/// Runs all connections; returns how they went and how many seconds that took.
async fn all(plan: Arc<Plan>, connections: u32, args: &ConnectArgs) -> Result<(Vec<Outcome>, f64)> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 1..=connections as usize {
        tasks.spawn(load::run(plan.clone(), number));
    }
    let shows = std::io::stderr().is_terminal() && !plan.verbose;
    let mut tick = interval(PROGRESS);
    let end = args
        .duration
        .map(|seconds| start + Duration::from_secs_f64(seconds));
    let mut interrupts = signal(SignalKind::interrupt()).context("listening for signals")?;
    let (mut outcomes, mut asked) = (Vec::new(), false);
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                Some(outcome) => outcomes.push(outcome.context("a connection's task")?),
                None => break,
            },
            _ = tick.tick(), if shows => show(&plan.progress, start),
            () = sleep_until(end.unwrap_or(start)), if end.is_some() && !plan.stop.is_cancelled() => plan.stop.cancel(),
            _ = interrupts.recv() => {
                // Who is told twice does not wait for answers any more.
                if asked {
                    bail!("interrupted: what was on its way is not counted");
                }
                asked = true;
                plan.stop.cancel();
            }
        }
    }
    if shows {
        eprint!("\r\x1b[K");
    }
    outcomes.sort_by_key(|outcome| outcome.number);
    Ok((outcomes, start.elapsed().as_secs_f64()))
}

fn show(progress: &Progress, start: Instant) {
    let back = progress.back.load(Ordering::Relaxed);
    let open = progress.open.load(Ordering::Relaxed);
    let seconds = start.elapsed().as_secs_f64();
    let rate = back as f64 / seconds.max(1e-3);
    eprint!("\r\x1b[K{seconds:.0} s: {open} connections, {back} messages came back, {rate:.0}/s");
}
