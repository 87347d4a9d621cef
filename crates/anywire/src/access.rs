//! Access as the configuration has it, in the form that the wires know: rules, certificates, and the command that
//! shows a new start code.

use crate::config::runtime::{self, Certificate, Config};
use crate::listener::{self, At, Listener, Place};
use crate::server::listener_rules;
use anyhow::{Context as _, Result};
use anywire_wire::admit::{Name, Options, Rules, Save, Token, User, host_name};
use anywire_wire::tls::{self, Tls};
use anywire_wire::{self as wire, Admission};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long the command may take that shows a start code.
const ANNOUNCE: Duration = Duration::from_secs(10);

/// Who may come in, and the certificates of the listeners that have one.
pub(crate) struct Access {
    pub(crate) admission: Arc<Admission>,
    /// By certificate, since listeners share them.
    certificates: Vec<(Certificate, Arc<Tls>)>,
    codes: watch::Receiver<Option<String>>,
    /// Where the listeners are that this server began with, and what they are.
    places: Vec<Place>,
    listeners: Vec<runtime::Listener>,
}

impl Access {
    /// Opens the vault, which is kept by `save`, and reads the certificates.
    pub(crate) fn open(
        listeners: &[Listener],
        config: &Config,
        vault: Option<Vec<u8>>,
        save: Save,
    ) -> Result<Self> {
        let (tell, codes) = watch::channel(None);
        let places: Vec<Place> = listeners.iter().filter_map(Listener::place).collect();
        let admission = Arc::new(Admission::new(Options {
            rules: rules(&places, &config.listeners, &config.auth)?,
            vault,
            save,
            announce: Box::new(move |code| drop(tell.send_replace(Some(code.to_owned())))),
        }));
        let mut access = Self {
            admission,
            certificates: Vec::new(),
            codes,
            places,
            listeners: config.listeners.clone(),
        };
        for written in config
            .listeners
            .iter()
            .filter_map(|rules| rules.tls.as_ref())
        {
            if access.find(written).is_none() {
                let options = options(written, config);
                let tls = Tls::new(options, &access.admission).context("TLS")?;
                access.certificates.push((written.clone(), Arc::new(tls)));
            }
        }
        Ok(access)
    }

    /// A listener's rules, with its certificate.
    pub(crate) fn secure(&self, rules: &runtime::Listener) -> wire::Listener {
        let tls = rules.tls.as_ref().and_then(|written| self.find(written));
        let (tls, offered_tls) = if rules.url.tls {
            (tls, None)
        } else {
            (None, tls)
        };
        wire::Listener {
            tls,
            offered_tls,
            ..listener_rules(rules)
        }
    }

    fn find(&self, written: &Certificate) -> Option<Arc<Tls>> {
        let known = self.certificates.iter().find(|(known, _)| known == written);
        known.map(|(_, tls)| tls.clone())
    }

    /// A line with the fingerprint of the server's own certificate, if a listener presents it: by it clients know whom
    /// they talk to.
    pub(crate) fn fingerprint(&self) -> Option<String> {
        let tls = self.find(&Certificate::SelfSigned)?;
        let fingerprint = tls.fingerprint();
        Some(format!(
            "the certificate's SHA-256 fingerprint is {fingerprint}"
        ))
    }

    /// Takes over the access rules of each configuration to come, and runs the command for each new start code, for
    /// ever.
    pub(crate) async fn follow(self: Arc<Self>, configs: watch::Receiver<Arc<Config>>) {
        tokio::join!(self.follow_rules(configs.clone()), self.announce(configs));
    }

    async fn follow_rules(&self, mut configs: watch::Receiver<Arc<Config>>) {
        while configs.changed().await.is_ok() {
            let config = configs.borrow_and_update().clone();
            self.reload(&config);
        }
    }

    /// Takes another configuration's rules and reads the certificates' files again. What cannot be read stays as it
    /// was, and is logged.
    fn reload(&self, config: &Config) {
        match rules(&self.places, &self.listeners, &config.auth) {
            Ok(rules) => self.admission.reload(rules),
            Err(error) => tracing::error!("access stays as it was: {error:#}"),
        }
        for (_, tls) in &self.certificates {
            if let Err(error) = tls.reload() {
                tracing::error!(%error, "the certificate stays as it was");
            }
        }
    }

    /// One code after the other. What was told before anybody listened counts as well.
    async fn announce(&self, configs: watch::Receiver<Arc<Config>>) {
        let mut codes = self.codes.clone();
        codes.mark_changed();
        while codes.changed().await.is_ok() {
            let code = codes.borrow_and_update().clone();
            let command = configs.borrow().auth.announce.clone();
            if let Some(code) = code {
                tell(&command, &code).await;
            }
        }
    }
}

/// The rules of a configuration on sockets that are bound.
pub(crate) fn rules(
    places: &[Place],
    listeners: &[runtime::Listener],
    auth: &runtime::Auth,
) -> Result<Rules> {
    let mut users = BTreeMap::new();
    for (name, user) in &auth.users {
        let doing = || format!("auth.users.{name}");
        let key: Name = name.parse().with_context(doing)?;
        let user = User::new(&user.password.0, user.role).with_context(doing)?;
        users.insert(key, user);
    }
    let mut tokens = BTreeMap::new();
    for (name, token) in &auth.tokens {
        let doing = || format!("auth.tokens.{name}");
        let key: Name = name.parse().with_context(doing)?;
        let token = Token::new(&token.sha256.0, token.role).with_context(doing)?;
        tokens.insert(key, token);
    }
    Ok(Rules {
        hosts: listener::hosts(places, listeners, &auth.hosts),
        origins: auth.origins.clone(),
        users,
        tokens,
    })
}

fn options(written: &Certificate, config: &Config) -> tls::Options {
    match written {
        Certificate::Files { cert, key } => tls::Options::Files {
            cert: cert.clone(),
            key: key.clone(),
        },
        Certificate::SelfSigned => {
            let own = config
                .listeners
                .iter()
                .filter_map(|rules| match &rules.url.at {
                    At::Name(name, _) => Some(name.clone()),
                    At::Address(address) if !address.ip().is_unspecified() => {
                        Some(address.ip().to_string())
                    }
                    _ => None,
                });
            let names = config.auth.hosts.iter().map(|host| bare(host));
            tls::Options::SelfSigned {
                names: names.chain(own).collect(),
            }
        }
    }
}

/// A host without its port, as certificates name it.
fn bare(host: &str) -> String {
    host_name(host).trim_matches(['[', ']']).to_owned()
}

/// Runs the command with the code as its last argument: no shell, a process group of its own, and ten seconds.
async fn tell(command: &[String], code: &str) {
    let Some((program, arguments)) = command.split_first() else {
        return;
    };
    let spawned = tokio::process::Command::new(program)
        .args(arguments)
        .arg(code)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return tracing::error!(%error, program, "auth.announce does not start"),
    };
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    match tokio::time::timeout(ANNOUNCE, child.wait()).await {
        Ok(Ok(status)) if status.success() => {}
        Ok(Ok(status)) => tracing::warn!(%status, program, "auth.announce failed"),
        Ok(Err(error)) => tracing::error!(%error, program, "waiting for auth.announce"),
        Err(_) => {
            tracing::warn!(program, "auth.announce took longer than ten seconds");
            if let Some(group) = group {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
        }
    }
}
