//! Timers of sessions: those that nobody uses, pacers that do not pace, ended sessions that nobody asks for.

use crate::registry::Registry;
use crate::session::{Inner, Session, State};
use anywire_model::{ExitReason, SessionId};
use std::cmp::Reverse;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often everything is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How long an ended session can still be read when nobody was there to hear of the end, and its policy does not say.
const LINGER: Duration = Duration::from_secs(60);
/// How long it can be read when somebody was: for who lost the connection at that moment.
const LINGER_TOLD: Duration = Duration::from_secs(3);
/// How many ended sessions are kept; the oldest go first.
const LINGERING: usize = 64;

/// What the sweep wants to know of a session that has ended.
pub(crate) struct Over {
    /// When that was noticed first, in milliseconds since the machine started.
    pub(crate) at_ms: u64,
    /// When it began, likewise.
    pub(crate) created_ms: u64,
    /// It has been kept for long enough.
    pub(crate) is_due: bool,
}

impl Inner {
    /// Once a second: timers of this session. What is known of its end, if it has ended.
    pub(crate) fn sweep(&self, now_ms: u64) -> Option<Over> {
        let mut state = self.state.lock();
        if self.log().exit().is_some() {
            self.note_end(&mut state, now_ms);
            let since = state.ended_at.get_or_insert_with(Instant::now).elapsed();
            let is_told = state.told && state.seats.len() == 0;
            let usual = if is_told { LINGER_TOLD } else { LINGER };
            return Some(Over {
                at_ms: state.ended_ms.unwrap_or(now_ms),
                created_ms: self.log().created_ms(),
                is_due: since >= self.policy.keep_ended.unwrap_or(usual),
            });
        }
        let head = self.log().head();
        if std::mem::take(&mut state.used) || state.active.1 != head {
            state.active = (Instant::now(), head);
        }
        let held_long_enough = state.hold.is_some_and(|(_, until)| until <= Instant::now());
        if held_long_enough {
            state.hold = None;
        }
        let unpaced = state.seats.lose_patience(head);
        if let Some(home) = self.home.upgrade().filter(|_| unpaced) {
            home.counters.unpaced();
        }
        if unpaced || held_long_enough {
            self.open_gate(&state);
        }
        if state.hold.is_none() && self.end_cut_paste(&mut state) {
            self.save_page_of(&state);
        }
        let over = self.over(&mut state);
        drop(state);
        if let Some(reason) = over {
            self.running.control.kill(reason);
        }
        None
    }

    /// It has ended, and a later server is to know since when.
    pub(crate) fn note_end(&self, state: &mut State, now_ms: u64) {
        if state.ended_ms.is_none() {
            state.ended_ms = Some(now_ms);
            self.save_page_of(state);
        }
    }

    /// Why the session is to end now, if it is.
    fn over(&self, state: &mut State) -> Option<ExitReason> {
        let created = self.log().created_ms();
        let age = Duration::from_millis(anywire_process::boottime_ms().saturating_sub(created));
        let beyond = |limit: Option<Duration>, time: Duration| limit.is_some_and(|l| time >= l);
        let alone = state
            .alone_since
            .is_some_and(|since| since.elapsed() >= state.alone_for);
        if beyond(self.policy.max_life, age) {
            Some(ExitReason::Wall)
        } else if alone || beyond(self.policy.idle, state.active.0.elapsed()) {
            Some(ExitReason::Idle)
        } else {
            None
        }
    }
}

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
            if index >= LINGERING || over.is_due {
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
            session.0.log().end(ExitReason::ServerLost);
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
