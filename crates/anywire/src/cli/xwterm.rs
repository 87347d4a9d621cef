//! `anywire xwterm`: the command line of xwterm's sample server, as a configuration of ours (docs/drop-in-xwterm.md).

use crate::config::file::{Dialect, File, Listener, Log, Service};
use crate::config::values::{Cells, Time};
use crate::config::{self, Settled};
use crate::listener::ListenUrl;
use crate::print::{print, print_line};
use crate::serve;
use anyhow::{Context as _, Result, bail};
use anywire_model::Size;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a command line is worth that is none: as clap answers.
const WRONG: u8 = 2;

const USAGE: &str = "\
Serve shells to the pages of xwterm, as its sample server does

Usage: anywire xwterm [OPTIONS]

Names of options begin with one dash or two, in capitals or not.

  -bind, -b, -bindaddr ADDRESS       where to listen [default: 127.0.0.1]
  -http, -httpport PORT              the HTTP service's port [default: 8000]
  -ws, -wsport, -websocket, -websocketport PORT
                                     the WebSocket service's port [default: 8001]
  -docdir, -docroot, -wwwroot, -root, -doc FOLDER
                                     the pages [default: ./example or . with an index.html]
  -upload-dir FOLDER                 where uploads go [default: uploads in the pages' folder]
  -initial-size, -default-size COLUMNSxLINES
                                     a terminal's first size [default: 120x40]
  -no-http, -no-websocket            without that service
  -no-welcome                        without the first lines
  -quiet, -q                         without any lines
  -debug, -d                         log more
  -idle TIME                         how long a terminal lives that no page polls [default: 120s]
  -grace TIME                        how long a WebSocket's shell lives without it [default: 120s]
  -host NAME                         a further name under which the pages are reached
  -name NAME                         what this server is called in anywire's other commands
  -insecure-no-auth, -insecure-no-tls
                                     listen beyond this machine without asking who comes, without TLS
  -print-config                      print all this as a configuration for `anywire serve -c`
  -fix-aiohttp, -aiohttp-workaround, -use-conhost, -use-conpty
                                     accepted, not needed
  -help, -h                          this
";

/// Serve shells to the pages of xwterm, as its sample server does
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(super) struct XwtermArgs {
    /// As xwterm's sample server has them; -help lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "OPTIONS"
    )]
    words: Vec<OsString>,
}

/// What the command line says.
#[derive(Clone, Debug, PartialEq)]
struct Options {
    bind: String,
    http: Option<u16>,
    ws: Option<u16>,
    docroot: Option<PathBuf>,
    upload_dir: Option<PathBuf>,
    size: Size,
    welcome: bool,
    quiet: bool,
    debug: bool,
    idle: Time,
    grace: Time,
    hosts: Vec<String>,
    name: Option<String>,
    insecure_no_auth: bool,
    insecure_no_tls: bool,
    print: bool,
    help: bool,
    notes: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1".to_owned(),
            http: Some(8000),
            ws: Some(8001),
            docroot: None,
            upload_dir: None,
            size: Size {
                cols: 120,
                rows: 40,
            },
            welcome: true,
            quiet: false,
            debug: false,
            idle: Time::secs(120),
            grace: Time::secs(120),
            hosts: Vec::new(),
            name: None,
            insecure_no_auth: false,
            insecure_no_tls: false,
            print: false,
            help: false,
            notes: Vec::new(),
        }
    }
}

/// Runs until stopped.
pub(super) fn run(args: XwtermArgs) -> Result<ExitCode> {
    let options = match parse(args.words) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("anywire xwterm: {what}\nanywire xwterm -help lists all options");
            return Ok(ExitCode::from(WRONG));
        }
    };
    if options.help {
        print(USAGE)?;
        return Ok(ExitCode::SUCCESS);
    }
    let here = std::env::current_dir().context("looking where we are")?;
    let made = check(&options)
        .and_then(|()| file(&options, &here))
        .and_then(|file| config::made(&file));
    let (file, settled) = match made {
        Ok(made) => made,
        Err(error) => {
            eprintln!("anywire xwterm: {error:#}");
            return Ok(ExitCode::from(WRONG));
        }
    };
    if !options.quiet {
        for note in &options.notes {
            eprintln!("{note}");
        }
    }
    if options.print {
        print(config::show(&file)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.welcome && !options.quiet {
        print_line(welcome())?;
    }
    let Settled { recipes, config } = settled;
    let terms = serve::Terms {
        name: options.name.as_deref(),
        at_port: |rules, port| match rules.dialect {
            Some(Dialect::XwtermWs) => format!("-ws {port}"),
            _ => format!("-http {port}"),
        },
        ..serve::Terms::default()
    };
    serve::run(Settled { recipes, config }, terms, |_| Vec::new())
}

/// What a configuration would be refused for, in the words of this command line.
fn check(options: &Options) -> Result<()> {
    let mut words = Vec::new();
    if !options.insecure_no_auth {
        words.push("-insecure-no-auth (nobody is asked who they are)");
    }
    if !options.insecure_no_tls {
        words.push("-insecure-no-tls (everybody on the way can read and change everything)");
    }
    if url(&options.bind, 0)?.is_beyond() && !words.is_empty() {
        bail!(
            "-bind {} lets other machines in: stay on 127.0.0.1, or say {}",
            options.bind,
            words.join(" and ")
        );
    }
    if let (Some(http), Some(ws)) = (options.http, options.ws)
        && http == ws
        && http != 0
    {
        let other = http.checked_add(1).unwrap_or(0);
        bail!(
            "-http {http} and -ws {ws}: each service needs a port of its own, such as -ws {other}"
        );
    }
    Ok(())
}

fn welcome() -> String {
    const CYAN: &str = "\x1b[36m";
    const YELLOW: &str = "\x1b[33m";
    const PLAIN: &str = "\x1b[0m";
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "anywire xwterm rel. {version}\n{CYAN}Shells over HTTP and WebSocket for the pages of xwterm.{PLAIN}\n\
         {YELLOW}Everybody on this machine who reaches these ports has your shell.{PLAIN}"
    )
}

/// Reads the words of the command line.
fn parse(words: Vec<OsString>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.into_iter().map(|word| {
        word.into_string()
            .map_err(|word| format!("{} is not UTF-8", word.to_string_lossy()))
    });
    while let Some(word) = words.next() {
        let word = word?;
        let name = word.trim_start_matches('-');
        let dashes = word.len() - name.len();
        if !(1..=2).contains(&dashes) || name.is_empty() {
            return Err(format!(
                "{word:?} is no option: they begin with a dash, and no other words are expected"
            ));
        }
        let name = name.to_ascii_lowercase();
        if !flag(&mut options, &name) {
            let value = || words.next().unwrap_or_else(|| Err(missing(&word)));
            valued(&mut options, &word, &name, value)?;
        }
    }
    if options.http.is_none() && options.ws.is_none() {
        return Err("with -no-http and -no-websocket nothing is left to serve".to_owned());
    }
    Ok(options)
}

fn missing(option: &str) -> String {
    format!("{option} needs a value behind it")
}

/// An option without a value, if it is one.
fn flag(options: &mut Options, name: &str) -> bool {
    match name {
        "no-http" => options.http = None,
        "no-websocket" => options.ws = None,
        "no-welcome" => options.welcome = false,
        "q" | "quiet" => options.quiet = true,
        "d" | "debug" => options.debug = true,
        "insecure-no-auth" => options.insecure_no_auth = true,
        "insecure-no-tls" => options.insecure_no_tls = true,
        "print-config" => options.print = true,
        "h" | "help" => options.help = true,
        "fix-aiohttp" | "aiohttp-workaround" => options.notes.push(format!(
            "anywire xwterm: -{name} is not needed: there is no aiohttp in here"
        )),
        "use-conhost" | "use-conpty" => options.notes.push(format!(
            "anywire xwterm: -{name} has no effect: it is about Windows"
        )),
        _ => return false,
    }
    true
}

/// An option with a value.
fn valued(
    options: &mut Options,
    word: &str,
    name: &str,
    value: impl FnOnce() -> Result<String, String>,
) -> Result<(), String> {
    match name {
        "b" | "bind" | "bindaddr" => options.bind = value()?,
        "http" | "httpport" => options.http = Some(port(word, &value()?)?),
        "ws" | "wsport" | "websocket" | "websocketport" => {
            options.ws = Some(port(word, &value()?)?);
        }
        "docdir" | "docroot" | "wwwroot" | "root" | "doc" => {
            options.docroot = Some(value()?.into());
        }
        "upload-dir" => options.upload_dir = Some(value()?.into()),
        "initial-size" | "default-size" => {
            let text = value()?;
            let size: Result<Cells, String> = text.to_ascii_lowercase().parse();
            options.size = size.map_err(|what| format!("{word} {text}: {what}"))?.0;
        }
        "idle" => options.idle = time(word, &value()?)?,
        "grace" => options.grace = time(word, &value()?)?,
        "host" => options.hosts.push(value()?),
        "name" => options.name = Some(value()?),
        _ => return Err(format!("there is no option {word}")),
    }
    Ok(())
}

fn port(word: &str, text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("{word} {text}: a port is a number from 0 to 65535"))
}

fn time(word: &str, text: &str) -> Result<Time, String> {
    Time::from_flag(text).map_err(|what| format!("{word} {text}: {what}"))
}

/// The configuration that the options mean.
fn file(options: &Options, here: &Path) -> Result<File> {
    let shell = Service {
        // By its name, so that it calls itself so.
        command: Some(vec!["bash".to_owned()]),
        cwd: Some(here.to_owned()),
        term: std::env::var("TERM").ok().filter(|term| !term.is_empty()),
        size: Some(Cells(options.size)),
        ttl: Some(options.grace),
        never_attached: Some(options.grace),
        ..Service::default()
    };
    let mut file = File::default();
    file.services.0.push(("bash".to_owned(), shell));
    let mut listeners = Vec::new();
    if let Some(port) = options.http {
        let docroot = options.docroot.clone().or_else(|| pages(here));
        let docroot = docroot.map(|folder| here.join(folder));
        // Without a folder of pages, uploads lie where the server was started.
        let default = docroot.is_none().then(|| PathBuf::from("uploads"));
        let upload_dir = options.upload_dir.clone().or(default);
        listeners.push(Listener {
            dialect: Some(Dialect::Xwterm),
            docroot,
            upload_dir: upload_dir.map(|folder| here.join(folder)),
            idle: Some(options.idle),
            ..Listener::new(url(&options.bind, port)?)
        });
    }
    if let Some(port) = options.ws {
        listeners.push(Listener {
            dialect: Some(Dialect::XwtermWs),
            ..Listener::new(url(&options.bind, port)?)
        });
    }
    file.listeners = Some(listeners);
    // Its pages know no login. Beyond this machine that is refused without the words for it.
    file.auth.required = false;
    file.auth.insecure_no_auth = options.insecure_no_auth;
    file.auth.insecure_no_tls = options.insecure_no_tls;
    file.auth.hosts.clone_from(&options.hosts);
    let level = match (options.quiet, options.debug) {
        (_, true) => "debug",
        (true, false) => "error",
        // A line for each session and upload, and none for each poll.
        (false, false) => "info,anywire_wire::listen=warn",
    };
    file.log = Log {
        quiet: options.quiet,
        level: Some(level.to_owned()),
        ..Log::default()
    };
    Ok(file)
}

/// The folder of the pages unless somebody names one.
fn pages(here: &Path) -> Option<PathBuf> {
    let folders = [here.join("example"), here.to_owned()];
    folders
        .into_iter()
        .find(|folder| folder.join("index.html").is_file())
}

fn url(bind: &str, port: u16) -> Result<ListenUrl> {
    let host = match bind.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => bind.to_owned(),
    };
    let url = format!("http://{host}:{port}").parse();
    url.map_err(|what: String| anyhow::anyhow!("-bind {bind}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn every_name_of_an_option_means_it() {
        let with = |change: fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options
        };
        for names in ["-b", "-bind", "-bindaddr", "--bind", "--BIND", "-Bind"] {
            let wanted = with(|options| options.bind = "127.0.0.2".into());
            assert_eq!(read(&format!("{names} 127.0.0.2")), Ok(wanted), "{names}");
        }
        for names in ["-http", "--http", "-httpport", "-HttpPort"] {
            let wanted = with(|options| options.http = Some(18000));
            assert_eq!(read(&format!("{names} 18000")), Ok(wanted), "{names}");
        }
        for names in ["-ws", "-wsport", "-websocket", "--websocketport"] {
            let wanted = with(|options| options.ws = Some(18001));
            assert_eq!(read(&format!("{names} 18001")), Ok(wanted), "{names}");
        }
        for names in ["-docdir", "-docroot", "-wwwroot", "-root", "-doc", "--DOC"] {
            let wanted = with(|options| options.docroot = Some("/tmp/MyDir".into()));
            assert_eq!(read(&format!("{names} /tmp/MyDir")), Ok(wanted), "{names}");
        }
        for names in ["-initial-size", "--default-size"] {
            let wanted = with(|options| {
                options.size = Size {
                    cols: 100,
                    rows: 30,
                };
            });
            assert_eq!(read(&format!("{names} 100x30")), Ok(wanted), "{names}");
        }
        assert_eq!(read("-no-http"), Ok(with(|options| options.http = None)));
        assert_eq!(
            read("--no-websocket"),
            Ok(with(|options| options.ws = None))
        );
        assert_eq!(
            read("-no-welcome"),
            Ok(with(|options| options.welcome = false))
        );
        for names in ["-q", "-quiet", "--quiet"] {
            assert_eq!(read(names), Ok(with(|options| options.quiet = true)));
        }
        for names in ["-d", "-debug"] {
            assert_eq!(read(names), Ok(with(|options| options.debug = true)));
        }
        for name in [
            "-fix-aiohttp",
            "--aiohttp-workaround",
            "-use-conhost",
            "-use-conpty",
        ] {
            assert_eq!(read(name).unwrap().notes.len(), 1, "{name}");
        }
        for name in ["-h", "-help", "--help"] {
            assert!(read(name).unwrap().help);
        }
    }

    #[test]
    fn what_is_no_command_line_is_told() {
        for (line, what) in [
            ("-no-http -no-websocket", "nothing is left"),
            ("-http", "needs a value"),
            ("-http x", "a port is a number"),
            ("-http 70000", "a port is a number"),
            ("-initial-size 0x10", "-initial-size 0x10"),
            ("-initial-size 10", "-initial-size 10"),
            ("-conhost-helper", "no option"),
            ("--nonsense", "no option --nonsense"),
            ("quiet", "is no option"),
            ("---http 1", "is no option"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(what), "{line}: {error}");
        }
    }

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        for line in [
            "",
            "-http 0 -no-websocket -idle 2 -grace 1m",
            "-no-http -initial-size 90x20 -quiet",
            "-bind ::1 -ws 0 -upload-dir up -host example.org",
            "-bind 0.0.0.0 -insecure-no-auth -insecure-no-tls",
        ] {
            let made = file(&read(line).unwrap(), here).unwrap();
            let (made, settled) = config::made(&made).unwrap();
            let shown = config::show(&made).unwrap();
            let path = here.join("anywire.yaml");
            std::fs::write(&path, &shown).unwrap();
            let again = config::settle(Some(&path), &config::Overlay::default());
            assert_eq!(again.unwrap(), settled, "{line}\n{shown}");
        }
    }

    #[test]
    fn beyond_this_machine_needs_words() {
        let both = ["-insecure-no-auth", "-insecure-no-tls"];
        for (line, wanted) in [
            ("-bind 0.0.0.0", &both[..]),
            ("-bind :: -insecure-no-auth", &both[1..]),
            ("-b example.org -insecure-no-tls", &both[..1]),
            ("-http 8010 -ws 8010", &["-ws 8011"]),
            ("-http 65535 -ws 65535", &["-ws 0"]),
        ] {
            let error = check(&read(line).unwrap()).unwrap_err().to_string();
            for word in both.iter().chain(wanted) {
                assert_eq!(
                    error.contains(word),
                    wanted.contains(word),
                    "{line}: {error}"
                );
            }
        }
        for line in [
            "",
            "-bind ::1",
            "-http 0 -ws 0",
            "-bind 0.0.0.0 -insecure-no-auth -insecure-no-tls",
        ] {
            check(&read(line).unwrap()).unwrap();
        }
        // Nor is anything else told by its place in a file that nobody has written.
        let wrong = file(&read("-host a/b").unwrap(), Path::new("/")).unwrap();
        let error = config::made(&wrong).unwrap_err().to_string();
        assert_eq!(
            error,
            "\"a/b\" is no host, such as example.org or example.org:8443"
        );
    }
}
