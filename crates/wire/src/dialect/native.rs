//! `anywire.v1`: our own page and command line (docs/protocol.md).

use super::{Dialect, Event, Fault, Frames, Inbound, Open, Request};
use crate::limits;
use crate::metrics::Wire;
use anywire_codec::dialect::native::{
    self, Client, DecodeError, ErrorCode, HEADER, Hello, ServerText, Welcome, keyframe_header,
    output_header,
};
use anywire_model::{CloseReason, Intent, Offset, Stream};
use anywire_session::{Attachment, Lag, Refused};
use std::time::Duration;

/// A client of ours.
#[derive(Debug, Default)]
pub(crate) struct Native {
    opened: bool,
    /// Output bytes that may be on the way beyond `acked`.
    window: Option<u64>,
    /// Output before it was digested.
    acked: Offset,
    /// Output before it was sent.
    sent: Offset,
}

impl Native {
    fn hello(&mut self, hello: Hello) -> Result<Request<'static>, Fault> {
        if std::mem::replace(&mut self.opened, true) {
            return Err(bad("hello is said once"));
        }
        self.window = hello.window;
        Ok(Request::Open(Box::new(Open {
            size: hello.size(),
            session: hello.session,
            since: hello.since,
            role: hello.role,
            lag: hello.lag.map(lag),
            client: hello.client,
            answers: true,
            ..Open::default()
        })))
    }

    /// Output goes on here, whatever was before: a keyframe or a gap needs no `ack`.
    fn go_on_at(&mut self, offset: Offset) {
        self.sent = offset;
        self.acked = self.acked.max(offset);
    }
}

impl Dialect for Native {
    fn wire(&self) -> Wire {
        Wire::Native
    }

    fn patience(&self) -> Duration {
        limits::HELLO
    }

    fn silence(&mut self) -> Result<Open<'static>, Fault> {
        Err(bad("no hello within 5 seconds"))
    }

    fn message<'a>(&mut self, message: Inbound<'a>) -> Result<Request<'a>, Fault> {
        let decoded = match message {
            Inbound::Text(text) => Client::decode_text(text),
            Inbound::Binary(bytes) => Client::decode_binary(bytes),
        };
        let message = match decoded {
            Ok(Client::Hello(hello)) => return self.hello(*hello),
            Ok(message) => message,
            Err(error) if error.is_fatal() => return Err(fault(&error)),
            Err(error) => return Ok(Request::Complain(fault(&error))),
        };
        if !self.opened {
            return Err(bad("the first message is a hello"));
        }
        Ok(match message {
            Client::Input { offset, bytes } => Request::Intent(Intent::Input {
                offset: Some(offset),
                bytes,
            }),
            Client::Resize(size) => Request::Intent(Intent::Resize(size)),
            Client::Signal(signal) => Request::Intent(Intent::Signal(signal)),
            Client::Eof => Request::Intent(Intent::CloseInput),
            Client::Kill => Request::Intent(Intent::Kill),
            Client::Ping(id) => Request::Ping(id),
            Client::Ack(offset) => {
                if offset > self.sent {
                    return Err(bad("an ack of output that was never sent"));
                }
                self.acked = self.acked.max(offset);
                Request::Noted
            }
            Client::Hello(_) => Request::Noted,
        })
    }

    fn allowance(&self) -> usize {
        let Some(window) = self.window else {
            return usize::MAX;
        };
        let left = self.acked.saturating_add(window).saturating_sub(self.sent);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    fn prefix(&self) -> usize {
        HEADER
    }

    fn fill_prefix(&mut self, prefix: &mut [u8], stream: Stream, offset: Offset, len: usize) {
        prefix.copy_from_slice(&output_header(stream, offset));
        self.sent = offset + len as u64;
    }

    fn event(&mut self, event: Event<'_>, out: &mut Frames<'_>) {
        let text = match event {
            Event::Keyframe { offset, dump } => {
                self.go_on_at(offset);
                return out.binary(&[&keyframe_header(offset), dump]);
            }
            Event::Welcome(attachment) => {
                let welcome = welcome(attachment);
                self.go_on_at(welcome.from);
                ServerText::Welcome(Box::new(welcome))
            }
            Event::Resize { size, offset } => ServerText::Resize {
                cols: size.cols,
                rows: size.rows,
                offset,
            },
            Event::Gap { from, to } => {
                self.go_on_at(to);
                ServerText::Gap { from, to }
            }
            Event::InputTaken(offset) => ServerText::Input { offset },
            Event::Pong(id) => ServerText::Pong { id },
            Event::Refused(refused) => error(&Fault::new(
                match refused {
                    Refused::Role => ErrorCode::Forbidden,
                    _ => ErrorCode::BadMessage,
                },
                refused.to_string(),
            )),
            Event::Fault(fault) => error(fault),
            Event::Closed(reason) => match reason {
                CloseReason::Exit(reason) => ServerText::exit(reason.clone(), self.sent),
                CloseReason::Lagged => error(&Fault::new(
                    ErrorCode::TooSlow,
                    "the client did not keep up with the output",
                )),
                CloseReason::Protocol(message) => {
                    error(&Fault::new(ErrorCode::BadMessage, message.clone()))
                }
                CloseReason::Detached | CloseReason::Shutdown => return,
            },
        };
        let mut json = Vec::new();
        text.encode(&mut json);
        out.text(&json);
    }
}

fn bad(message: &str) -> Fault {
    Fault::new(ErrorCode::BadMessage, message)
}

fn fault(error: &DecodeError) -> Fault {
    Fault::new(error.code(), error.to_string())
}

fn error(fault: &Fault) -> ServerText {
    ServerText::Error {
        code: fault.code,
        message: fault.message.clone(),
    }
}

fn lag(lag: native::Lag) -> Lag {
    match lag {
        native::Lag::Resync => Lag::Resync,
        native::Lag::Drop => Lag::Drop,
        native::Lag::Disconnect => Lag::Disconnect,
    }
}

fn welcome(attachment: &Attachment) -> Welcome {
    let (info, given) = (attachment.session().info(), attachment.welcome());
    Welcome {
        session: info.id,
        name: info.name,
        service: info.service,
        io: info.io,
        role: given.role,
        cols: given.size.cols,
        rows: given.size.rows,
        head: given.head,
        from: given.from,
        input: given.input,
        uncertain: given.uncertain,
    }
}
