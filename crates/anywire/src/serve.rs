//! `anywire serve`: binds what was asked for, then becomes the supervisor.

use crate::config::Config;
use crate::listener::{self, ListenUrl, Listener, Scheme};
use crate::{runtime_dir, server, workers};
use anyhow::{Context as _, Result};
use anywire_model::Io;
use anywire_process::Recipe;
use anywire_process::ring::DEFAULT_RING_LEN;
use anywire_process::supervisor::{self, Plan};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How long a terminal lives that nobody looks at, in seconds.
const TERMINAL_TTL: f64 = 600.0;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where to listen: http://, tcp://, telnet:// or auto://ADDRESS:PORT; port 0 takes a free one
    #[arg(short, long = "listen", value_name = "URL", default_value = listener::DEFAULT)]
    listen: Vec<ListenUrl>,
    /// Let everybody on this machine in, without the start code
    #[arg(long)]
    no_auth: bool,
    /// Give the program pipes instead of a terminal: standard output and error stay apart
    #[arg(long)]
    pipe: bool,
    /// Seconds that a session lives when nobody is attached [default: 600, with --pipe 0]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    ttl: Option<f64>,
    /// Seconds between hang-up, termination and kill when a session is ended
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "5", env = "ANYWIRE_GRACE")]
    grace: f64,
    /// The program and its arguments [default: your shell]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "a number of seconds, such as 0.5 or 600".to_owned())?;
    if (0.0..=1e9).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("between 0 and 1000000000".to_owned())
    }
}

fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// Runs until stopped. The exit code is for the shell.
pub(crate) fn serve(args: ServeArgs) -> Result<ExitCode> {
    let (service, recipe) = recipe(&args);
    let ttl = args
        .ttl
        .unwrap_or(if args.pipe { 0.0 } else { TERMINAL_TTL });
    let config = Config {
        auth: !args.no_auth,
        service: service.clone(),
        services: BTreeMap::from([(service.clone(), millis(ttl))]),
    };
    let mut listeners = args
        .listen
        .iter()
        .map(ListenUrl::bind)
        .collect::<Result<Vec<_>>>()?;
    let socket = Socket::bind(&listeners)?;
    listeners.push(Listener::unix(
        socket
            .listener
            .try_clone()
            .context("making the command line's socket")?,
    ));
    let plan = Plan {
        services: BTreeMap::from([(service, recipe)]),
        config: serde_json::to_string(&config).context("writing the configuration")?,
        listeners: listeners.into_iter().map(Listener::into_parts).collect(),
        server: vec![server::COMMAND.into()],
        workers: workers::count(),
    };
    supervisor::run(plan).context("supervising")?;
    Ok(ExitCode::SUCCESS)
}

fn recipe(args: &ServeArgs) -> (String, Recipe) {
    let shell = || {
        std::env::var("SHELL")
            .ok()
            .filter(|shell| !shell.is_empty())
            .unwrap_or("/bin/sh".into())
    };
    let argv = if args.command.is_empty() {
        vec![shell()]
    } else {
        args.command.clone()
    };
    let name = Path::new(&argv[0])
        .file_name()
        .map_or("program".into(), |name| name.to_string_lossy());
    let service = name
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(40)
        .collect();
    let env = if args.pipe {
        Vec::new()
    } else {
        vec![
            ("TERM".into(), "xterm-256color".into()),
            ("COLORTERM".into(), "truecolor".into()),
        ]
    };
    let io = if args.pipe { Io::Pipe } else { Io::Pty };
    (
        service,
        Recipe {
            argv,
            env,
            cwd: None,
            io,
            ring_len: DEFAULT_RING_LEN,
            grace_ms: millis(args.grace),
        },
    )
}

/// The command line's way in; the file goes when the supervisor does.
struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Named by the first listener's address, which no other server can have at the same time; on 127.0.0.1 the port
    /// says it all.
    fn bind(listeners: &[Listener]) -> Result<Self> {
        let web = |listener: &&Listener| listener.scheme() == Scheme::Http;
        let first = listeners
            .iter()
            .find(web)
            .or(listeners.first())
            .and_then(Listener::address);
        let name = match first {
            Some(address) if address.ip() == Ipv4Addr::LOCALHOST => address.port().to_string(),
            Some(address) => address.to_string(),
            None => "0".to_owned(),
        };
        let path = runtime_dir::socket(&runtime_dir::open()?, &name)?;
        // What lies there was left by a server that was killed: its address is ours now.
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("listening on {}", path.display()))?;
        Ok(Self { listener, path })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
