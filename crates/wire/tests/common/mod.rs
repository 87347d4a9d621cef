//! A server on port 0 with real programs behind it, and small clients for its wires. Everything ends with the test.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of this one"
)]

pub mod client;
pub mod plain;
pub mod tls;

use anywire_model::{Io, Role};
use anywire_process::{Local, Recipe};
use anywire_session::{Policy, Registry, Settings};
use anywire_wire::admit::{Options, Rules, loopback_hosts};
use anywire_wire::framed;
use anywire_wire::tls::{Options as Certificate, Tls};
use anywire_wire::{
    Admission, Bound, Compression, Context, Listener, Listening, Metrics, Protocol, Target, serve,
};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A test that takes longer has hung.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How a test wants its server.
pub struct Setup {
    pub auth: bool,
    pub role: Role,
    /// All clients share one session.
    pub shared: bool,
    pub io: Io,
    pub argv: Vec<String>,
    pub ring_len: usize,
    /// TLS on every port.
    pub tls: Option<Certificate>,
    /// TLS is only offered, on the port for everything.
    pub offer_tls: bool,
    /// Users and tokens.
    pub access: Rules,
    /// Changes the listeners' rules.
    pub rules: fn(&mut Listener),
    /// What framed messages mean.
    pub framed: framed::Settings,
    pub compression: Compression,
}

impl Setup {
    /// Clients get a program of their own, behind pipes.
    pub fn pipe(argv: &[&str]) -> Self {
        Self {
            auth: false,
            role: Role::Owner,
            shared: false,
            io: Io::Pipe,
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            ring_len: 1 << 20,
            tls: None,
            offer_tls: false,
            access: Rules::default(),
            rules: |_| {},
            framed: framed::Settings::default(),
            compression: Compression::Auto,
        }
    }

    /// A shell script behind pipes.
    pub fn script(script: &str) -> Self {
        Self::pipe(&["/bin/sh", "-c", script])
    }

    /// A shell script on a terminal.
    pub fn terminal(script: &str) -> Self {
        Self {
            io: Io::Pty,
            ..Self::script(script)
        }
    }

    pub async fn start(self) -> Server {
        Server::start(self).await
    }
}

/// A running server with all wires.
pub struct Server {
    pub http: SocketAddr,
    pub tcp: SocketAddr,
    pub telnet: SocketAddr,
    pub auto: SocketAddr,
    pub unix: PathBuf,
    /// Raw bytes.
    pub unix_raw: PathBuf,
    pub framed: SocketAddr,
    pub unix_framed: PathBuf,
    pub admission: Arc<Admission>,
    pub registry: Registry,
    pub metrics: Arc<Metrics>,
    pub tls: Option<Arc<Tls>>,
    pub stop: CancellationToken,
    listeners: JoinSet<()>,
    /// For its sockets; goes with it.
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start(setup: Setup) -> Self {
        let service = "program".to_owned();
        let recipe = Recipe {
            argv: setup.argv,
            env: Vec::new(),
            cwd: None,
            login: false,
            keep_env: None,
            io: setup.io,
            ring_len: setup.ring_len,
            grace_ms: 100,
            linger_ms: 1000,
        };
        let local = Local::new(BTreeMap::from([(service.clone(), recipe)])).unwrap();
        let policy = Arc::new(Policy {
            io: setup.io,
            ..Policy::new(Duration::from_secs(60))
        });
        let settings = Settings {
            services: BTreeMap::from([(service.clone(), policy)]),
            max_sessions: 16,
        };
        let registry = Registry::new(Arc::new(local), settings);
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (http, tcp, telnet, auto) = (bind(), bind(), bind(), bind());
        let framed = bind();
        let framed_at = framed.local_addr().unwrap();
        let (telnet_at, auto_at) = (telnet.local_addr().unwrap(), auto.local_addr().unwrap());
        let (http_at, tcp_at) = (http.local_addr().unwrap(), tcp.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let within = |name| folder.path().join(name);
        let (unix, unix_raw) = (within("socket"), within("raw"));
        let unix_framed = within("framed");
        let admission = Arc::new(Admission::new(Options::new(Rules {
            hosts: [loopback_hosts(http_at), loopback_hosts(auto_at)].concat(),
            ..setup.access
        })));
        let tls = setup
            .tls
            .map(|certificate| Arc::new(Tls::new(certificate, &admission).unwrap()));
        let metrics = Arc::<Metrics>::default();
        metrics.set_ready(true);
        let target = if setup.shared {
            Target::Named {
                name: "shared".to_owned(),
                service,
            }
        } else {
            Target::New { service }
        };
        let mut listener = Listener {
            auth: setup.auth,
            default_role: setup.role,
            framed: setup.framed,
            compression: setup.compression,
            ..Listener::new(target)
        };
        (setup.rules)(&mut listener);
        if setup.offer_tls {
            listener.offered_tls = tls.clone();
        } else {
            listener.tls = tls.clone();
        }
        let context = Context {
            registry: registry.clone(),
            admission: admission.clone(),
            metrics: metrics.clone(),
            listener,
        };
        let workers: Arc<[Handle]> = Arc::new([Handle::current()]);
        let (stop, mut listeners) = (CancellationToken::new(), JoinSet::new());
        let bound = [
            (Listening::Tcp(http), Protocol::Http),
            (Listening::Tcp(tcp), Protocol::Raw),
            (Listening::Tcp(telnet), Protocol::Telnet),
            (Listening::Tcp(auto), Protocol::Auto),
            (
                Listening::Unix(UnixListener::bind(&unix_raw).unwrap()),
                Protocol::Raw,
            ),
            (Listening::Tcp(framed), Protocol::Framed),
            (
                Listening::Unix(UnixListener::bind(&unix_framed).unwrap()),
                Protocol::Framed,
            ),
            (
                Listening::Unix(UnixListener::bind(&unix).unwrap()),
                Protocol::Http,
            ),
        ];
        for (socket, protocol) in bound {
            let bound = Bound { socket, protocol };
            let (context, workers) = (context.clone(), workers.clone());
            listeners.spawn(serve(bound, context, workers, stop.clone()));
        }
        Self {
            http: http_at,
            tcp: tcp_at,
            telnet: telnet_at,
            auto: auto_at,
            unix,
            unix_raw,
            framed: framed_at,
            unix_framed,
            admission,
            registry,
            metrics,
            tls,
            stop,
            listeners,
            _folder: folder,
        }
    }

    /// Stops and waits for everything to end.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.listeners.join_next().await {
            ended.unwrap();
        }
    }
}

/// Fails a test that hangs.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what)
        .await
        .expect("an answer within the test's patience")
}
