//! Messages out of a growing buffer: frames in place, fragments put together up to the maximum.

use super::{Error, Opcode, Side, close, deflate, frame};

/// A message, or a control frame between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Checked UTF-8.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// An answer.
    Pong(&'a [u8]),
    /// The peer's code and reason; nothing may follow.
    Close(Option<(u16, &'a str)>),
}

/// What [`Reader::next`] found at the start of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// The first `used` bytes of the buffer are done. `message` is `None` for a fragment that does not end its message.
    Frame {
        /// Bytes to drop from the buffer.
        used: usize,
        /// What they were.
        message: Option<Message<'a>>,
    },
    /// No whole frame yet.
    More,
}

/// The state between two frames: an unfinished message.
#[derive(Debug)]
pub struct Reader {
    side: Side,
    max: usize,
    /// Whether messages may be compressed.
    deflate: bool,
    /// Whether the unfinished message is.
    deflated: bool,
    /// Payload of the fragments so far.
    parts: Vec<u8>,
    /// The message's opcode while one is unfinished.
    open: Option<Opcode>,
    /// Whether the last message was handed out of `parts`, which can go at the next call.
    done: bool,
}

impl Reader {
    /// A reader whose messages have at most `max` bytes, fragments together.
    #[must_use]
    pub fn new(side: Side, max: usize) -> Self {
        Self {
            side,
            max,
            deflate: false,
            deflated: false,
            parts: Vec::new(),
            open: None,
            done: false,
        }
    }

    /// The same where both sides agreed on permessage-deflate; the maximum holds for what comes out.
    #[must_use]
    pub fn with_deflate(self) -> Self {
        Self {
            deflate: true,
            ..self
        }
    }

    /// Looks at the start of `buffer`. After a [`Next::Frame`] the caller drops `used` bytes and calls again; the
    /// payload was unmasked in place, so the same bytes must not be shown twice.
    ///
    /// # Errors
    /// [`Error`]: the connection is to be closed with [`Error::close_code`].
    pub fn next<'a>(&'a mut self, buffer: &'a mut [u8]) -> Result<Next<'a>, Error> {
        if self.done {
            self.parts = Vec::new();
            self.done = false;
        }
        let left = self.max - self.parts.len();
        let header = match frame::parse(buffer, self.side, left, self.deflate) {
            Ok(Some(header)) => header,
            Ok(None) => return Ok(Next::More),
            Err(Error::TooLarge { .. }) => return Err(Error::TooLarge { max: self.max }),
            Err(error) => return Err(error),
        };
        // A wrong fragment is refused before its payload has come.
        if !header.opcode.is_control()
            && (header.opcode == Opcode::Continuation) != self.open.is_some()
        {
            return Err(Error::Fragment);
        }
        let used = header.len + header.payload;
        let Some(payload) = buffer.get_mut(header.len..used) else {
            return Ok(Next::More);
        };
        if let Some(key) = header.mask {
            frame::mask(payload, key);
        }
        if self.open.is_none() {
            self.deflated = header.deflated;
        }
        let message = self.message(header.opcode, header.fin, payload)?;
        Ok(Next::Frame { used, message })
    }

    fn message<'a>(
        &'a mut self,
        opcode: Opcode,
        fin: bool,
        payload: &'a [u8],
    ) -> Result<Option<Message<'a>>, Error> {
        Ok(Some(match opcode {
            Opcode::Ping => Message::Ping(payload),
            Opcode::Pong => Message::Pong(payload),
            Opcode::Close => Message::Close(close::parse(payload)?),
            Opcode::Text | Opcode::Binary if fin && !self.deflated => data(opcode, payload)?,
            Opcode::Text | Opcode::Binary if fin => {
                self.parts = deflate::inflate(payload, self.max)?;
                self.done = true;
                data(opcode, &self.parts)?
            }
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let opcode = *self.open.get_or_insert(opcode);
                self.parts.extend_from_slice(payload);
                if !fin {
                    return Ok(None);
                }
                self.open = None;
                self.done = true;
                if self.deflated {
                    self.parts = deflate::inflate(&self.parts, self.max)?;
                }
                data(opcode, &self.parts)?
            }
        }))
    }

    /// Whether no fragment is held.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_none()
    }
}

fn data(opcode: Opcode, payload: &[u8]) -> Result<Message<'_>, Error> {
    if opcode == Opcode::Text {
        return Ok(Message::Text(
            std::str::from_utf8(payload).map_err(|_| Error::Utf8)?,
        ));
    }
    Ok(Message::Binary(payload))
}
