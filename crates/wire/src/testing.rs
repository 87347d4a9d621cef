//! What the tests inside this crate share.

use crate::admit::Options;
use crate::{Admission, Context, Listener, Target};
use anywire_process::Local;
use anywire_session::{Registry, Settings};
use std::sync::Arc;

/// The host name of [`context`].
pub(crate) const HOST: &str = "localhost:7681";

/// A context without services, whose listener lets clients watch.
pub(crate) fn context(auth: bool) -> Arc<Context> {
    let settings = Settings {
        services: Default::default(),
        max_sessions: 1,
    };
    let spawn = Arc::new(Local::new(Default::default()).unwrap());
    Arc::new(Context {
        registry: Registry::new(spawn, settings),
        admission: Arc::new(Admission::new(Options {
            hosts: vec![HOST.to_owned()],
            vault: None,
            save: Box::new(|_| {}),
        })),
        metrics: Arc::default(),
        listener: Listener {
            auth,
            ..Listener::new(Target::New {
                service: "shell".to_owned(),
            })
        },
    })
}
