//! The registry's timers: sessions that nobody uses, pacers that do not pace, ended sessions that nobody asks for.

use crate::registry::Registry;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often everything is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long an ended session can still be read.
const LINGER: Duration = Duration::from_secs(60);
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
        let mut ended: Vec<_> = self
            .sessions()
            .into_iter()
            .filter_map(|session| Some((session.0.sweep()?, session.id())))
            .collect();
        ended.sort_unstable();
        let over = ended
            .iter()
            .enumerate()
            .filter(|(index, (since, _))| *index >= LINGERING || *since >= LINGER);
        over.for_each(|(_, (_, id))| self.0.remove(*id));
    }
}
