//! What may be done to a session by somebody who comes, acts and goes, without a seat in it.

use crate::attach::{Applied, Refused};
use crate::policy::SizePolicy;
use crate::screen::{Picture, Screen};
use crate::session::{Inner, Session, State};
use anywire_model::{ExitReason, Intent, Io, Offset, Role, Size};
use anywire_process::InputError;
use std::ops::Range;
use std::time::Duration;
use tokio::time::Instant;

/// How long the keeper of a screen that is overrun with questions is left alone.
const AGAIN: Duration = Duration::from_millis(10);

impl State {
    /// Since when nothing went in or out.
    pub(crate) fn idle(&self, head: Offset) -> Duration {
        if self.active.1 == head && !self.used {
            self.active.0.elapsed()
        } else {
            Duration::ZERO
        }
    }
}

impl Inner {
    /// Somebody without a seat acts: the session is in use, and whoever did may be back.
    pub(crate) fn visited(&self) {
        let mut state = self.state.lock();
        state.used = true;
        if state.alone_since.is_some() {
            state.alone_since = Some(Instant::now());
            state.alone_for = self.policy.resumable_ttl();
        }
    }
}

impl Session {
    /// Somebody without a seat uses it: from now on it lives unattended as long as one that was attached to, and not
    /// only until the first attachment is overdue.
    pub fn touch(&self) {
        self.0.visited();
    }

    /// The offsets of the output that is kept.
    #[must_use]
    pub fn extent(&self) -> Range<Offset> {
        let log = self.0.log();
        let tail = log.tail();
        // In this order: the head never lies before a tail that was seen earlier.
        tail..log.progress().head.max(tail)
    }

    /// What the program of a terminal has set as its title: at most 256 characters, none of them a control character.
    /// Searched for in what came since the last time, of which only the end counts when it is long.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        (self.0.running.io == Io::Pty)
            .then(|| self.0.title.lock().look(self.0.log()))
            .flatten()
    }

    /// Applies what somebody called `by` wants, if this role allows it. Input is not counted, never paces, and may be
    /// taken in part: offer the rest after [`Session::input_ready`].
    ///
    /// # Errors
    /// [`Refused`]: nothing was done.
    pub fn act(&self, role: Role, by: &str, intent: Intent<'_>) -> Result<Applied, Refused> {
        let allowed = match intent {
            Intent::Kill => role.may_own(),
            _ => role.may_write(),
        };
        if !allowed {
            return Err(Refused::Role);
        }
        self.0.visited();
        let control = &self.0.running.control;
        match intent {
            Intent::Input { bytes, .. } => match control.input(bytes) {
                Ok(taken) => return Ok(Applied::Taken(taken)),
                Err(InputError::Full) => return Ok(Applied::Taken(0)),
                Err(InputError::Closed) => return Err(Refused::InputClosed),
            },
            Intent::Resize(size) => self.resize(role, size)?,
            Intent::Signal(signal) => control.signal(signal),
            Intent::CloseInput => control.close_input(),
            Intent::Kill => control.kill(ExitReason::KilledBy { by: by.to_owned() }),
        }
        Ok(Applied::Done)
    }

    /// The size stands until a window's comes. Whose word counts is the policy's affair, as with windows.
    fn resize(&self, role: Role, size: Size) -> Result<(), Refused> {
        match self.0.policy.size {
            SizePolicy::Fixed => Err(Refused::FixedSize),
            SizePolicy::Owner if !role.may_own() => Err(Refused::Role),
            _ => {
                self.0.set_size(&mut self.0.state.lock(), size);
                Ok(())
            }
        }
    }

    /// Waits until the program may take input again. Cancel-safe.
    pub async fn input_ready(&self) {
        self.0.running.control.input_ready().await;
    }

    /// The screen, and the offset of the first byte that is not in it. `None` for a session without a terminal. Drawn on
    /// threads for such work, a few at once, so that whoever asks often keeps nobody else waiting.
    pub async fn picture(&self, cells: bool) -> Option<(Offset, Picture)> {
        if self.0.running.io != Io::Pty {
            return None;
        }
        self.0.visited();
        let turns = self.0.home.upgrade()?.drawing.clone();
        let turn = turns.acquire_owned().await.ok()?;
        loop {
            if let Ok(keyframe) = self.0.ask_keyframe().await {
                let draw = move || {
                    let screen = Screen::restore(keyframe.size, &keyframe.dump);
                    let picture = screen.picture(cells);
                    drop(turn);
                    (keyframe.offset, picture)
                };
                return tokio::task::spawn_blocking(draw).await.ok();
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}
