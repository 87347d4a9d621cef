//! The registry's timers: sessions that nobody uses, pacers that do not pace, ended sessions that nobody asks for.

use crate::registry::Registry;
use crate::session::{Over, Session};
use anywire_model::SessionId;
use std::cmp::Reverse;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often everything is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long an ended session can still be read when nobody was there to hear of the end, and its policy does not say.
const LINGER: Duration = Duration::from_secs(60);
/// How long it can be read when somebody was: for who lost the connection at that moment.
const LINGER_TOLD: Duration = Duration::from_secs(3);
/// How many ended sessions are kept; the oldest go first.
const LINGERING: usize = 64;

impl Registry {
    /// Runs the timers for ever.
    pub async fn sweep(&self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.sweep_once();
        }
    }

    fn sweep_once(&self) {
        let sessions = self.sessions().into_iter();
        let now = anywire_process::boottime_ms();
        let ended = sessions.filter_map(|session| Some((session.0.sweep(now)?, session.id())));
        let mut ended: Vec<(Over, SessionId)> = ended.collect();
        // By the first server's clock: for a server that has just come they all ended now, and it would forget any of
        // them, also the one whose client is on its way back.
        ended.sort_unstable_by_key(|(over, _)| Reverse((over.at_ms, over.created_ms)));
        for (index, (over, id)) in ended.into_iter().enumerate() {
            let usual = if over.told { LINGER_TOLD } else { LINGER };
            let linger = over.keep.unwrap_or(usual);
            if index >= LINGERING || over.since >= linger {
                self.0.remove(id);
            }
        }
    }
}

/// How often the end of everything is looked for.
const GLANCE: Duration = Duration::from_millis(20);

impl Registry {
    /// The supervisor is gone, and with it whatever could tell how programs end: their sessions end as lost.
    pub fn lose_all(&self) {
        for session in self.sessions() {
            session.0.log().end(anywire_model::ExitReason::ServerLost);
        }
    }

    /// Waits until every program has ended and all of its output is in its log.
    pub async fn all_ended(&self) {
        while !self.sessions().iter().all(Session::has_ended) {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Waits until nobody is attached any more: after their end, until all clients have heard of it.
    pub async fn all_told(&self) {
        while self.sessions().iter().any(Session::is_attached) {
            tokio::time::sleep(GLANCE).await;
        }
    }
}
