//! An attachment read as a body: one piece at a time, when the connection has room for it.

use super::{EXIT, NEXT, exit_value};
use crate::http::Stall;
use crate::limits;
use crate::metrics::Meter;
use anywire_model::{CloseReason, ExitReason, Offset, Stream};
use anywire_session::{Attachment, Output};
use axum::body::{Bytes, HttpBody};
use http::{HeaderMap, HeaderValue};
use hyper::body::Frame;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What comes next.
pub(super) enum Piece {
    Bytes(Bytes),
    /// All that was asked for was read, or the session has ended.
    End(Option<ExitReason>),
    /// The log has dropped output that was not read.
    Lost,
}

/// A cursor with an end.
pub(super) struct Reader {
    attachment: Attachment,
    only: Option<Stream>,
    /// Where to stop; the session's end without it.
    until: Option<Offset>,
    /// The first byte of the body.
    start: Offset,
    /// The next byte.
    cursor: Offset,
    /// What was read before the answer began.
    first: Option<Piece>,
}

impl Reader {
    pub(super) fn new(attachment: Attachment, only: Option<Stream>, until: Option<Offset>) -> Self {
        Self {
            start: attachment.welcome().from,
            cursor: attachment.welcome().from,
            attachment,
            only,
            until,
            first: None,
        }
    }

    /// Reads the first piece, if there is one: while nothing was sent, output may still be lost.
    pub(super) fn begin(&mut self) {
        while let Some(piece) = self.try_next() {
            match piece {
                Piece::Lost => self.start = self.cursor,
                piece => {
                    self.first = Some(piece);
                    return;
                }
            }
        }
    }

    /// The offset at which the body begins.
    pub(super) fn from(&self) -> Offset {
        self.start
    }

    /// The next piece, without waiting.
    fn try_next(&mut self) -> Option<Piece> {
        if let Some(piece) = self.first.take() {
            return Some(piece);
        }
        loop {
            let left = match self.until {
                Some(until) if self.cursor >= until => return Some(Piece::End(None)),
                Some(until) => usize::try_from(until - self.cursor).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let mut bytes = Vec::new();
            match self.attachment.next(&mut bytes, left.min(limits::CHUNK)) {
                Output::Pending => return None,
                Output::Bytes {
                    offset,
                    stream,
                    len,
                } => {
                    self.cursor = offset + len as u64;
                    if self.only.is_none_or(|only| only == stream) {
                        return Some(Piece::Bytes(bytes.into()));
                    }
                }
                Output::Resize { .. } => {}
                Output::Gap { to, .. } => {
                    self.cursor = to;
                    return Some(Piece::Lost);
                }
                Output::Closed(CloseReason::Exit(reason)) => return Some(Piece::End(Some(reason))),
                Output::Keyframe { .. } | Output::Closed(_) => return Some(Piece::Lost),
            }
        }
    }

    async fn next(&mut self) -> Piece {
        loop {
            if let Some(piece) = self.try_next() {
                return piece;
            }
            self.attachment.ready().await;
        }
    }
}

type Step = Pin<Box<dyn Future<Output = (Reader, Piece)> + Send>>;

/// The body.
pub(super) struct Pump {
    state: State,
    meter: Meter,
    stall: Arc<Stall>,
}

enum State {
    Idle(Box<Reader>),
    Waiting(Step),
    Done,
}

impl Pump {
    pub(super) fn new(reader: Reader, meter: Meter, stall: Arc<Stall>) -> Self {
        Self {
            state: State::Idle(Box::new(reader)),
            meter,
            stall,
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<(Offset, Piece)>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Idle(mut reader) => {
                    self.state = State::Waiting(Box::pin(async move {
                        let piece = reader.next().await;
                        (*reader, piece)
                    }));
                }
                State::Waiting(mut step) => {
                    let Poll::Ready((reader, piece)) = step.as_mut().poll(context) else {
                        self.state = State::Waiting(step);
                        return Poll::Pending;
                    };
                    let next = reader.cursor;
                    if matches!(piece, Piece::Bytes(_)) {
                        self.state = State::Idle(Box::new(reader));
                    }
                    return Poll::Ready(Some((next, piece)));
                }
            }
        }
    }
}

impl HttpBody for Pump {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.stall.end();
        let Some((next, piece)) = ready!(self.poll_piece(context)) else {
            return Poll::Ready(None);
        };
        self.stall.begin();
        Poll::Ready(Some(match piece {
            Piece::Bytes(bytes) => {
                self.meter.sent(bytes.len());
                Ok(Frame::data(bytes))
            }
            Piece::End(reason) => {
                let mut trailers = HeaderMap::new();
                trailers.insert(NEXT, HeaderValue::from(next));
                if let Some(exit) = reason.as_ref().and_then(exit_value) {
                    trailers.insert(EXIT, exit);
                }
                Ok(Frame::trailers(trailers))
            }
            // The only way to say so in the middle of a body is not to end it.
            Piece::Lost => Err(io::Error::other("the reader was too slow")),
        }))
    }
}
