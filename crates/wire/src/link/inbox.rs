//! From bytes that were read to requests that were carried out.

use super::framing::Item;
use super::{End, Framing, Link, scratch};
use crate::dialect::{Dialect, Event, Fault, Frames, Inbound, Open, Request, Wrap};
use crate::{Target, limits};
use anywire_codec::dialect::native::ErrorCode;
use anywire_model::Intent;
use anywire_session::{Applied, Attachment, Refused};

/// Bytes of a message that is not complete, or that must wait.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Whether `bytes` may begin with a whole message.
    pub(super) ready: bool,
    /// The peer sends no more.
    pub(super) ended: bool,
    /// And it was asked whether it still listens.
    pub(super) asked: bool,
}

impl Inbox {
    /// How many bytes are there.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len()
    }

    /// Starts with these bytes; their memory is kept only if there are any.
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let ready = !bytes.is_empty();
        Self {
            bytes: if ready { bytes } else { Vec::new() },
            ready,
            ended: false,
            asked: false,
        }
    }
}

/// Input that the program did not take yet.
#[derive(Debug)]
struct Stash {
    /// Where `bytes` begin in the client's count.
    offset: Option<u64>,
    bytes: Vec<u8>,
}

/// The conversation with the client.
pub(super) struct Talk {
    pub(super) dialect: Box<dyn Dialect>,
    stash: Option<Box<Stash>>,
    /// The input count that the client was told last.
    told: u64,
    /// Set by any byte from the peer.
    pub(super) heard: bool,
}

impl Talk {
    pub(super) fn new(dialect: Box<dyn Dialect>) -> Self {
        Self {
            dialect,
            stash: None,
            told: 0,
            heard: false,
        }
    }

    /// Whether input waits for the program.
    pub(super) fn is_blocked(&self) -> bool {
        self.stash.is_some()
    }

    /// The client is attached.
    pub(super) fn begin(&mut self, attachment: &Attachment, out: &mut Frames<'_>) {
        self.told = attachment.welcome().input;
        self.dialect.event(Event::Welcome(attachment), out);
    }

    /// Input that came with the opening message: for the program, as soon as there is one.
    pub(super) fn keep_input(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.stash = Some(Box::new(Stash {
                offset: None,
                bytes: bytes.into(),
            }));
        }
    }

    /// Offers the program what it did not take.
    pub(super) fn retry(
        &mut self,
        attachment: &mut Attachment,
        out: &mut Frames<'_>,
    ) -> Result<(), End> {
        let Some(stash) = self.stash.take() else {
            return Ok(());
        };
        let Stash { offset, bytes } = *stash;
        self.intent(
            attachment,
            Intent::Input {
                offset,
                bytes: &bytes,
            },
            out,
        )?;
        self.tell(attachment, out);
        Ok(())
    }

    /// Carries out a message of an attached client.
    fn message(
        &mut self,
        attachment: &mut Attachment,
        message: Inbound<'_>,
        out: &mut Frames<'_>,
    ) -> Result<(), End> {
        match self.dialect.message(message).map_err(End::Fault)? {
            Request::Intent(intent) => self.intent(attachment, intent, out)?,
            Request::Typed { size, input } => {
                if let Some(size) = size {
                    self.intent(attachment, Intent::Resize(size), out)?;
                }
                let (offset, bytes) = (None, &*input);
                self.intent(attachment, Intent::Input { offset, bytes }, out)?;
            }
            Request::Ping(id) => self.dialect.event(Event::Pong(id), out),
            Request::Complain(fault) => self.dialect.event(Event::Fault(&fault), out),
            Request::Noted => {}
            Request::Open(_) => {
                let fault = Fault::new(ErrorCode::BadMessage, "already attached");
                return Err(End::Fault(fault));
            }
        }
        Ok(())
    }

    /// Gives the program what was typed together.
    fn give(
        &mut self,
        attachment: &mut Attachment,
        typed: &mut Vec<u8>,
        out: &mut Frames<'_>,
    ) -> Result<(), End> {
        let bytes = &std::mem::take(typed)[..];
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = None;
        self.intent(attachment, Intent::Input { offset, bytes }, out)
    }

    fn intent(
        &mut self,
        attachment: &mut Attachment,
        intent: Intent<'_>,
        out: &mut Frames<'_>,
    ) -> Result<(), End> {
        let input = match &intent {
            Intent::Input { offset, bytes } => Some((*offset, *bytes)),
            _ => None,
        };
        match (attachment.apply(intent), input) {
            (Ok(Applied::Taken(n)), Some((offset, bytes))) if n < bytes.len() => {
                self.stash = Some(Box::new(Stash {
                    offset: offset.map(|offset| offset + n as u64),
                    bytes: bytes[n..].into(),
                }));
            }
            (Ok(_), _) => {}
            (Err(refused @ Refused::InputGap { .. }), _) => {
                let fault = Fault::new(ErrorCode::BadMessage, refused.to_string());
                return Err(End::Fault(fault));
            }
            // Keys that are pressed while a program ends are nobody's fault.
            (Err(Refused::InputClosed), _) => {}
            (Err(refused), _) => self.dialect.event(Event::Refused(refused), out),
        }
        Ok(())
    }

    /// Acknowledges input that was given to the program.
    fn tell(&mut self, attachment: &Attachment, out: &mut Frames<'_>) {
        let taken = attachment.input_taken();
        if taken != self.told {
            self.told = taken;
            self.dialect.event(Event::InputTaken(taken), out);
        }
    }
}

impl Link {
    /// Whether more may be read: nothing waits for the program, little waits for the peer.
    pub(super) fn may_read(&self) -> bool {
        !self.inbox.ended && self.may_process()
    }

    fn may_process(&self) -> bool {
        !self.talk.is_blocked() && self.outbox.len() < limits::OUTBOX
    }

    /// Reads once and carries out what is complete.
    pub(super) fn read_turn(&mut self, attachment: &mut Attachment) -> Result<(), End> {
        scratch::with(|scratch| {
            let read = self.socket.try_read(&mut scratch.input);
            let n = match read.map_err(|_| End::Gone)? {
                None => return Ok(()),
                Some(0) => return self.ended(attachment, &mut scratch.output),
                Some(n) => n,
            };
            self.talk.heard = true;
            self.record.received(n);
            if self.inbox.bytes.is_empty() {
                let read = &mut scratch.input[..n];
                let used = self.process(attachment, read, &mut scratch.output)?;
                self.inbox.bytes.extend_from_slice(&read[used..]);
            } else {
                self.inbox.bytes.extend_from_slice(&scratch.input[..n]);
                self.process_inbox(attachment, &mut scratch.output)?;
            }
            self.outbox.send(&mut self.socket, &scratch.output)
        })
    }

    /// Goes on with what had to wait, once the program has taken its input or the peer our answers.
    pub(super) fn catch_up(&mut self, attachment: &mut Attachment) -> Result<(), End> {
        let waits = self.talk.is_blocked() || self.inbox.ready;
        if !waits || self.outbox.len() >= limits::OUTBOX {
            return Ok(());
        }
        scratch::with(|scratch| {
            let mut frames = Frames {
                wrap: self.framing.wrap(),
                out: &mut scratch.output,
            };
            self.talk.retry(attachment, &mut frames)?;
            if self.inbox.ready && self.may_process() {
                self.process_inbox(attachment, &mut scratch.output)?;
            }
            self.outbox.send(&mut self.socket, &scratch.output)
        })?;
        self.end_input(attachment);
        Ok(())
    }

    /// Closes the program's input behind the peer's last byte, unless the peer may be gone, or others go on typing.
    pub(super) fn end_input(&self, attachment: &mut Attachment) {
        if !self.inbox.ended || self.inbox.asked || self.talk.is_blocked() {
            return;
        }
        if self.is_own() && attachment.session().info().attachments <= 1 {
            let _ = attachment.apply(Intent::CloseInput);
        }
    }

    /// Whether the session was made for this client.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.context.listener.target, Target::New { .. })
    }

    fn process_inbox(&mut self, attachment: &mut Attachment, out: &mut Vec<u8>) -> Result<(), End> {
        let mut bytes = std::mem::take(&mut self.inbox.bytes);
        let used = self.process(attachment, &mut bytes, out)?;
        bytes.drain(..used);
        if !bytes.is_empty() {
            self.inbox.bytes = bytes;
        }
        Ok(())
    }

    /// Carries out the whole messages at the start of `bytes`, until one must wait; returns how many bytes are done.
    fn process(
        &mut self,
        attachment: &mut Attachment,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, End> {
        let (mut typed, mut at) = (Vec::new(), 0);
        let processed = self.process_into(attachment, bytes, &mut at, &mut typed, out);
        // Also in front of what ends the connection.
        let wrap = self.framing.wrap();
        self.talk
            .give(attachment, &mut typed, &mut Frames { wrap, out })?;
        processed?;
        if at == bytes.len() {
            self.inbox.ready = false;
        }
        self.talk.tell(attachment, &mut Frames { wrap, out });
        Ok(at)
    }

    /// The same, `at` being how many bytes are done, without the input at the end that is still to be given: where
    /// messages are nothing but bytes, those that come together are one piece of input in `typed`.
    fn process_into(
        &mut self,
        attachment: &mut Attachment,
        bytes: &mut [u8],
        at: &mut usize,
        typed: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), End> {
        let wrap = self.framing.wrap();
        let (joins, len) = (self.talk.dialect.is_bytes(), bytes.len());
        self.inbox.ready = true;
        while self.may_process() && out.len() < limits::OUTBOX {
            let Some((used, item)) = self.framing.next(&mut bytes[*at..])? else {
                self.inbox.ready = false;
                break;
            };
            *at += used;
            let mut frames = Frames { wrap, out };
            match item {
                // What comes alone needs no copy.
                Item::Message(message) if joins && (*at < len || !typed.is_empty()) => {
                    typed.extend_from_slice(message.bytes());
                }
                Item::Message(message) => self.talk.message(attachment, message, &mut frames)?,
                Item::Ping(payload) => frames.pong(payload),
                Item::Intent(intent) => {
                    self.talk.give(attachment, typed, &mut frames)?;
                    self.talk.intent(attachment, intent, &mut frames)?;
                }
                Item::Reply(reply) => frames.out.extend_from_slice(reply),
                Item::Nothing => {}
            }
        }
        Ok(())
    }

    /// The peer ended its side: on a raw wire that is the end of the input only.
    fn ended(&mut self, attachment: &mut Attachment, out: &mut Vec<u8>) -> Result<(), End> {
        if let Framing::WebSocket { .. } = self.framing {
            return Err(End::Gone);
        }
        self.inbox.ended = true;
        let (wrap, rest) = (self.framing.wrap(), self.framing.finish());
        if !rest.is_empty() {
            let mut frames = Frames { wrap, out };
            self.talk
                .message(attachment, Inbound::Binary(rest), &mut frames)?;
        }
        // Somebody whose client has gone did not press ^D: the session lives on as its service says.
        if let Some(question) = self.framing.are_you_there() {
            self.inbox.asked = true;
            out.extend_from_slice(question);
            self.outbox.send(&mut self.socket, out)?;
        }
        self.end_input(attachment);
        Ok(())
    }

    /// Before the attachment: reads once if told to, and looks for the opening message.
    pub(super) fn open_turn(&mut self, read: bool) -> Result<Option<Open<'static>>, End> {
        if read {
            let ended = scratch::with(|scratch| {
                let read = self.socket.try_read(&mut scratch.input);
                match read.map_err(|_| End::Gone)? {
                    None => Ok(false),
                    Some(0) => Ok(true),
                    Some(n) => {
                        self.record.received(n);
                        self.inbox.bytes.extend_from_slice(&scratch.input[..n]);
                        Ok(false)
                    }
                }
            })?;
            if ended {
                return Err(End::Gone);
            }
        }
        let mut bytes = std::mem::take(&mut self.inbox.bytes);
        let opened = self.open_message(&mut bytes);
        self.inbox = Inbox::new(bytes);
        opened
    }

    fn open_message(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Open<'static>>, End> {
        let wrap = self.framing.wrap();
        loop {
            let mut out = Vec::new();
            let mut frames = Frames {
                wrap,
                out: &mut out,
            };
            let Some((used, item)) = self.framing.next(bytes)? else {
                return Ok(None);
            };
            let mut opened = None;
            match item {
                Item::Message(message) => {
                    match self.talk.dialect.message(message).map_err(End::Fault)? {
                        Request::Open(open) => {
                            self.talk.keep_input(&open.input);
                            opened = Some(Open {
                                input: Default::default(),
                                ..*open
                            });
                        }
                        Request::Complain(fault) => {
                            self.talk.dialect.event(Event::Fault(&fault), &mut frames);
                        }
                        _ => {}
                    }
                }
                Item::Ping(payload) => frames.pong(payload),
                Item::Reply(reply) => frames.out.extend_from_slice(reply),
                // There is nobody yet who could be told.
                Item::Intent(_) | Item::Nothing => {}
            }
            bytes.drain(..used);
            self.outbox.send(&mut self.socket, &out)?;
            if opened.is_some() {
                return Ok(opened);
            }
            if self.outbox.len() >= limits::OUTBOX {
                return Err(End::Gone);
            }
        }
    }

    /// What goes around messages to the peer.
    pub(super) fn wrap(&self) -> Wrap {
        self.framing.wrap()
    }
}
