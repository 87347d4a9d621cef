//! `anywire serve`: reads the configuration, binds what it asks for, then becomes the supervisor.

use crate::config::file::LogFormat;
use crate::config::runtime::{self, Certificate, Config, Settled};
use crate::config::values::{Cells, Time};
use crate::config::{self, Overlay};
use crate::listener::{self, At, Listener, Scheme};
use crate::nearest::nearest;
use crate::{logging, runtime_dir, server, workers};
use anyhow::{Context as _, Result};
use anywire_process::supervisor::{self, Plan, Rules};
use clap::Args as _;
use clap::builder::BoolishValueParser;
use std::ffi::OsString;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;

/// The argument that makes this executable read the configuration again for a supervisor.
pub(crate) const RELOAD: &str = "__reload";
/// What our variables begin with.
const PREFIX: &str = "ANYWIRE_";
/// The rest of those that are no setting of `serve`.
const OTHERS: [&str; 9] = [
    "CA",
    "FINGERPRINT",
    "KILL_AT",
    "PASSWORD",
    "RUNTIME_DIR",
    "SERVER",
    "SESSION",
    "TOKEN",
    "URL",
];

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// The configuration file (YAML); flags and the environment go before it
    #[arg(short, long, value_name = "FILE", env = "ANYWIRE_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen, in place of the file's listeners: http, tcp, telnet or auto (with TLS: https, tcps, telnets,
    /// autos) and an address, or unix:///PATH; options as a query; port 0 takes a free one [default:
    /// http://localhost:7681]
    #[arg(
        short,
        long = "listen",
        value_name = "URL",
        env = "ANYWIRE_LISTEN",
        value_delimiter = ' '
    )]
    listen: Vec<String>,
    /// What this server is called in the command line's `--server` [default: its first port]
    #[arg(long, value_name = "NAME", env = "ANYWIRE_NAME")]
    name: Option<String>,
    /// The session of listeners that name none: new, lobby, or a name to be shared by all
    #[arg(long, value_name = "NAME", env = "ANYWIRE_SESSION_NAME")]
    session: Option<String>,
    /// Let everybody on this machine in, without the start code
    #[arg(long, env = "ANYWIRE_NO_AUTH", value_parser = BoolishValueParser::new())]
    no_auth: bool,
    /// Let everybody in, also from other machines, without asking who they are
    #[arg(long, env = "ANYWIRE_INSECURE_NO_AUTH", value_parser = BoolishValueParser::new())]
    insecure_no_auth: bool,
    /// Listen beyond this machine without TLS: everybody on the way can read and change everything
    #[arg(long, env = "ANYWIRE_INSECURE_NO_TLS", value_parser = BoolishValueParser::new())]
    insecure_no_tls: bool,
    /// The certificate chain (PEM) of listeners with TLS [default: one's own, made at the start]
    #[arg(long, value_name = "FILE", env = "ANYWIRE_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", env = "ANYWIRE_KEY", requires = "cert")]
    key: Option<PathBuf>,
    /// How logs look
    #[arg(long, value_name = "FORMAT", env = "ANYWIRE_LOG_FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug, trace, or a filter such as anywire_wire=debug [default: warn]
    #[arg(long, value_name = "LEVEL", env = "ANYWIRE_LOG")]
    log: Option<String>,
    /// Give the program pipes instead of a terminal: standard output and error stay apart
    #[arg(long, env = "ANYWIRE_PIPE", value_parser = BoolishValueParser::new())]
    pipe: bool,
    /// Start the program as a login shell
    #[arg(long, env = "ANYWIRE_LOGIN", value_parser = BoolishValueParser::new())]
    login: bool,
    /// Where the program starts [default: here]
    #[arg(long, value_name = "FOLDER", env = "ANYWIRE_CWD")]
    cwd: Option<PathBuf>,
    /// The terminal's first size
    #[arg(long, value_name = "COLUMNSxROWS", env = "ANYWIRE_SIZE")]
    size: Option<Cells>,
    /// The terminal's type [default: xterm-256color]
    #[arg(long, value_name = "TERM", env = "ANYWIRE_TERM")]
    term: Option<String>,
    /// How long a session lives when nobody is attached: seconds, or 10m, 2h, never [default: 10m, with --pipe 0]
    #[arg(long, value_name = "TIME", value_parser = Time::from_flag, env = "ANYWIRE_TTL")]
    ttl: Option<Time>,
    /// How long a program may take to end between hang-up, termination and kill [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = Time::from_flag, env = "ANYWIRE_GRACE")]
    grace: Option<Time>,
    /// The program and its arguments [default: the file's first service, or your shell]
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl ServeArgs {
    fn overlay(&self) -> Overlay {
        Overlay {
            listen: self.listen.clone(),
            session: self.session.clone(),
            no_auth: self.no_auth,
            insecure_no_auth: self.insecure_no_auth,
            insecure_no_tls: self.insecure_no_tls,
            cert: self.cert.clone(),
            key: self.key.clone(),
            log_format: self.log_format,
            log_level: self.log.clone(),
            command: self.command.clone(),
            handler: None,
            pipe: self.pipe,
            login: self.login,
            cwd: self.cwd.clone(),
            size: self.size,
            term: self.term.clone(),
            ttl: self.ttl,
            grace: self.grace,
        }
    }

    /// What is in force, as it would stand in a file.
    pub(crate) fn load(&self) -> Result<config::file::File> {
        config::load(self.config.as_deref(), &self.overlay())
    }

    fn settle(&self) -> Result<Settled> {
        config::settle(self.config.as_deref(), &self.overlay())
    }
}

/// Runs until stopped. The exit code is for the shell.
pub(crate) fn serve(args: ServeArgs) -> Result<ExitCode> {
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let misspelt = misspelt(variables);
    let settled = args.settle().inspect_err(|_| {
        // What is wrong may be that this was not read.
        misspelt
            .iter()
            .for_each(|what| eprintln!("anywire: {what}"));
    })?;
    let terms = Terms {
        name: args.name.as_deref(),
        misspelt,
        ..Terms::default()
    };
    run(settled, terms, |config| reload_command(&args, config))
}

/// Variables that nobody reads and whose names are almost those of settings.
fn misspelt(variables: impl Iterator<Item = String>) -> Vec<String> {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let of_flags = command.get_arguments().filter_map(|argument| {
        let variable = argument.get_env()?.to_str()?;
        variable.strip_prefix(PREFIX)
    });
    let known: Vec<&str> = of_flags.chain(OTHERS).collect();
    let said = variables.filter_map(|name| {
        let word = name.strip_prefix(PREFIX)?;
        let meant = nearest(word, known.iter().copied())?;
        (word != meant).then(|| format!("{name} is no setting: did you mean {PREFIX}{meant}?"))
    });
    said.collect()
}

/// How a command that serves differs from the others.
pub(crate) struct Terms<'a> {
    /// What the server is called.
    pub(crate) name: Option<&'a str>,
    /// What is to be told of the environment.
    pub(crate) misspelt: Vec<String>,
    /// How its user says another port for a listener.
    pub(crate) at_port: fn(&runtime::Listener, u16) -> String,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Self {
            name: None,
            misspelt: Vec::new(),
            at_port: |rules, port| format!("-l {}", rules.url.with_port(port)),
        }
    }
}

/// Binds what is asked for and becomes the supervisor. The command reads the configuration again.
pub(crate) fn run(
    settled: Settled,
    terms: Terms<'_>,
    reload: impl FnOnce(&Config) -> Vec<OsString>,
) -> Result<ExitCode> {
    let Settled { recipes, config } = settled;
    let name = terms.name;
    logging::start(config.log.format, config.log.level.as_deref());
    terms
        .misspelt
        .iter()
        .for_each(|what| tracing::warn!("{what}"));
    let mut files = Files::default();
    let mut listeners = Vec::new();
    for (index, rules) in config.listeners.iter().enumerate() {
        listener::protocol(&rules.url)?;
        let at_port = |port| (terms.at_port)(rules, port);
        listeners.extend(listener::bind(index, &rules.url, &at_port)?);
        if let At::Path(path) = &rules.url.at {
            files.0.push(path.clone());
        }
    }
    listeners.push(command_line(name, &config, &listeners, &mut files)?);
    let plan = Plan {
        services: recipes,
        config: serde_json::to_string(&config).context("writing the configuration")?,
        listeners: listeners
            .into_iter()
            .map(|listener| listener.into_parts(&config))
            .collect(),
        server: server::command(&config.log),
        reload: reload(&config),
        workers: workers::count(),
    };
    match config.log.format {
        _ if config.log.quiet => {}
        LogFormat::Text => eprintln!("{}", fits(&config)),
        // Whoever reads the log by machine is not to stumble over a line for people.
        LogFormat::Json => tracing::info!("{}", fits(&config)),
    }
    supervisor::run(plan).context("supervising")?;
    Ok(ExitCode::SUCCESS)
}

/// The command line that this process was started with, but for its verb; nothing if no file would be read.
fn reload_command(args: &ServeArgs, config: &Config) -> Vec<OsString> {
    let has_files =
        |listener: &runtime::Listener| matches!(listener.tls, Some(Certificate::Files { .. }));
    if args.config.is_none() && !config.listeners.iter().any(has_files) {
        return Vec::new();
    }
    let mut command: Vec<OsString> = vec![RELOAD.into()];
    if config.log.format == LogFormat::Json && args.log_format.is_none() {
        // A file that cannot be read cannot tell how its mistakes are to be told.
        command.push("--log-format=json".into());
    }
    command.extend(std::env::args_os().skip(2));
    command
}

/// Writes what a supervisor goes by, for it to take over.
pub(crate) fn reload(args: ServeArgs) -> Result<ExitCode> {
    let Settled { recipes, config } = match args.settle() {
        Err(error) if args.log_format == Some(LogFormat::Json) => {
            logging::start(LogFormat::Json, None);
            tracing::error!("{error:#}");
            return Ok(ExitCode::FAILURE);
        }
        settled => settled?,
    };
    let rules = Rules {
        services: recipes,
        config: serde_json::to_string(&config).context("writing the configuration")?,
    };
    serde_json::to_writer(std::io::stdout(), &rules).context("writing the configuration")?;
    Ok(ExitCode::SUCCESS)
}

/// How much fits into the descriptors that the kernel allows: each session and each connection has some.
fn fits(config: &Config) -> String {
    /// Of the server and the supervisor themselves.
    const OWN: usize = 64;
    /// Of a session, in either.
    const SESSION: usize = 4;
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let files = hard.and_then(|files| usize::try_from(files).ok());
    let Some(files) = files else {
        return format!(
            "up to {} sessions; the kernel limits descriptors no further",
            config.limits.sessions
        );
    };
    let sessions = config
        .limits
        .sessions
        .min(files.saturating_sub(OWN) / 2 / SESSION);
    let connections = config.limits.connections.min(files / 2);
    format!("{files} descriptors: room for {sessions} sessions and {connections} connections")
}

/// Files that go when the supervisor does.
#[derive(Default)]
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The command line's way in. Named by the first listener's address unless it has a name, which no other server can
/// have at the same time.
fn command_line(
    name: Option<&str>,
    config: &Config,
    listeners: &[Listener],
    files: &mut Files,
) -> Result<Listener> {
    let is_web = |listener: &&Listener| {
        let rules = listener
            .index()
            .and_then(|index| config.listeners.get(index));
        rules.is_some_and(|rules| rules.url.scheme == Scheme::Http) && listener.address().is_some()
    };
    let with_address = |listener: &&Listener| listener.address().is_some();
    let first = listeners
        .iter()
        .find(is_web)
        .or(listeners.iter().find(with_address))
        .and_then(Listener::address);
    let of_address = || first.map_or_else(|| std::process::id().to_string(), runtime_dir::name_of);
    let name = name.map_or_else(of_address, str::to_owned);
    let path = runtime_dir::socket(&runtime_dir::open()?, &name)?;
    if let Ok(stream) = std::os::unix::net::UnixStream::connect(&path) {
        drop(stream);
        anyhow::bail!("a server called {name:?} is running: end it, or choose another --name");
    }
    // What lies there was left by a server that was killed.
    let _ = std::fs::remove_file(&path);
    let socket =
        UnixListener::bind(&path).with_context(|| format!("listening on {}", path.display()))?;
    files.0.push(path);
    Ok(Listener::command_line(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_almost_a_setting_is_told() {
        let of = |name: &str| misspelt(std::iter::once(name.to_owned())).pop();
        for (name, meant) in [
            ("ANYWIRE_LISTN", Some("ANYWIRE_LISTEN")),
            ("ANYWIRE_INSECURE_NO_TSL", Some("ANYWIRE_INSECURE_NO_TLS")),
            ("ANYWIRE_LISTEN", None),
            ("ANYWIRE_SESSION", None),
            ("ANYWIRE_TOKEN", None),
            ("ANYWIRE_KILL_AT", None),
            ("ANYWIRE_ROUNDS", None),
            ("ANYWIRE_SEED", None),
            ("ANYWIRE_BIN", None),
            ("ANYWHERE_LISTN", None),
        ] {
            let told = of(name);
            match meant {
                None => assert_eq!(told, None, "{name}"),
                Some(meant) => assert!(told.unwrap().contains(&format!("{meant}?")), "{name}"),
            }
        }
    }

    #[test]
    fn every_flag_has_a_variable_and_both_are_documented() {
        let docs = include_str!("../../../docs/config.md");
        let command = ServeArgs::augment_args(clap::Command::new("serve"));
        for argument in command
            .get_arguments()
            .filter(|argument| !argument.is_positional())
        {
            let variable = argument.get_env().expect("a variable").to_string_lossy();
            assert!(docs.contains(&format!("`{variable}`")), "{variable}");
            let long = argument.get_long().expect("a long name");
            let short = argument.get_short().map(|short| format!("`-{short} "));
            let known = docs.contains(&format!("`--{long}`"));
            assert!(
                known || short.is_some_and(|short| docs.contains(&short)),
                "--{long}"
            );
        }
    }
}
