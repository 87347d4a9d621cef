//! From the file's types to what runs: every default decided, every program found.

use super::check::uses_tls;
use super::file::{self, File, Service as Written, Tls};
use super::runtime::{Auth, Certificate, Config, Listener, Service, Settled, Target};
use super::values::{Bytes, Cells, Time};
use crate::listener::{ListenUrl, Scheme};
use anywire_model::{Io, Role};
use anywire_process::Recipe;
use anywire_process::ring::DEFAULT_RING_LEN;
use rustix::fs::Access;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How long a terminal lives that nobody looks at.
const TERMINAL_TTL: Time = Time::secs(600);
/// How long a new session waits for its first client.
const NEVER_ATTACHED: Time = Time::secs(60);
/// Between hang-up, termination and kill.
pub(crate) const GRACE: Time = Time::secs(5);
/// How long children may hold a piped program's output.
const LINGER: Time = Time::secs(1);
/// How long output flows after a client's half-close: until the program ends.
const LISTENER_LINGER: Time = Time::NEVER;
/// How long a terminal of xwterm's lives that nobody polls.
const POLLED: Time = Time::secs(120);
/// The terminal's type.
const TERM: &str = "xterm-256color";
/// Where programs are looked for when no `PATH` says it.
const PATH: &str = "/bin:/usr/bin";

/// Fills in every default, so that what is shown is what runs.
pub(crate) fn fill(file: &mut File) {
    for (_, service) in &mut file.services.0 {
        fill_service(service);
    }
    let first = file.services.0.first().map(|(name, _)| name.clone());
    let required = file.auth.required;
    let (connections, tls) = (file.limits.connections, file.tls.clone());
    let own = Tls {
        self_signed: Some(true),
        ..Tls::default()
    };
    let listeners = file.listeners.get_or_insert_with(Vec::new);
    for listener in listeners {
        if listener.service.is_none() {
            listener.service.clone_from(&first);
        }
        listener.session.get_or_insert_with(|| "new".to_owned());
        listener.role.get_or_insert(Role::Owner);
        listener.auth.get_or_insert(required);
        listener.stderr.get_or_insert_default();
        listener.compression.get_or_insert_default();
        listener.max_connections.get_or_insert(connections);
        listener.max_per_address.get_or_insert(connections);
        listener.linger.get_or_insert(LISTENER_LINGER);
        if listener.dialect == Some(file::Dialect::Xwterm) {
            listener.idle.get_or_insert(POLLED);
            let uploads = listener.docroot.as_ref().map(|root| root.join("uploads"));
            listener.upload_dir = listener.upload_dir.take().or(uploads);
        }
        if uses_tls(listener) && listener.tls.is_none() {
            listener.tls = Some(tls.clone().unwrap_or_else(|| own.clone()));
        }
        if listener.url.scheme == Scheme::Framed {
            listener.messages.get_or_insert_default();
        }
    }
}

fn fill_service(service: &mut Written) {
    let policy = service;
    if policy.handler.is_none() {
        policy.io.get_or_insert_default();
        policy.login.get_or_insert(false);
    }
    let terminal = policy.io == Some(file::Io::Pty);
    if terminal {
        policy.term.get_or_insert_with(|| TERM.to_owned());
        policy
            .size
            .get_or_insert(Cells(anywire_model::Size::DEFAULT));
    }
    let ttl = if terminal { TERMINAL_TTL } else { Time::ZERO };
    policy.ttl.get_or_insert(ttl);
    policy.idle.get_or_insert(Time::NEVER);
    policy.max_life.get_or_insert(Time::NEVER);
    policy.never_attached.get_or_insert(NEVER_ATTACHED);
    policy.size_policy.get_or_insert_default();
    policy.lag.get_or_insert_default();
    policy.grace.get_or_insert(GRACE);
    policy.linger.get_or_insert(LINGER);
    policy.log.get_or_insert(Bytes(DEFAULT_RING_LEN as u64));
}

/// What runs, from a file that is filled and without complaints.
pub(crate) fn settle(file: File) -> Settled {
    let mut recipes = BTreeMap::new();
    let mut services = BTreeMap::new();
    let default_service = file.services.0.first().map(|(name, _)| name.clone());
    for (name, written) in file.services.0 {
        services.insert(name.clone(), service(&written));
        if let Some(recipe) = recipe(written) {
            recipes.insert(name, recipe);
        }
    }
    let default_service = default_service.unwrap_or_default();
    let listeners = file.listeners.into_iter().flatten();
    let listeners = listeners
        .map(|listener| settle_listener(listener, &default_service))
        .collect();
    let auth = Auth {
        hosts: file.auth.hosts,
        origins: file.auth.origins,
        users: file.auth.users,
        tokens: file.auth.tokens,
        announce: file.auth.announce,
    };
    let config = Config {
        services,
        default_service,
        listeners,
        limits: file.limits,
        auth,
        log: file.log,
    };
    Settled { recipes, config }
}

fn service(written: &Written) -> Service {
    Service {
        handler: written.handler,
        io: io_of(written),
        size: written.size.unwrap_or(Cells(anywire_model::Size::DEFAULT)),
        ttl: written.ttl.unwrap_or(TERMINAL_TTL),
        idle: written.idle.unwrap_or(Time::NEVER),
        max_life: written.max_life.unwrap_or(Time::NEVER),
        never_attached: written.never_attached.unwrap_or(NEVER_ATTACHED),
        keep_ended: written.keep_ended,
        size_policy: written.size_policy.unwrap_or_default(),
        lag: written.lag.unwrap_or_default(),
        max_sessions: written.max_sessions,
    }
}

fn io_of(written: &Written) -> Io {
    match (written.handler, written.io) {
        (Some(_), _) => Io::Handler,
        (None, Some(file::Io::Pipe)) => Io::Pipe,
        (None, _) => Io::Pty,
    }
}

fn recipe(written: Written) -> Option<Recipe> {
    let io = io_of(&written);
    let argv = written.command?;
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    if io == Io::Pty {
        env.insert("TERM".into(), written.term.unwrap_or_else(|| TERM.into()));
        env.insert("COLORTERM".into(), "truecolor".into());
    }
    env.extend(written.env);
    let log = written.log.map_or(DEFAULT_RING_LEN as u64, |log| log.0);
    Some(Recipe {
        argv,
        login: written.login.unwrap_or(false),
        env: env.into_iter().collect(),
        keep_env: written.keep_env,
        cwd: written.cwd,
        io,
        // The ring's own arithmetic wants a power of two.
        ring_len: usize::try_from(log.next_power_of_two()).unwrap_or(DEFAULT_RING_LEN),
        grace_ms: written.grace.unwrap_or(GRACE).millis(),
        linger_ms: written.linger.unwrap_or(LINGER).millis(),
    })
}

fn settle_listener(written: file::Listener, default_service: &str) -> Listener {
    let session = match written.session.as_deref() {
        None | Some("new") => Target::New,
        Some("lobby") => Target::Lobby,
        Some(name) => Target::Named(name.to_owned()),
    };
    Listener {
        service: written
            .service
            .unwrap_or_else(|| default_service.to_owned()),
        session,
        role: written.role.unwrap_or(Role::Owner),
        auth: written.auth.unwrap_or(true),
        stderr: written.stderr.unwrap_or_default(),
        compression: written.compression.unwrap_or_default(),
        max_connections: written.max_connections.unwrap_or(usize::MAX),
        max_per_address: written.max_per_address.unwrap_or(usize::MAX),
        silent: written.silent,
        linger: written.linger.unwrap_or(LISTENER_LINGER),
        dialect: written.dialect,
        docroot: written.docroot,
        upload_dir: written.upload_dir,
        idle: written.idle.unwrap_or(POLLED),
        tls: written.tls.map(certificate),
        messages: written.messages.unwrap_or_default(),
        url: written.url,
    }
}

fn certificate(tls: Tls) -> Certificate {
    match (tls.cert, tls.key) {
        (Some(cert), Some(key)) => Certificate::Files {
            cert: std::path::absolute(&cert).unwrap_or(cert),
            key: std::path::absolute(&key).unwrap_or(key),
        },
        _ => Certificate::SelfSigned,
    }
}

/// What this machine lacks for it: programs, folders, certificates. Each with the service's name, if it is one's.
pub(crate) fn missing(settled: &Settled) -> Vec<(Option<&str>, String)> {
    let mut missing = Vec::new();
    for (name, recipe) in &settled.recipes {
        if let Err(what) = find(recipe) {
            missing.push((Some(name.as_str()), what));
        }
        if let Some(cwd) = recipe.cwd.as_ref().filter(|cwd| !cwd.is_dir()) {
            let what = format!(
                "{} is no folder that a program could start in",
                cwd.display()
            );
            missing.push((Some(name.as_str()), what));
        }
    }
    for listener in &settled.config.listeners {
        if let Some(docroot) = listener.docroot.as_ref().filter(|root| !root.is_dir()) {
            missing.push((None, format!("{} is no folder", docroot.display())));
        }
        if let Some(Certificate::Files { cert, key }) = &listener.tls {
            for path in [cert, key] {
                if let Err(error) = std::fs::File::open(path) {
                    missing.push((None, format!("{}: {error}", path.display())));
                }
            }
        }
    }
    missing.sort();
    missing.dedup();
    missing
}

/// Looks for a recipe's program as its start will.
fn find(recipe: &Recipe) -> Result<PathBuf, String> {
    let program = recipe.argv.first().map_or("", String::as_str);
    let may = |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    if program.contains('/') {
        let base = recipe.cwd.clone().unwrap_or_default();
        let path = base.join(program);
        if may(&path) {
            return Ok(path);
        }
        let why = if path.exists() {
            "is no program that may be executed"
        } else {
            "does not exist"
        };
        return Err(format!("{program} {why}"));
    }
    let set = recipe.env.iter().find(|(name, _)| name == "PATH");
    let kept = recipe.keep_env.as_ref().is_none_or(|list| {
        list.iter()
            .any(|name| matches!(name.as_str(), "PATH" | "P*" | "*"))
    });
    let inherited = || std::env::var("PATH").ok().filter(|_| kept);
    let path = set
        .map(|(_, path)| path.clone())
        .or_else(inherited)
        .unwrap_or_else(|| PATH.to_owned());
    let found = std::env::split_paths(&path).map(|dir| dir.join(program));
    found.into_iter().find(|path| may(path)).ok_or_else(|| {
        format!("no program is called {program:?} in PATH ({path}); give its whole path")
    })
}

/// What a file without listeners gets.
pub(crate) fn default_listener() -> file::Listener {
    file::Listener::new(ListenUrl::default())
}
