//! What listeners with the dialect `xwterm` share: one table of ids for each service.

use crate::config::Config;
use crate::config::file::Dialect;
use crate::config::runtime::Listener as Rules;
use crate::listener::Listener;
use anywire_session::Registry;
use anywire_wire::xwterm::{Hub, Options, Pages, Xwterm};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The hubs of a server by service.
pub(crate) struct Hubs(BTreeMap<String, Shared>);

struct Shared {
    hub: Arc<Hub>,
    /// The port of the pages.
    pages: Option<u16>,
}

impl Hubs {
    /// Finds the sessions that an earlier server left, and makes the folders of uploads.
    pub(crate) fn new(registry: &Registry, config: &Config, listeners: &[Listener]) -> Self {
        let mut hubs = BTreeMap::new();
        for rules in config
            .listeners
            .iter()
            .filter(|rules| rules.dialect.is_some())
        {
            let service = &rules.service;
            if let Some(folder) = &rules.upload_dir
                && let Err(error) = std::fs::create_dir_all(folder)
            {
                tracing::warn!(%error, folder = %folder.display(), "there will be no uploads");
            }
            hubs.entry(service.clone()).or_insert_with(|| Shared {
                hub: Hub::new(registry.clone(), options(service, config)),
                pages: page_port(service, config, listeners),
            });
        }
        Self(hubs)
    }

    /// What a listener serves, if it has the dialect.
    pub(crate) fn serve(&self, rules: &Rules) -> Option<Arc<Xwterm>> {
        let dialect = rules.dialect?;
        let shared = self.0.get(&rules.service)?;
        Some(Arc::new(Xwterm {
            hub: shared.hub.clone(),
            pages: (dialect == Dialect::Xwterm).then(|| Pages {
                docroot: rules.docroot.clone(),
                upload_dir: rules.upload_dir.clone(),
            }),
            page_port: shared.pages.filter(|_| dialect == Dialect::XwtermWs),
        }))
    }

    /// The server stops: nobody who polls is waited for.
    pub(crate) fn release(&self) {
        self.0.values().for_each(|shared| shared.hub.release());
    }

    /// Runs the timers of all.
    pub(crate) fn run(&self, tasks: &mut JoinSet<()>) {
        for shared in self.0.values() {
            tasks.spawn(shared.hub.clone().run());
        }
    }
}

fn options(service: &str, config: &Config) -> Options {
    let mine = config
        .listeners
        .iter()
        .filter(|rules| rules.service == service);
    let mut pages = mine.filter(|rules| rules.dialect == Some(Dialect::Xwterm));
    Options {
        service: service.to_owned(),
        idle: pages
            .next()
            .map_or(Duration::MAX, |rules| rules.idle.duration()),
        size: config.services.get(service).map(|service| service.size.0),
    }
}

fn page_port(service: &str, config: &Config, listeners: &[Listener]) -> Option<u16> {
    let mut places = listeners.iter().filter_map(Listener::place);
    let (address, _) = places.find(|(_, index)| {
        let rules = config.listeners.get(*index);
        rules
            .is_some_and(|rules| rules.service == service && rules.dialect == Some(Dialect::Xwterm))
    })?;
    Some(address.port())
}

/// What the sample server prints of a listener.
pub(crate) fn ready(dialect: Dialect, address: SocketAddr, rules: &Rules) -> String {
    match (dialect, &rules.docroot) {
        (Dialect::Xwterm, Some(root)) => format!(
            "*** HTTP server ready - bind address={address} root={}",
            root.display()
        ),
        (Dialect::Xwterm, None) => format!("*** HTTP server ready - bind address={address}"),
        (Dialect::XwtermWs, _) => format!("*** Websocket server ready - bind address={address}"),
    }
}
