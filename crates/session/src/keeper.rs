//! The keeper of a session's screen: a task that exists only while somebody needs a picture.
//!
//! It is asked for a keyframe, or told that the ring is about to drop bytes that no screen has seen. Then it draws on
//! from the last checkpoint, in slices of 64 KiB between which others run, and stores a new one. After a while without
//! work it is gone; the checkpoint stays.

use crate::screen::Screen;
use anywire_codec::styled;
use anywire_model::{MarkKind, Offset, Size};
use anywire_process::ring::{CHECKPOINT_MAX, Checkpoint, MARKS_MAX, Ring};
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// Bytes drawn before others get their turn, on a screen of usual size.
const SLICE: usize = 64 << 10;
/// Cells of a screen of usual size. A few bytes can change every cell, so a larger screen gets smaller slices.
const USUAL: usize = 8000;
/// The least, for the largest screen.
const SLICE_MIN: usize = 1 << 10;
/// What is read of a slice of plain text: its last lines.
const END: usize = 16 << 10;
/// Bytes of a keyframe: beyond it attributes are left out, then rows.
const KEYFRAME_MAX: usize = 4 << 20;
/// How long the screen is kept without work.
const IDLE: Duration = Duration::from_secs(5);
/// Requests that may wait; more wait at the door.
const QUEUE: usize = 16;

/// A picture of the screen.
#[derive(Clone, Debug)]
pub(crate) struct Keyframe {
    /// The first byte that is not in it.
    pub(crate) offset: Offset,
    /// The first mark that is not in it.
    pub(crate) marks: u64,
    pub(crate) size: Size,
    pub(crate) dump: Arc<[u8]>,
}

/// What the keeper is asked.
pub(crate) enum Request {
    /// A picture as late as possible.
    Keyframe(oneshot::Sender<Keyframe>),
    /// Store a checkpoint near the head.
    Checkpoint,
    /// Draw up to the head: there are questions to the terminal in it, and nobody else to answer them.
    Answer,
}

/// The door to a keeper that may or may not be at work.
#[derive(Default)]
pub(crate) struct Door(Mutex<Option<mpsc::Sender<Request>>>);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

/// What the keeper needs of its session.
pub(crate) trait House: Send + Sync + 'static {
    fn log(&self) -> &Arc<Ring>;
    fn door(&self) -> &Door;
    fn tasks(&self) -> &TaskTracker;
    /// The ring may be filled a ring's length beyond this offset.
    fn checkpointed(&self, offset: Offset);
    /// Since which offset no attached terminal answers queries, if so.
    fn unattended_since(&self) -> Option<Offset>;
    /// What the screen answers to queries in unattended output up to this offset.
    fn answer(&self, replies: &[u8], upto: Offset);
}

/// Asks the keeper of `house`, starting it if nobody is there. A request that finds the queue full is dropped: of
/// `Checkpoint` one that waits is as good as two, and who waits for a keyframe sees the sender gone and asks again.
pub(crate) fn ask<H: House>(house: &Arc<H>, request: Request) {
    let mut door = house.door().0.lock();
    let request = match door
        .as_ref()
        .map(|sender| sender.clone().try_reserve_owned())
    {
        Some(Ok(place)) => {
            place.send(request);
            return;
        }
        Some(Err(mpsc::error::TrySendError::Full(_))) => return,
        Some(Err(mpsc::error::TrySendError::Closed(_))) | None => request,
    };
    let (sender, requests) = mpsc::channel(QUEUE);
    let _ = sender.try_send(request);
    *door = Some(sender);
    house.tasks().spawn(Box::pin(keep(house.clone(), requests)));
}

async fn keep<H: House>(house: Arc<H>, mut requests: mpsc::Receiver<Request>) {
    let mut drawing = Drawing::begin(house.log().clone());
    loop {
        match tokio::time::timeout(IDLE, requests.recv()).await {
            Ok(Some(Request::Keyframe(to))) => {
                drawing.catch_up(&house).await;
                let _ = to.send(drawing.keyframe());
            }
            Ok(Some(Request::Checkpoint)) => drawing.checkpoint(&house).await,
            Ok(Some(Request::Answer)) => drawing.catch_up(&house).await,
            Ok(None) => return,
            Err(_idle) => {
                let mut door = house.door().0.lock();
                // Nobody can have come in between: whoever asks holds this lock.
                if requests.is_empty() {
                    *door = None;
                    drawing.store(&*house);
                    return;
                }
            }
        }
    }
}

/// What becomes of the last slice, which need not be a whole one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Drawn,
    Left,
}

/// A screen and how far it has read.
struct Drawing {
    log: Arc<Ring>,
    screen: Screen,
    offset: Offset,
    marks: u64,
    stored: Offset,
}

impl Drawing {
    fn begin(log: Arc<Ring>) -> Self {
        let checkpoint = log
            .checkpoint()
            .filter(|checkpoint| checkpoint.offset >= log.tail());
        let (offset, marks) = checkpoint.as_ref().map_or_else(
            || (log.tail(), log.mark_at(log.tail())),
            |checkpoint| (checkpoint.offset, checkpoint.marks),
        );
        let screen = match checkpoint {
            Some(Checkpoint { size, dump, .. }) => Screen::restore(size, &dump),
            None => Screen::new(log.size_at(offset)),
        };
        Self {
            marks,
            log,
            screen,
            offset,
            stored: offset,
        }
    }

    /// Draws up to the head, and answers what asked the terminal while nobody else would.
    async fn catch_up<H: House>(&mut self, house: &Arc<H>) {
        let head = self.log.head();
        let since = house.unattended_since().unwrap_or(head);
        self.advance(house, since.min(head), Last::Drawn).await;
        self.screen.take_replies();
        self.advance(house, head, Last::Drawn).await;
        let replies = self.screen.take_replies();
        if !replies.is_empty() {
            house.answer(&replies, self.offset);
        }
    }

    /// Goes on as far as a checkpoint needs, and stores it. Where somebody answers queries that is no further than whole
    /// slices: of text that goes on and on, nothing is drawn.
    async fn checkpoint<H: House>(&mut self, house: &Arc<H>) {
        if house.unattended_since().is_some() {
            self.catch_up(house).await;
        } else {
            self.advance(house, self.log.head(), Last::Left).await;
        }
        self.store(&**house);
    }

    /// Draws up to `target`, or to the last boundary before it.
    async fn advance<H: House>(&mut self, house: &Arc<H>, target: Offset, last: Last) {
        let mut slice = Vec::new();
        while self.offset < target {
            let until = self.resizes().min(target);
            slice.clear();
            let left = usize::try_from(until - self.offset).unwrap_or(usize::MAX);
            let want = left.min(self.slice());
            if want == left && until == target && last == Last::Left && self.may_leave(left) {
                return;
            }
            if want < left && self.pass_over(want, &mut slice) {
                tokio::task::yield_now().await;
                continue;
            }
            if self.log.read(self.offset, want, &mut slice).is_err() {
                // Only without a place for checkpoints can the ring have overtaken us.
                self.restart();
                continue;
            }
            // Text with more behind it than this slice is not drawn even once a slice.
            if want == left || self.draw(&slice, Screen::skim) == 0 {
                let taken = self.draw(&slice, Screen::advance);
                if taken == 0 && !self.widen(&mut slice, until) {
                    return;
                }
                if self.offset - self.stored >= self.log.capacity() / 4 {
                    self.store(&**house);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Passes over a slice of plain text with more behind it, if it is that. It is searched where it lies, since most of a
    /// flood is such text.
    fn pass_over(&mut self, len: usize, end: &mut Vec<u8>) -> bool {
        let start = self.offset;
        let Some(before) = len.checked_sub(END) else {
            return false;
        };
        let from = start + before as u64;
        if !self.log.has_none_of(start, len, styled::CONTROLS)
            || self.log.read(from, END, end).is_err()
        {
            return false;
        }
        let passed = self.draw(end, Screen::skim) > 0;
        if passed {
            self.offset += before as u64;
        }
        end.clear();
        passed
    }

    /// Whether a checkpoint so many bytes before the head lets the program go on. A short log needs every byte of it.
    fn may_leave(&self, left: usize) -> bool {
        left as u64 <= self.log.capacity() / 4
    }

    /// Bytes of a slice on this screen.
    fn slice(&self) -> usize {
        let size = self.screen.size();
        let cells = usize::from(size.cols) * usize::from(size.rows);
        (SLICE * USUAL / cells.max(1)).clamp(SLICE_MIN, SLICE)
    }

    /// Has the screen take of `bytes` what it will; returns how much that was.
    fn draw(&mut self, bytes: &[u8], take: fn(&mut Screen, &[u8]) -> usize) -> usize {
        let screen = &mut self.screen;
        let drawn = catch_unwind(AssertUnwindSafe(|| take(screen, bytes)));
        let taken = drawn.unwrap_or_else(|_| {
            // A blank screen that the program draws on is better than none for ever.
            tracing::error!(
                offset = self.offset,
                "drawing failed, the screen starts anew"
            );
            self.screen = Screen::new(self.screen.size());
            bytes.len()
        });
        self.offset += taken as u64;
        taken
    }

    /// A sequence did not end within the slice. Offers the screen everything up to `until`; returns whether that
    /// helped. If a resize is next, the sequence is cut there, as a terminal would see it.
    fn widen(&mut self, slice: &mut Vec<u8>, until: Offset) -> bool {
        let left = usize::try_from(until - self.offset).unwrap_or(usize::MAX);
        if slice.len() < left {
            slice.clear();
            if self
                .log
                .read(self.offset, left.min(4 * SLICE), slice)
                .is_err()
            {
                return false;
            }
            return self.draw(slice, Screen::advance) > 0;
        }
        match self.log.mark(self.marks) {
            Some(mark) if mark.offset <= until => {
                self.apply_mark(mark.kind);
                true
            }
            _ => false,
        }
    }

    /// Applies the marks that lie at the offset; returns where the next one lies.
    fn resizes(&mut self) -> Offset {
        let marks = self.log.marks();
        self.marks = self.marks.max(marks.saturating_sub(MARKS_MAX));
        while self.marks < marks {
            match self.log.mark(self.marks) {
                Some(mark) if mark.offset > self.offset => return mark.offset,
                Some(mark) => self.apply_mark(mark.kind),
                None => self.marks += 1,
            }
        }
        Offset::MAX
    }

    fn apply_mark(&mut self, kind: MarkKind) {
        self.marks += 1;
        if let MarkKind::Resize(size) = kind {
            self.screen.resize(size);
        }
    }

    fn restart(&mut self) {
        self.offset = self.log.tail();
        self.marks = self.log.mark_at(self.offset);
        self.screen = Screen::new(self.log.size_at(self.offset));
    }

    fn keyframe(&mut self) -> Keyframe {
        self.resizes();
        let dump = self.screen.dump_within(KEYFRAME_MAX).into();
        Keyframe {
            offset: self.offset,
            marks: self.marks,
            size: self.screen.size(),
            dump,
        }
    }

    fn store(&mut self, house: &impl House) {
        if self.offset > self.stored {
            let dump = self.screen.dump_within(CHECKPOINT_MAX);
            let checkpoint = Checkpoint {
                offset: self.offset,
                marks: self.marks,
                size: self.screen.size(),
                dump,
            };
            if self.log.put_checkpoint(&checkpoint) {
                self.stored = self.offset;
            }
        }
        house.checkpointed(self.stored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anywire_process::ring::create_memory;
    use std::os::fd::AsFd as _;

    #[test]
    fn output_that_breaks_the_drawing_costs_the_picture_and_not_the_session() {
        let log = Arc::new(Ring::heap(Size::DEFAULT, 1 << 16, 1 << 16));
        let mut drawing = Drawing::begin(log);
        assert_eq!(drawing.draw(b"before", Screen::advance), 6);
        assert_eq!(
            drawing.draw(crate::screen::BREAKS, Screen::advance),
            crate::screen::BREAKS.len()
        );
        assert_eq!(drawing.draw(b"after", Screen::advance), 5);
        let picture = drawing.keyframe().dump;
        let has = |text: &[u8]| picture.windows(text.len()).any(|window| window == text);
        assert!(has(b"after") && !has(b"before"));
    }

    /// A session of which nothing is needed but its log.
    struct Nobody {
        log: Arc<Ring>,
        door: Door,
        tasks: TaskTracker,
    }

    impl House for Nobody {
        fn log(&self) -> &Arc<Ring> {
            &self.log
        }
        fn door(&self) -> &Door {
            &self.door
        }
        fn tasks(&self) -> &TaskTracker {
            &self.tasks
        }
        fn checkpointed(&self, _offset: Offset) {}
        fn unattended_since(&self) -> Option<Offset> {
            None
        }
        fn answer(&self, _replies: &[u8], _upto: Offset) {}
    }

    fn house() -> Arc<Nobody> {
        let memory = create_memory(1 << 20).unwrap();
        Arc::new(Nobody {
            log: Arc::new(Ring::open(memory.as_fd(), Size::DEFAULT).unwrap()),
            door: Door::default(),
            tasks: TaskTracker::new(),
        })
    }

    #[tokio::test]
    async fn a_checkpoint_lies_in_the_middle_of_text_and_nothing_was_drawn() {
        let coloured = |line: u32| format!("\x1b[3{}mline {line}\r\n", line % 8);
        let plain = |line: u32| format!("line {line}\r\n");
        for text in [coloured as fn(u32) -> String, plain] {
            let house = house();
            let lines: String = (0..50_000).map(text).collect();
            house.log.append(lines.as_bytes());
            let mut drawing = Drawing::begin(house.log.clone());
            drawing.checkpoint(&house).await;
            let checkpoint = house.log.checkpoint().unwrap();
            assert!(house.log.head() - checkpoint.offset < 2 * SLICE as u64);
            assert!(!checkpoint.dump.windows(4).any(|text| text == b"line"));

            let mut next = Drawing::begin(house.log.clone());
            assert_eq!(next.offset, checkpoint.offset);
            for drawing in [&mut drawing, &mut next] {
                drawing.catch_up(&house).await;
            }
            let mut eager = Screen::new(Size::DEFAULT);
            for line in lines.split_inclusive('\n') {
                assert_eq!(eager.advance(line.as_bytes()), line.len());
            }
            for drawing in [&mut drawing, &mut next] {
                assert_eq!(drawing.keyframe().dump[..], eager.dump()[..]);
            }
            assert!(next.screen.text().contains("line 49999"));
        }
    }

    /// They were applied twice by who went on from there, and rows were lost in a window that was dragged to and fro.
    #[tokio::test]
    async fn resizes_before_a_checkpoint_are_not_for_the_next_keeper() {
        let house = house();
        let text = "x".repeat(79) + "\r\n";
        house.log.append(text.repeat(30).as_bytes());
        let mut drawing = Drawing::begin(house.log.clone());
        drawing.catch_up(&house).await;
        for cols in [40, 80] {
            let size = Size {
                cols,
                ..Size::DEFAULT
            };
            house.log.put_mark(MarkKind::Resize(size));
        }
        drawing.resizes();
        drawing.store(&*house);
        let mut next = Drawing::begin(house.log.clone());
        assert_eq!(drawing.keyframe().dump, next.keyframe().dump);
    }

    #[test]
    fn a_large_screen_gets_small_slices() {
        let slice = |size| {
            let log = Arc::new(Ring::heap(size, 1 << 16, 1 << 16));
            Drawing::begin(log).slice()
        };
        assert_eq!(slice(Size::DEFAULT), SLICE);
        assert!((SLICE_MIN..2 * SLICE_MIN).contains(&slice(Size::MAX)));
    }
}
