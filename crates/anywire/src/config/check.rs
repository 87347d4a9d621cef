//! What is wrong with a configuration beyond single values: what does not go together, is missing, or is dangerous.

use super::file::{Auth, Dialect, File, Handler, Listener, Service, Tls};
use super::read::Step;
use crate::listener::{At, ListenUrl, Scheme};
use crate::logging;
use anywire_model::SessionId;
use anywire_wire::admit::{self, Name};
use std::collections::HashSet;

/// Letters of a service's name: with a number it still is a session's name.
const SERVICE_MAX: usize = 40;
/// Letters of a session's name.
const SESSION_MAX: usize = 64;
/// Bytes of output that may be kept.
const LOG: std::ops::RangeInclusive<u64> = 4096..=1 << 30;

/// Complaints with the way to what they are about.
#[derive(Debug, Default)]
pub(crate) struct Complaints(pub(crate) Vec<(Vec<Step>, String)>);

impl Complaints {
    fn add(&mut self, path: &[&str], what: impl Into<String>) {
        // A step that is a number is an index: no key of ours is one.
        let step = |step: &&str| match step.parse() {
            Ok(index) if path[0] == "listeners" => Step::Index(index),
            _ => Step::Key((*step).to_owned()),
        };
        self.0.push((path.iter().map(step).collect(), what.into()));
    }
}

/// Everything that is wrong.
pub(crate) fn check(file: &File) -> Complaints {
    let mut complaints = Complaints::default();
    for (name, service) in &file.services.0 {
        check_service(&mut complaints, name, service);
    }
    let listeners = file.listeners.as_deref().unwrap_or_default();
    let mut taken = HashSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let index = index.to_string();
        check_listener(&mut complaints, &index, listener, file);
        check_exposure(&mut complaints, &index, listener, &file.auth);
        if !places(&listener.url)
            .into_iter()
            .all(|place| taken.insert(place))
        {
            let what = format!(
                "another listener has this address already: {}",
                listener.url
            );
            complaints.add(&["listeners", &index, "url"], what);
        }
    }
    if let Some(tls) = &file.tls {
        check_tls(&mut complaints, &["tls"], tls);
    }
    check_limits(&mut complaints, file);
    check_auth(&mut complaints, &file.auth);
    if let Some(what) = file.log.level.as_deref().and_then(logging::mistake) {
        complaints.add(&["log", "level"], what);
    }
    complaints
}

/// What a listener takes that no other can have. A port of the kernel's choice is always another one.
fn places(url: &ListenUrl) -> Vec<String> {
    match &url.at {
        At::Path(path) => vec![path.display().to_string()],
        At::Name(_, 0) => Vec::new(),
        At::Name(name, port) => vec![format!("{name}:{port}")],
        At::Localhost(_) | At::Address(_) => {
            let addresses = url.addresses().unwrap_or_default().into_iter();
            addresses
                .filter(|address| address.port() != 0)
                .map(|address| address.to_string())
                .collect()
        }
    }
}

fn is_name(name: &str, max: usize) -> bool {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=max).contains(&name.chars().count()) && name.chars().all(good)
}

fn check_service(complaints: &mut Complaints, name: &str, service: &Service) {
    let mut add = |key: &str, what: String| complaints.add(&["services", name, key], what);
    if !is_name(name, SERVICE_MAX) {
        add(
            "",
            format!(
                "{name:?} cannot be a service's name: 1 to {SERVICE_MAX} letters, digits, '-', '_' and '.'"
            ),
        );
    }
    match (&service.command, service.handler) {
        (None, None) => add(
            "",
            "it needs a command, such as [bash, -l], or a handler".to_owned(),
        ),
        (Some(_), Some(_)) => add(
            "handler",
            "a service has a command or a handler, not both".to_owned(),
        ),
        (Some(command), None) => {
            if command.first().is_none_or(String::is_empty) {
                add("command", "the command names no program".to_owned());
            }
            if command.iter().any(|word| word.contains('\0')) {
                add("command", "a command has no NUL".to_owned());
            }
        }
        (None, Some(_)) => {}
    }
    if service.handler.is_some() && service.io.is_some() {
        add("io", "a handler has neither terminal nor pipes".to_owned());
    }
    for (variable, value) in &service.env {
        if variable.is_empty() || variable.contains(['=', '\0']) || value.contains('\0') {
            add(
                "env",
                format!("{variable:?} cannot be the name of a variable, or its value has a NUL"),
            );
        } else if variable.starts_with("ANYWIRE_") {
            add(
                "env",
                format!("{variable:?}: what begins with ANYWIRE_ is ours"),
            );
        }
    }
    for pattern in service.keep_env.iter().flatten() {
        if pattern.trim_end_matches('*').contains(['*', '=']) || pattern.ends_with("**") {
            add(
                "keep_env",
                format!(
                    "{pattern:?}: write a variable's name, with '*' at its end for all that begin so"
                ),
            );
        }
    }
    if let Some(cwd) = &service.cwd
        && !cwd.is_absolute()
    {
        add(
            "cwd",
            format!("{:?} is no whole path: begin with /", cwd.display()),
        );
    }
    if let Some(log) = service.log
        && !LOG.contains(&log.0)
    {
        add(
            "log",
            format!("{log}: between 4KiB and 1GiB of output can be kept"),
        );
    }
    if service.max_sessions == Some(0) {
        add("max_sessions", "at least 1".to_owned());
    }
}

fn check_listener(complaints: &mut Complaints, index: &str, listener: &Listener, file: &File) {
    let mut add = |key: &str, what: String| complaints.add(&["listeners", index, key], what);
    if let Some(service) = &listener.service
        && file.services.get(service).is_none()
    {
        let names: Vec<&str> = file
            .services
            .0
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        add(
            "service",
            format!(
                "no service is called {service:?}; there are {}",
                names.join(", ")
            ),
        );
    }
    if let Some(session) = &listener.session {
        if !is_name(session, SESSION_MAX) {
            let what = format!(
                "{session:?} cannot be a session's name: 1 to {SESSION_MAX} letters, digits, '-', '_' and '.'"
            );
            add("session", what);
        } else if session.parse::<SessionId>().is_ok() {
            let what = format!(
                "{session:?} cannot be a session's name: 32 hexadecimal digits could be taken for an id"
            );
            add("session", what);
        }
    }
    if listener.silent.is_some() && listener.url.scheme != Scheme::Auto {
        add(
            "silent",
            "only a listener on auto:// or autos:// waits for what a client says first".to_owned(),
        );
    }
    for (key, limit) in [
        ("max_connections", listener.max_connections),
        ("max_per_address", listener.max_per_address),
    ] {
        if limit == Some(0) {
            add(key, "at least 1".to_owned());
        }
    }
    for (key, what) in check_dialect(listener) {
        add(key, what);
    }
    if let Some(tls) = &listener.tls {
        if !uses_tls(listener) {
            add(
                "tls",
                format!(
                    "{} has no TLS: use https, tcps, telnets, framed+tls or autos",
                    listener.url
                ),
            );
        }
        check_tls(complaints, &["listeners", index, "tls"], tls);
    }
    check_messages(complaints, index, listener, file);
}

/// Not every wire has messages, and not every service anything else.
fn check_messages(complaints: &mut Complaints, index: &str, listener: &Listener, file: &File) {
    let has_messages = !matches!(listener.url.scheme, Scheme::Tcp | Scheme::Telnet);
    if let Some(messages) = &listener.messages {
        if !has_messages {
            let what = "framed messages come over framed://, auto:// and WebSocket";
            complaints.add(&["listeners", index, "messages"], what);
        }
        for (key, what) in messages.complaints() {
            complaints.add(&["listeners", index, "messages", key], what);
        }
    }
    let first = file.services.0.first().map(|(name, _)| name);
    let service = listener.service.as_ref().or(first);
    let service = service.and_then(|name| file.services.get(name));
    if !has_messages && service.is_some_and(|it| it.handler == Some(Handler::Search)) {
        let what = "search answers framed messages: listen on framed://";
        complaints.add(&["listeners", index, "url"], what);
    }
}

/// What belongs to a dialect, and where it can be spoken.
fn check_dialect(listener: &Listener) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    if listener.dialect.is_some() && listener.url.scheme != Scheme::Http {
        wrong.push((
            "dialect",
            "a dialect needs http://, https://, ws:// or wss://".into(),
        ));
    }
    let is_new = matches!(listener.session.as_deref(), None | Some("new"));
    if listener.dialect.is_some() && !is_new {
        wrong.push((
            "session",
            "xwterm's clients get sessions of their own: new".into(),
        ));
    }
    let has_pages = listener.dialect == Some(Dialect::Xwterm);
    for (key, folder) in [
        ("docroot", &listener.docroot),
        ("upload_dir", &listener.upload_dir),
    ] {
        let Some(folder) = folder else {
            continue;
        };
        let shown = folder.display();
        if !has_pages {
            wrong.push((key, "only a listener with dialect: xwterm has files".into()));
        } else if !folder.is_absolute() {
            let what = format!("\"{shown}\" is no whole path: begin with /");
            wrong.push((key, what));
        }
    }
    let folders = listener.docroot.as_ref().zip(listener.upload_dir.as_ref());
    if folders.is_some_and(|(docroot, uploads)| docroot.starts_with(uploads)) {
        let what = "uploads need a folder of their own: they must not act as pages of the docroot";
        wrong.push(("upload_dir", what.into()));
    }
    if listener.idle.is_some() && !has_pages {
        let what = "only terminals of a listener with dialect: xwterm are polled";
        wrong.push(("idle", what.into()));
    }
    wrong
}

/// Clients of `auto` may begin with TLS.
pub(crate) fn uses_tls(listener: &Listener) -> bool {
    listener.url.tls || listener.url.scheme == Scheme::Auto
}

/// What other machines can reach needs authentication and TLS, or an explicit word.
fn check_exposure(complaints: &mut Complaints, index: &str, listener: &Listener, auth: &Auth) {
    let url = &listener.url;
    if !url.is_beyond() {
        return;
    }
    if !listener.auth.unwrap_or(auth.required) && !auth.insecure_no_auth {
        complaints.add(
            &["listeners", index, "url"],
            format!(
                "{url} can be reached from other machines and asks nobody who they are: leave authentication on, listen on localhost, or say --insecure-no-auth (auth.insecure_no_auth: true)"
            ),
        );
    }
    if !url.tls && !auth.insecure_no_tls {
        complaints.add(
            &["listeners", index, "url"],
            format!(
                "{url} can be reached from other machines without encryption: use {}, listen on localhost, or say --insecure-no-tls (auth.insecure_no_tls: true)",
                encrypted(url.scheme)
            ),
        );
    }
}

fn encrypted(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Http => "https",
        Scheme::Tcp => "tcps",
        Scheme::Telnet => "telnets",
        Scheme::Framed => "framed+tls",
        Scheme::Auto => "autos",
    }
}

fn check_tls(complaints: &mut Complaints, path: &[&str], tls: &Tls) {
    let files = match (&tls.cert, &tls.key) {
        (Some(_), None) => return complaints.add(path, "cert needs a key beside it"),
        (None, Some(_)) => return complaints.add(path, "key needs a cert beside it"),
        (Some(_), Some(_)) => true,
        (None, None) => false,
    };
    match (files, tls.self_signed == Some(true)) {
        (true, true) => complaints.add(path, "files or self_signed, not both"),
        (false, false) => complaints.add(path, "name cert and key, or say self_signed: true"),
        _ => {}
    }
}

fn check_limits(complaints: &mut Complaints, file: &File) {
    let limits = &file.limits;
    for (key, value) in [
        ("sessions", limits.sessions),
        ("connections", limits.connections),
        ("attachments", limits.attachments),
    ] {
        if !(1..=1_000_000).contains(&value) {
            complaints.add(&["limits", key], "write a number between 1 and 1000000");
        }
    }
}

fn check_auth(complaints: &mut Complaints, auth: &Auth) {
    // What a name and a hash are is said where they are used.
    let mut wrong_name = |kind: &str, name: &str| {
        if let Err(error) = name.parse::<Name>() {
            complaints.add(&["auth", kind, name], error.to_string());
        }
    };
    auth.users.keys().for_each(|name| wrong_name("users", name));
    auth.tokens
        .keys()
        .for_each(|name| wrong_name("tokens", name));
    for (name, user) in &auth.users {
        if let Err(error) = admit::User::new(&user.password.0, user.role) {
            complaints.add(
                &["auth", "users", name, "password"],
                format!("this is no argon2 hash: {error}"),
            );
        }
    }
    for (name, token) in &auth.tokens {
        if let Err(error) = admit::Token::new(&token.sha256.0, token.role) {
            complaints.add(
                &["auth", "tokens", name, "sha256"],
                format!("this is no SHA-256: {error}"),
            );
        }
    }
    let host = |host: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '[' | ']');
        !host.is_empty() && host.chars().all(good)
    };
    for name in auth.hosts.iter().filter(|name| !host(name)) {
        complaints.add(
            &["auth", "hosts"],
            format!("{name:?} is no host, such as example.org or example.org:8443"),
        );
    }
    for origin in &auth.origins {
        let name = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        if !name.is_some_and(host) {
            complaints.add(
                &["auth", "origins"],
                format!("{origin:?} is no origin, such as https://example.org: no path, no '*'"),
            );
        }
    }
    if auth.announce.first().is_some_and(String::is_empty) {
        complaints.add(&["auth", "announce"], "the command names no program");
    }
}
