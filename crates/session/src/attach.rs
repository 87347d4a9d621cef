//! One viewer of one session: a cursor over its log, and a way in for intents.

use crate::keeper::Keyframe;
use crate::session::Session;
use anywire_codec::query::ReplyFilter;
use anywire_model::{CloseReason, Intent, Io, Mark, MarkKind, Offset, Role, Size, Stream};
use anywire_process::ring::MARKS_MAX;
use anywire_process::{Progress, Ring};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Where an attachment begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The screen as it is (terminals), the oldest byte kept (others).
    Screen,
    /// The oldest byte kept; a terminal whose log no longer begins at 0 starts with a keyframe.
    Oldest,
    /// Exactly this offset if it is still there, else as `Screen`.
    Since(Offset),
    /// Exactly this offset, or the oldest byte kept if it is gone. Never a keyframe.
    Bytes(Offset),
    /// What is written from now on.
    Now,
}

/// What happens to an attachment that does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    /// May slow the program while this attachment is the pacer (the last to give input).
    Block,
    /// Falls behind alone; past the ring it gets a keyframe, or a gap on pipes.
    #[default]
    Resync,
    /// Past the ring it goes on at the oldest byte kept, without a keyframe.
    Drop,
    /// Past the ring it is closed.
    Disconnect,
}

/// How to attach.
#[derive(Clone, Debug)]
pub struct Attach {
    /// What the attachment may do.
    pub role: Role,
    /// Where it begins.
    pub start: Start,
    /// What happens when it is slow; by default a writer may slow the program, and the service decides for others.
    pub lag: Option<Lag>,
    /// The client's window, if it has one.
    pub size: Option<Size>,
    /// The client's name for counting its input across connections.
    pub client: Option<u64>,
    /// Whether a terminal emulator that answers queries is at the other end.
    pub answers: bool,
    /// Who it is, for lists and reasons.
    pub principal: Arc<str>,
}

/// Why attaching failed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachError {
    /// The session has as many attachments as it may have.
    #[error("the session has {0} attachments, the most it may have")]
    Busy(usize),
}

/// What an attachment was given.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The role in force.
    pub role: Role,
    /// The terminal's size at `from`.
    pub size: Size,
    /// The log's end when the attachment was made.
    pub head: Offset,
    /// Where output starts, unless a keyframe comes first.
    pub from: Offset,
    /// A keyframe comes first; its offset, at most `head`, is where output starts.
    pub keyframe: bool,
    /// Input bytes taken so far under this client's name.
    pub input: u64,
    /// Bytes before `input` that may not have arrived.
    pub uncertain: u64,
}

/// The next thing for an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nothing now: wait for [`Attachment::ready`].
    Pending,
    /// `len` bytes were appended to the caller's buffer.
    Bytes {
        /// Offset of the first.
        offset: Offset,
        /// Where they came from.
        stream: Stream,
        /// How many.
        len: usize,
    },
    /// The terminal has this size from here on.
    Resize {
        /// Columns and rows.
        size: Size,
        /// From this offset on.
        offset: Offset,
    },
    /// Reset the terminal, write `dump`, go on at `offset`.
    Keyframe {
        /// The next byte's offset.
        offset: Offset,
        /// The size that the dump is for.
        size: Size,
        /// Bytes that draw the screen on a freshly reset terminal.
        dump: Arc<[u8]>,
    },
    /// Bytes that are gone (pipes, or policy `Drop`).
    Gap {
        /// First byte lost.
        from: Offset,
        /// Next byte to come.
        to: Offset,
    },
    /// The end of this attachment. Nothing follows.
    Closed(CloseReason),
}

/// What became of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Done.
    Done,
    /// So many bytes of the input were taken; offer the rest after [`Attachment::input_ready`].
    Taken(usize),
}

/// Why an intent was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The role does not allow it.
    #[error("this attachment may only watch")]
    Role,
    /// The input's offset lies beyond what was taken so far: bytes are missing.
    #[error("input starts at {got}, expected {expected}")]
    InputGap {
        /// The next byte that is expected.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// The program's input is closed.
    #[error("the program takes no more input")]
    InputClosed,
    /// The policy is [`SizePolicy::Fixed`](crate::SizePolicy::Fixed).
    #[error("this terminal's size is fixed")]
    FixedSize,
}

/// When to ask again for a keyframe that could not be had.
const AGAIN: Duration = Duration::from_millis(50);

/// One viewer of one session. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    session: Session,
    key: u64,
    client: Option<u64>,
    welcome: Welcome,
    cursor: Offset,
    /// The first mark that was not told.
    marks: u64,
    stream: Stream,
    picture: Picture,
    filter: ReplyFilter,
}

/// Whether output goes on from the cursor or from a picture of the screen.
#[derive(Debug)]
enum Picture {
    /// From the cursor.
    None,
    /// From a keyframe that has not been asked for.
    Wanted,
    /// From a keyframe that was asked for.
    Asked(oneshot::Receiver<Keyframe>),
    /// From this one.
    Here(Box<Keyframe>),
}

impl Attachment {
    pub(crate) fn new(
        session: Session,
        key: u64,
        options: &Attach,
        cursor: Offset,
        keyframe: bool,
        (input, uncertain): (u64, u64),
    ) -> Self {
        let log = session.0.log();
        let size = log.size_at(cursor);
        let mut attachment = Self {
            key,
            client: options.client,
            welcome: Welcome {
                role: options.role,
                size,
                head: log.head(),
                from: cursor,
                keyframe,
                input,
                uncertain,
            },
            cursor,
            marks: log.mark_at(cursor),
            stream: Stream::Out,
            picture: if keyframe {
                Picture::Wanted
            } else {
                Picture::None
            },
            filter: ReplyFilter::new(),
            session,
        };
        attachment.stream = attachment.stream_at(cursor);
        attachment
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What the attachment was given.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    fn log(&self) -> &Ring {
        self.session.0.log()
    }

    /// Its window.
    #[must_use]
    pub fn window(&self) -> Window {
        Window {
            session: self.session.clone(),
            key: self.key,
        }
    }

    /// Waits until [`Attachment::next`] has something. Cancel-safe.
    pub async fn ready(&mut self) {
        if self.is_drawing() {
            // Rare, and larger than what an idle attachment waits with.
            return Box::pin(self.drawn()).await;
        }
        let log = self.session.0.log();
        loop {
            let mut changed = pin!(log.changed());
            changed.as_mut().enable();
            let Progress { head, ended } = log.progress();
            if ended || head > self.cursor || log.marks() > self.marks {
                return;
            }
            changed.await;
        }
    }

    /// Waits until the picture is here.
    async fn drawn(&mut self) {
        loop {
            match &mut self.picture {
                Picture::None | Picture::Here(_) => return,
                Picture::Wanted => self.picture = Picture::Asked(self.session.0.ask_keyframe()),
                Picture::Asked(keyframe) => match keyframe.await {
                    Ok(keyframe) => self.picture = Picture::Here(Box::new(keyframe)),
                    // The keeper's queue was full, or it is just leaving.
                    Err(_) => {
                        self.picture = Picture::Wanted;
                        tokio::time::sleep(AGAIN).await;
                    }
                },
            }
        }
    }

    /// Whether a picture of the screen comes next, which [`Attachment::ready`] waits for.
    #[must_use]
    pub fn is_drawing(&self) -> bool {
        !matches!(self.picture, Picture::None)
    }

    /// The next thing, without waiting: at most `max` output bytes are appended to `buf`.
    pub fn next(&mut self, buf: &mut Vec<u8>, max: usize) -> Output {
        match std::mem::replace(&mut self.picture, Picture::None) {
            Picture::None => {}
            Picture::Here(keyframe) => {
                let Keyframe {
                    offset,
                    marks,
                    size,
                    dump,
                } = *keyframe;
                (self.cursor, self.marks) = (offset, marks);
                self.took();
                return Output::Keyframe { offset, size, dump };
            }
            waiting => {
                self.picture = waiting;
                return Output::Pending;
            }
        }
        let progress = self.log().progress();
        if let Some(output) = self.lagging() {
            return output;
        }
        let until = match self.next_mark() {
            Ok(output) => return output,
            Err(until) => until,
        };
        if self.cursor >= progress.head {
            let ended = progress.ended.then(|| self.log().exit().cloned()).flatten();
            return ended.map_or(Output::Pending, |reason| {
                self.session.0.told();
                Output::Closed(CloseReason::Exit(reason))
            });
        }
        let max = max.min(usize::try_from(until - self.cursor).unwrap_or(usize::MAX));
        match self.log().read(self.cursor, max, buf) {
            Ok(len) => {
                let offset = self.cursor;
                self.cursor += len as u64;
                self.took();
                Output::Bytes {
                    offset,
                    stream: self.stream,
                    len,
                }
            }
            // Overtaken between the check and the read.
            Err(_) => self.lagging().unwrap_or(Output::Pending),
        }
    }

    /// What to do when the ring has dropped bytes that this attachment had not taken.
    fn lagging(&mut self) -> Option<Output> {
        let tail = self.log().tail();
        if self.cursor >= tail {
            return None;
        }
        let lag = self.session.0.lag(self.key);
        if let Some(home) = self.session.0.home.upgrade() {
            home.counters.lagged(lag);
        }
        let has_screen = self.session.0.running.io == Io::Pty;
        Some(match lag {
            Lag::Disconnect => Output::Closed(CloseReason::Lagged),
            Lag::Block | Lag::Resync if has_screen => {
                self.picture = Picture::Wanted;
                Output::Pending
            }
            _ => {
                let from = std::mem::replace(&mut self.cursor, tail);
                self.marks = self.log().mark_at(tail);
                self.stream = self.stream_at(tail);
                Output::Gap { from, to: tail }
            }
        })
    }

    /// The mark at the cursor as output, or the offset up to which there is none.
    fn next_mark(&mut self) -> Result<Output, Offset> {
        // Marks that are gone lay at or before the tail, or their bytes would be gone too.
        let marks = self.log().marks();
        self.marks = self.marks.max(marks.saturating_sub(MARKS_MAX));
        while self.marks < marks {
            let Some(mark) = self.log().mark(self.marks) else {
                self.marks += 1;
                continue;
            };
            if mark.offset > self.cursor {
                return Err(mark.offset);
            }
            self.marks += 1;
            match mark.kind {
                MarkKind::Resize(size) => {
                    return Ok(Output::Resize {
                        size,
                        offset: mark.offset,
                    });
                }
                MarkKind::Stream(stream) => self.stream = stream,
            }
        }
        Err(Offset::MAX)
    }

    /// The stream of the byte at `offset`.
    fn stream_at(&self, offset: Offset) -> Stream {
        let log = self.log();
        let marks = log.marks();
        let stream = |index| match log.mark(index)? {
            Mark {
                offset: at,
                kind: MarkKind::Stream(stream),
                ..
            } if at <= offset => Some(stream),
            _ => None,
        };
        let kept = marks.saturating_sub(MARKS_MAX)..marks;
        kept.rev().find_map(stream).unwrap_or_default()
    }

    fn took(&self) {
        self.session.0.took(self.key, self.cursor);
    }

    /// Applies an intent without waiting. Input may be taken in part.
    ///
    /// # Errors
    /// [`Refused`]: nothing was done.
    pub fn apply(&mut self, intent: Intent<'_>) -> Result<Applied, Refused> {
        self.session
            .0
            .apply(self.key, self.client, &mut self.filter, intent)
    }

    /// Waits until the program may take input again after a partial [`Applied::Taken`]. Cancel-safe.
    pub async fn input_ready(&self) {
        self.session.0.running.control.input_ready().await;
    }

    /// Input bytes taken so far under this client's name; 0 for a client without one.
    #[must_use]
    pub fn input_taken(&self) -> u64 {
        self.client
            .map_or(0, |client| self.session.0.input_taken(client))
    }
}

/// An attachment's window, for whoever does not hold the attachment.
#[derive(Clone, Debug)]
pub struct Window {
    session: Session,
    key: u64,
}

impl Window {
    /// It has this size now: the same as the attachment's [`Intent::Resize`].
    ///
    /// # Errors
    /// [`Refused`]: the attachment is gone, or the size is not its affair.
    pub fn resize(&self, size: Size) -> Result<(), Refused> {
        // A size is no input: nothing is filtered.
        let mut filter = ReplyFilter::new();
        let intent = Intent::Resize(size);
        let inner = &self.session.0;
        inner.apply(self.key, None, &mut filter, intent).map(drop)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.session.0.leave(self.key, self.client.is_some());
    }
}
