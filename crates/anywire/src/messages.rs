//! What answers the framed messages of a listener: its service, if that is a handler, or the bridge to sessions.

use crate::activity::Log;
use crate::config::file::Handler;
use crate::config::runtime::{Config, Listener};
use crate::hosted::Hosted;
use anywire_handler::message::{EchoMessages, Search};
use anywire_wire::framed::{Bridge, Service, Settings};
use std::sync::Arc;

/// The settings of a listener; what an echo hears goes to the log, if there is one.
pub(crate) fn settings(config: &Config, rules: &Listener, log: Option<Log>) -> Settings {
    let limits = rules.messages.limits();
    let service = config.services.get(&rules.service);
    let service: Arc<dyn Service> = match service.and_then(|service| service.handler) {
        Some(Handler::Echo) => Arc::new(Hosted::new(EchoMessages, log)),
        Some(Handler::Search) => {
            let search = Search::new(limits);
            let strict = rules.messages.strict;
            Arc::new(Hosted::new(
                if strict { search.strict() } else { search },
                log,
            ))
        }
        None => Arc::new(Bridge),
    };
    Settings {
        service,
        limits,
        deadlines: rules.messages.deadlines(),
    }
}
