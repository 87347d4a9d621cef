//! What `serve` tells every server that its supervisor starts.

use anywire_model::Io;
use anywire_session::Policy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most sessions there may be.
pub(crate) const MAX_SESSIONS: usize = 16_384;

/// The configuration in the form that travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Whether clients must say who they are.
    pub(crate) auth: bool,
    /// The service of clients that name no session.
    pub(crate) service: String,
    /// How long sessions of each service live unattended, in milliseconds.
    pub(crate) services: BTreeMap<String, u64>,
    /// What carries the bytes of their programs.
    #[serde(default)]
    pub(crate) ios: BTreeMap<String, Io>,
}

impl Config {
    pub(crate) fn policies(&self) -> BTreeMap<String, Policy> {
        let policy = |ttl_ms: &u64| Policy {
            ttl: Duration::from_millis(*ttl_ms),
        };
        self.services
            .iter()
            .map(|(name, ttl_ms)| (name.clone(), policy(ttl_ms)))
            .collect()
    }
}
