//! Where programs come from: the supervisor, or handlers inside the server.

use crate::config::file::Handler;
use crate::config::runtime::Config;
use anywire_handler::Echo;
use anywire_process::{Order, Spawn, SpawnError, Spawning};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Starts whatever a service is.
#[derive(Debug)]
pub(crate) struct Programs {
    processes: Arc<dyn Spawn>,
    handlers: RwLock<BTreeMap<String, Handler>>,
}

impl Programs {
    pub(crate) fn new(processes: Arc<dyn Spawn>, config: &Config) -> Self {
        Self {
            processes,
            handlers: RwLock::new(handlers(config)),
        }
    }

    /// Another configuration is in force.
    pub(crate) fn replace(&self, config: &Config) {
        *self.handlers.write() = handlers(config);
    }
}

fn handlers(config: &Config) -> BTreeMap<String, Handler> {
    let handler = |(name, service): (&String, &crate::config::runtime::Service)| {
        Some((name.clone(), service.handler?))
    };
    config.services.iter().filter_map(handler).collect()
}

impl Spawn for Programs {
    fn spawn(&self, order: Order) -> Spawning<'_> {
        let handler = self.handlers.read().get(&order.service).copied();
        match handler {
            Some(Handler::Echo) => {
                static ECHO: Echo = Echo;
                ECHO.spawn(order)
            }
            Some(Handler::Search) => {
                let why = "it answers framed messages and has no sessions: listen on framed://";
                let error = SpawnError::Exec {
                    program: order.service,
                    error: std::io::Error::new(std::io::ErrorKind::Unsupported, why),
                };
                Box::pin(std::future::ready(Err(error)))
            }
            None => self.processes.spawn(order),
        }
    }
}
