//! What the command line and the environment say, on top of the file.

use super::file::{File, Handler, Io, LogFormat, Service, Tls};
use super::read::Step;
use super::report::Problems;
use super::tree::{Kind, Node};
use super::values::{Cells, Time};
use std::path::{Path, PathBuf};

/// Flags, of which the environment's are a kind: clap reads both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    /// Listeners in place of the file's.
    pub(crate) listen: Vec<String>,
    /// The session of listeners that name none.
    pub(crate) session: Option<String>,
    /// Nobody is asked who they are.
    pub(crate) no_auth: bool,
    /// The same, beyond this machine too.
    pub(crate) insecure_no_auth: bool,
    /// Beyond this machine without TLS.
    pub(crate) insecure_no_tls: bool,
    /// The certificate of listeners that name none.
    pub(crate) cert: Option<PathBuf>,
    /// Its key.
    pub(crate) key: Option<PathBuf>,
    /// How logs look.
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged.
    pub(crate) log_level: Option<String>,
    /// A service in front of the file's.
    pub(crate) command: Vec<String>,
    /// A service inside the server, in front of the file's.
    pub(crate) handler: Option<Handler>,
    /// Settings of the default service.
    pub(crate) pipe: bool,
    pub(crate) login: bool,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) size: Option<Cells>,
    pub(crate) term: Option<String>,
    pub(crate) ttl: Option<Time>,
    pub(crate) grace: Option<Time>,
}

impl Overlay {
    /// Puts it on top of a file.
    pub(super) fn put_on(&self, file: &mut File) -> Result<(), Problems> {
        self.put_on_services(file);
        if !self.listen.is_empty() {
            file.listeners = Some(super::listeners(&self.listen)?);
        }
        if let Some(session) = &self.session {
            let listeners = file
                .listeners
                .get_or_insert_with(|| vec![super::settle::default_listener()]);
            for listener in listeners {
                listener.session.get_or_insert_with(|| session.clone());
            }
        }
        if self.no_auth || self.insecure_no_auth {
            file.auth.required = false;
        }
        file.auth.insecure_no_auth |= self.insecure_no_auth;
        file.auth.insecure_no_tls |= self.insecure_no_tls;
        if self.cert.is_some() || self.key.is_some() {
            file.tls = Some(Tls {
                cert: self.cert.clone(),
                key: self.key.clone(),
                self_signed: None,
            });
        }
        if let Some(format) = self.log_format {
            file.log.format = format;
        }
        if let Some(level) = &self.log_level {
            file.log.level = Some(level.clone());
        }
        Ok(())
    }

    /// The command becomes the default service; the other flags are about the default service, whichever it is.
    fn put_on_services(&self, file: &mut File) {
        if let Some(handler) = self.handler {
            let service = Service {
                handler: Some(handler),
                ..Service::default()
            };
            file.services.0.insert(0, ("echo".to_owned(), service));
        } else if !self.command.is_empty() || file.services.0.is_empty() {
            let command = if self.command.is_empty() {
                vec![shell()]
            } else {
                self.command.clone()
            };
            let name = service_name(&command[0]);
            let service = Service {
                command: Some(command),
                ..Service::default()
            };
            file.services.0.retain(|(known, _)| *known != name);
            file.services.0.insert(0, (name, service));
        }
        let Some((_, service)) = file.services.0.first_mut() else {
            return;
        };
        if self.pipe {
            service.io = Some(Io::Pipe);
        }
        if self.login {
            service.login = Some(true);
        }
        if let Some(cwd) = &self.cwd {
            // Where the flag was given, not where the file lies.
            service.cwd = Some(std::path::absolute(cwd).unwrap_or_else(|_| cwd.clone()));
        }
        fn set<T: Clone>(target: &mut Option<T>, flag: &Option<T>) {
            if flag.is_some() {
                target.clone_from(flag);
            }
        }
        set(&mut service.size, &self.size);
        set(&mut service.term, &self.term);
        set(&mut service.ttl, &self.ttl);
        set(&mut service.grace, &self.grace);
    }

    /// Whether what a complaint is about came from here and not from the file.
    pub(super) fn made(&self, path: &[Step], root: &Node) -> bool {
        let Some(Step::Key(first)) = path.first() else {
            return true;
        };
        let Kind::Map(entries) = &root.kind else {
            return true;
        };
        let section = entries.iter().find(|(key, _)| key.name == *first);
        let Some((_, section)) = section else {
            return true;
        };
        match (first.as_str(), &section.kind, path.get(1)) {
            ("listeners", ..) => !self.listen.is_empty(),
            ("tls", ..) => self.cert.is_some() || self.key.is_some(),
            ("services", Kind::Map(services), Some(Step::Key(name))) => {
                !services.iter().any(|(key, _)| key.name == *name)
            }
            _ => false,
        }
    }
}

fn shell() -> String {
    std::env::var("SHELL")
        .ok()
        .filter(|shell| !shell.is_empty())
        .unwrap_or_else(|| "/bin/sh".to_owned())
}

/// What a service of the command line is called: as its program, as far as names go.
fn service_name(program: &str) -> String {
    let name = Path::new(program).file_name();
    let name: String = name
        .map_or("program".into(), |name| name.to_string_lossy())
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(40)
        .collect();
    if name.is_empty() {
        "program".to_owned()
    } else {
        name
    }
}
