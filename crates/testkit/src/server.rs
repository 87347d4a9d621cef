//! The real binary, started as a user would, in a folder of its own.

use crate::processes;
use crate::wait::{DEADLINE, wait_until};
use anywire::cli::client::http::{Peer, exchange};
use http::{Method, Response, StatusCode};
use rustix::process::Signal;
use std::fs::{self, DirBuilder, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use tokio::net::TcpStream;

/// Bytes of a server's log that a failed test shows.
const LOG_TAIL: usize = 4000;

/// Seconds that a session of a test lives unattended: longer than any test, so that none ends by itself.
const TTL: &str = "600";
/// Seconds between the rungs of the kill ladder: short, since tests climb it often.
const GRACE: &str = "0.5";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Config {
    binary: PathBuf,
    listeners: Vec<String>,
    arguments: Vec<String>,
    command: Vec<String>,
    variables: Vec<(String, String)>,
    more: Box<More>,
}

/// What few tests need; apart, so that a configuration stays small.
#[derive(Clone, Debug, Default)]
struct More {
    preset: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
}

impl Config {
    /// The binary is `env!("CARGO_BIN_EXE_anywire")`; it listens for HTTP on a free port of 127.0.0.1, without
    /// authentication, and runs `/bin/sh`.
    #[must_use]
    pub fn new(binary: &str) -> Self {
        Self {
            binary: binary.into(),
            listeners: vec!["http://127.0.0.1:0".into()],
            arguments: ["--no-auth", "--ttl", TTL, "--grace", GRACE]
                .map(String::from)
                .into(),
            command: vec!["/bin/sh".into()],
            variables: Vec::new(),
            more: Box::default(),
        }
    }

    /// One more listener, such as `tcp://127.0.0.1:0`.
    #[must_use]
    pub fn listener(mut self, url: &str) -> Self {
        self.listeners.push(url.into());
        self
    }

    /// These listeners and no others.
    #[must_use]
    pub fn at(mut self, urls: &[&str]) -> Self {
        self.listeners = urls.iter().map(|&url| url.to_owned()).collect();
        self
    }

    /// With authentication, as without a flag.
    #[must_use]
    pub fn with_auth(mut self) -> Self {
        self.arguments.retain(|argument| argument != "--no-auth");
        self
    }

    /// Programs get pipes instead of a terminal.
    #[must_use]
    pub fn pipe(mut self) -> Self {
        self.arguments.push("--pipe".into());
        self
    }

    /// The program of each session.
    #[must_use]
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// The producer in one of its modes as the program of each session.
    #[must_use]
    pub fn producer(self, arguments: &[&str]) -> Self {
        let producer = crate::flood::producer().to_string_lossy().into_owned();
        self.command(
            std::iter::once(producer).chain(arguments.iter().map(|&argument| argument.to_owned())),
        )
    }

    /// A configuration file in place of a command.
    #[must_use]
    pub fn file(mut self, path: &Path) -> Self {
        self.arguments
            .extend(["-c".into(), path.to_string_lossy().into_owned()]);
        self.command.clear();
        self
    }

    /// A preset in place of `serve`, with all of its arguments, which makes so many listeners.
    #[must_use]
    pub fn preset(mut self, arguments: &[&str], listeners: usize) -> Self {
        self.more.preset = arguments.iter().map(|&word| word.to_owned()).collect();
        self.listeners = vec![String::new(); listeners];
        self
    }

    /// A file in the server's folder before it starts.
    #[must_use]
    pub fn with(mut self, path: &str, contents: impl AsRef<[u8]>) -> Self {
        self.more
            .files
            .push((path.into(), contents.as_ref().into()));
        self
    }

    /// A variable of the server's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts it and waits until each listener has said its address.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(self) -> Server {
        Server::start(self)
    }
}

/// A running server: supervisor, server and the programs of its sessions. Dropping it ends them all.
#[derive(Debug)]
pub struct Server {
    supervisor: Child,
    dir: PathBuf,
    binary: PathBuf,
    told: Box<Told>,
}

/// What a server prints; apart, so that a server stays small.
#[derive(Debug)]
struct Told {
    urls: Vec<String>,
    /// What comes beside addresses.
    lines: Mutex<mpsc::Receiver<String>>,
    /// All lines.
    printed: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(config: Config) -> Self {
        let dir = fresh_folder();
        let log = File::create(dir.join("log")).expect("the log can be made");
        let mut command = Command::new(&config.binary);
        for (path, contents) in &config.more.files {
            let path = dir.join(path);
            let folder = path.parent().expect("a file lies in a folder");
            fs::create_dir_all(folder).expect("a folder for a file");
            fs::write(path, contents).expect("a file for the server");
        }
        if config.more.preset.is_empty() {
            command.arg("serve");
            for url in config.listeners.iter().filter(|url| !url.is_empty()) {
                command.args(["-l", url]);
            }
            command.args(&config.arguments);
            if !config.command.is_empty() {
                command.arg("--").args(&config.command);
            }
        } else {
            command.args(&config.more.preset);
        }
        command
            .env("ANYWIRE_RUNTIME_DIR", dir.join("run"))
            .env_remove("ANYWIRE_SESSION")
            .envs(config.variables)
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut supervisor = command.spawn().expect("the binary starts");
        let stdout = supervisor.stdout.take().expect("standard output is piped");
        let (send, lines) = mpsc::channel();
        let mut server = Self {
            supervisor,
            dir,
            binary: config.binary,
            told: Box::new(Told {
                urls: Vec::new(),
                lines: Mutex::new(lines),
                printed: Arc::default(),
            }),
        };
        let printed = server.told.printed.clone();
        // Ends with the process: it keeps the pipe from filling up.
        std::thread::spawn(move || {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .for_each(|line| {
                    printed
                        .lock()
                        .expect("nobody panics with it")
                        .push(line.clone());
                    drop(send.send(line));
                });
        });
        while server.told.urls.len() < config.listeners.len() {
            match server.line() {
                Some(line) if line.contains("://") => server.told.urls.push(line.trim().to_owned()),
                Some(_) => {}
                None => panic!("the server printed no address\n{}", server.log()),
            }
        }
        server
    }

    fn line(&self) -> Option<String> {
        let lines = self.told.lines.lock().expect("nobody has panicked");
        lines.recv_timeout(DEADLINE).ok()
    }

    /// The fingerprint of its certificate, which it prints after its addresses. Can be asked for once.
    ///
    /// # Panics
    /// When it prints none.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        loop {
            let line = self.line().expect("a line with a fingerprint");
            if let Some((_, fingerprint)) = line.split_once("fingerprint is ") {
                return fingerprint.to_owned();
            }
        }
    }

    /// The folder of this test: `log`, and `run` with the socket.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The value for ANYWIRE_RUNTIME_DIR with which a command finds this server.
    #[must_use]
    pub fn runtime_dir(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// A command line that talks to this server.
    #[must_use]
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("ANYWIRE_RUNTIME_DIR", self.runtime_dir())
            .current_dir(&self.dir);
        command
    }

    /// The address of the first listener with this scheme.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn address(&self, scheme: &str) -> SocketAddr {
        let start = format!("{scheme}://");
        let rest = self
            .told
            .urls
            .iter()
            .find_map(|url| url.strip_prefix(&start));
        let rest = rest.unwrap_or_else(|| panic!("no {scheme} listener in {:?}", self.told.urls));
        let host = rest.split(['/', '#']).next().unwrap_or(rest);
        host.parse()
            .unwrap_or_else(|_| panic!("{host} is no address"))
    }

    /// What it printed of its listeners, in order.
    #[must_use]
    pub fn urls(&self) -> &[String] {
        &self.told.urls
    }

    /// All that it printed so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn printed(&self) -> Vec<String> {
        let printed = self.told.printed.lock();
        printed.expect("nobody panics with it").clone()
    }

    /// The start code that stands in the first URL's fragment.
    #[must_use]
    pub fn code(&self) -> Option<String> {
        self.told
            .urls
            .first()?
            .split_once("#code=")
            .map(|(_, code)| code.to_owned())
    }

    /// Who a request is from when no credentials are needed.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer {
            host: self.address("http").to_string(),
            headers: Vec::new(),
        }
    }

    /// Who a request is from after a login with the start code.
    ///
    /// # Panics
    /// When the server does not let us in.
    pub async fn login(&self) -> Peer {
        let mut peer = self.peer();
        let body = format!(
            r#"{{"code":"{}"}}"#,
            self.code().expect("a start code in the URL")
        );
        let answer = self.request(&peer, Method::POST, "/api/login", &body).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "login: {answer:?}");
        let cookie = answer
            .headers()
            .get(http::header::SET_COOKIE)
            .expect("a cookie");
        let cookie = cookie.to_str().expect("a cookie of text");
        let pair = cookie.split(';').next().unwrap_or(cookie);
        peer.headers.push(("cookie".into(), pair.into()));
        peer
    }

    /// One HTTP request on a connection of its own. Tries again while the server restarts.
    ///
    /// # Panics
    /// When there is no answer in time.
    pub async fn request(
        &self,
        peer: &Peer,
        method: Method,
        path: &str,
        body: &str,
    ) -> Response<bytes::Bytes> {
        let start = std::time::Instant::now();
        loop {
            let answer = match TcpStream::connect(self.address("http")).await {
                Ok(stream) => exchange(stream, peer, method.clone(), path, body)
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match answer {
                Ok(answer) => return answer,
                Err(error) => assert!(
                    start.elapsed() < DEADLINE,
                    "{method} {path}: {error}\n{}",
                    self.log()
                ),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The list of sessions.
    ///
    /// # Panics
    /// When the server does not give one.
    pub async fn sessions(&self) -> Vec<serde_json::Value> {
        let answer = self
            .request(&self.peer(), Method::GET, "/api/sessions", "")
            .await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        serde_json::from_slice(answer.body()).expect("an array")
    }

    /// Waits until the list of sessions satisfies the condition.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until_sessions(
        &self,
        what: &str,
        condition: impl Fn(&[serde_json::Value]) -> bool,
    ) {
        let start = std::time::Instant::now();
        loop {
            let sessions = self.sessions().await;
            if condition(&sessions) {
                return;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "waited in vain for {what}: {sessions:?}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The process id of a session's program; `None` when it ended.
    pub async fn program(&self, session: &str) -> Option<u32> {
        let sessions = self.sessions().await;
        let session = sessions.iter().find(|found| found["id"] == session)?;
        u32::try_from(session["pid"].as_u64()?).ok()
    }

    /// The process that was started: it outlives servers.
    #[must_use]
    pub fn supervisor_pid(&self) -> u32 {
        self.supervisor.id()
    }

    /// The process that holds the connections; `None` between two of them.
    ///
    /// A program runs this binary too, for a moment, between fork and exec; only the server runs it with other
    /// arguments than the supervisor.
    #[must_use]
    pub fn server_pid(&self) -> Option<u32> {
        let supervisor = self.supervisor_pid();
        let (binary, arguments) = (
            processes::executable(supervisor),
            processes::arguments(supervisor),
        );
        let is_server = |pid: &u32| {
            processes::executable(*pid) == binary && processes::arguments(*pid) != arguments
        };
        processes::children(supervisor).into_iter().find(is_server)
    }

    /// Ends the server, and only it, with SIGKILL; returns its pid.
    ///
    /// # Panics
    /// When there is none.
    pub async fn kill_server(&self) -> u32 {
        let pid = wait_until("a server to kill", || self.server_pid()).await;
        processes::kill(pid);
        wait_until("the server's end", || {
            (!processes::is_alive(pid)).then_some(())
        })
        .await;
        pid
    }

    /// Waits for the server that follows the one with this pid.
    pub async fn next_server(&self, old: u32) -> u32 {
        wait_until("the next server", || {
            self.server_pid().filter(|&pid| pid != old)
        })
        .await
    }

    /// Processes of this test beside supervisor and server, in words: there should be none when no session lives.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let known = [Some(self.supervisor_pid()), self.server_pid()];
        processes::of_folder(&self.dir)
            .into_iter()
            .filter(|&pid| !known.contains(&Some(pid)))
            .map(processes::describe)
            .collect()
    }

    /// Memory files that supervisor and server hold open.
    #[must_use]
    pub fn memfds(&self) -> usize {
        let pids = [Some(self.supervisor_pid()), self.server_pid()];
        pids.into_iter()
            .flatten()
            .map(|pid| processes::memfds(pid).len())
            .sum()
    }

    /// Waits until every program is gone, and no more memory is held than at the start and for the ended sessions that
    /// can still be read.
    ///
    /// # Panics
    /// When something is left over.
    pub async fn nothing_left_over(&self, memfds_at_start: usize) {
        let start = std::time::Instant::now();
        loop {
            let (left, memfds) = (self.leftovers(), self.memfds());
            let readable = self.sessions().await.len();
            if left.is_empty() && memfds <= memfds_at_start + readable {
                return;
            }
            assert!(
                start.elapsed() < DEADLINE,
                "left over: {left:?}, {memfds} memory files ({memfds_at_start} at the start, {readable} readable sessions)\n{}",
                self.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Ends it as a user would, with SIGTERM, and checks that nothing is left.
    ///
    /// # Panics
    /// When it does not end, or something is left.
    pub async fn stop(mut self) {
        processes::signal(self.supervisor_pid(), Signal::TERM);
        let supervisor = &mut self.supervisor;
        wait_until("the supervisor's end", || {
            supervisor.try_wait().ok().flatten()
        })
        .await;
        let dir = self.dir.clone();
        wait_until("the end of all processes", || {
            processes::of_folder(&dir).is_empty().then_some(())
        })
        .await;
        let sockets = fs::read_dir(self.runtime_dir())
            .into_iter()
            .flatten()
            .count();
        assert_eq!(sockets, 0, "a socket is left over");
    }

    /// The end of its log.
    #[must_use]
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.dir.join("log")) {
            let _ = file.read_to_end(&mut text);
        }
        let text =
            String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL)..]).into_owned();
        format!(
            "--- the end of {}:\n{text}---",
            self.dir.join("log").display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The supervisor first, or it would start what is ended here again.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        let start = std::time::Instant::now();
        loop {
            let left = processes::of_folder(&self.dir);
            if left.is_empty() || start.elapsed() > DEADLINE {
                break;
            }
            left.into_iter().for_each(processes::kill);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A folder that nobody has: a process id comes back, and a failed test keeps its folder, so neither is in its name.
fn fresh_folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("anywire-test-").tempdir();
    let dir = folder.expect("a folder for the test").keep();
    let make = |path: &Path| DirBuilder::new().mode(0o700).create(path);
    make(&dir.join("run")).expect("a folder for the socket");
    dir
}
