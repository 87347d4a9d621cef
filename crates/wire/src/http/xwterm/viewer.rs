//! A terminal that is polled: an attachment without a connection, held from one request to the next.

use super::entry::Entry;
use crate::limits;
use crate::metrics::Meter;
use anywire_codec::dialect::xwterm::RESET;
use anywire_codec::text::Decoder;
use anywire_model::{Intent, Offset};
use anywire_session::{Applied, Attachment, Output, Refused, Window};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Output bytes of one answer: as much as the log keeps unless somebody says otherwise.
const ANSWER: usize = 2 * 1024 * 1024;
/// How often a screen that is being drawn is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The attachment of whoever polls.
#[derive(Debug)]
pub(super) struct Viewer(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    attachment: Attachment,
    decoder: Decoder,
    /// The next byte to read.
    read: Offset,
    /// The end was read.
    done: bool,
    meter: Meter,
}

impl Viewer {
    pub(super) fn new(attachment: Attachment, meter: Meter) -> Self {
        Self(Mutex::new(Inner {
            read: attachment.welcome().from,
            attachment,
            decoder: Decoder::default(),
            done: false,
            meter,
        }))
    }

    /// Whether the session's end was read.
    pub(super) fn is_done(&self) -> bool {
        self.0.lock().done
    }

    /// Everything since the last time, without waiting but for a screen that must be drawn first.
    pub(super) async fn take(&self, entry: &Entry) -> String {
        let deadline = Instant::now() + limits::SCREEN;
        let mut text = String::new();
        loop {
            let waits = {
                let mut inner = self.0.lock();
                let before = inner.read;
                inner.drain(&mut text);
                if inner.read != before {
                    // A character that is not whole yet is read again by a new server.
                    let read = inner.read - inner.decoder.held() as u64;
                    entry.keep(inner.attachment.session(), Some(read));
                }
                inner.attachment.is_drawing() && text.is_empty()
            };
            if !waits || Instant::now() >= deadline {
                return text;
            }
            // Its progress stays in the attachment from one look to the next.
            let drawn = poll_fn(|context| pin!(self.0.lock().attachment.ready()).poll(context));
            let _ = timeout(LOOK, drawn).await;
        }
    }

    /// Its window.
    pub(super) fn window(&self) -> Window {
        self.0.lock().attachment.window()
    }

    /// Offers input; says how much of it was taken.
    pub(super) fn input(&self, bytes: &[u8]) -> Result<usize, Refused> {
        let mut inner = self.0.lock();
        let offset = None;
        match inner.attachment.apply(Intent::Input { offset, bytes })? {
            Applied::Taken(taken) => {
                inner.meter.received(taken);
                Ok(taken)
            }
            Applied::Done => Ok(bytes.len()),
        }
    }
}

impl Inner {
    fn drain(&mut self, text: &mut String) {
        let (mut bytes, mut sent) = (Vec::new(), 0);
        while sent < ANSWER && !self.done {
            bytes.clear();
            match self.attachment.next(&mut bytes, limits::CHUNK) {
                Output::Pending => break,
                Output::Bytes { offset, len, .. } => {
                    self.read = offset + len as u64;
                    self.decoder.feed(&bytes, text);
                }
                Output::Keyframe { offset, dump, .. } => {
                    self.read = offset;
                    self.decoder = Decoder::default();
                    self.decoder.feed(&[RESET, &dump].concat(), text);
                    sent += dump.len();
                }
                Output::Gap { to, .. } => self.read = to,
                Output::Resize { .. } => {}
                Output::Closed(_) => {
                    self.decoder.finish(text);
                    self.done = true;
                }
            }
            sent += bytes.len();
        }
        self.meter.sent(sent);
    }
}
