//! Messages out of a growing buffer, whole or in pieces.

use super::{Error, Header, Limits, PREFIX, content, fields};

/// A message in the caller's buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it says about itself.
    pub header: Header<'a>,
    /// As many bytes as the header says.
    pub content: &'a [u8],
}

/// What [`Reader::message`] found at the start of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// The first `used` bytes of the buffer are a message.
    Message {
        /// Bytes to drop from the buffer.
        used: usize,
        /// What they are.
        message: Message<'a>,
    },
    /// No whole message yet.
    More,
}

/// What [`Reader::piece`] found at the start of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A message begins.
    Header {
        /// Bytes to drop from the buffer.
        used: usize,
        /// What it says about itself.
        header: Header<'a>,
    },
    /// Content of the message that began; it may be empty when it is the last.
    Content {
        /// Bytes to drop from the buffer: those of `bytes`.
        used: usize,
        /// The content's next bytes.
        bytes: &'a [u8],
        /// Whether the message ends with them.
        last: bool,
    },
    /// Not enough bytes.
    More,
}

/// How far the message at the start of the buffer has come: each stage has a deadline of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing of it is here.
    Idle,
    /// The header is not complete.
    Header,
    /// The content is not complete.
    Content,
}

/// The state between two looks at a buffer: numbers, no bytes.
///
/// A stream is read either by [`Reader::message`] or by [`Reader::piece`], not by both in turn.
#[derive(Clone, Debug)]
pub struct Reader {
    limits: Limits,
    /// Bytes before which another look at the buffer shows nothing new.
    need: usize,
    /// Whether the header at the start of the buffer was found good.
    in_content: bool,
    /// Content of the message that [`Reader::piece`] is in.
    left: Option<u64>,
}

impl Reader {
    /// A reader at the start of a message.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            need: 1,
            in_content: false,
            left: None,
        }
    }

    /// Looks for a whole message at the start of `buffer`. After a [`Next::Message`] the caller drops `used` bytes and
    /// calls again; after [`Next::More`] it calls again with the same bytes and more.
    ///
    /// The buffer never needs to hold more than two bytes, a header and content of the longest kind.
    ///
    /// # Errors
    /// [`Error`]: no message follows; the connection is to be closed.
    pub fn message<'a>(&mut self, buffer: &'a [u8]) -> Result<Next<'a>, Error> {
        if buffer.len() < self.need {
            return Ok(Next::More);
        }
        let Some((used, header)) = self.header(buffer)? else {
            return Ok(Next::More);
        };
        let end = usize::try_from(header.content_length)
            .ok()
            .and_then(|length| used.checked_add(length))
            .ok_or(self.too_large(header.content_length))?;
        let Some(content) = buffer.get(used..end) else {
            (self.need, self.in_content) = (end, true);
            return Ok(Next::More);
        };
        self.restart();
        Ok(Next::Message {
            used: end,
            message: Message { header, content },
        })
    }

    /// Looks for the next part of a message at the start of `buffer`, for content that is too large to be held.
    ///
    /// ```
    /// use anywire_codec::framed::{Header, Limits, Piece, Reader};
    /// use std::io::{Read, Write};
    ///
    /// /// Copies the content of one message, 64 KiB at a time, whatever its length.
    /// fn copy(mut from: impl Read, mut to: impl Write) -> Result<(), Box<dyn std::error::Error>> {
    ///     let limits = Limits { content: 1 << 40, ..Limits::DEFAULT };
    ///     let (mut reader, mut buffer, mut chunk) = (Reader::new(limits), Vec::new(), [0; 64 << 10]);
    ///     loop {
    ///         let used = match reader.piece(&buffer)? {
    ///             Piece::Header { used, header } => {
    ///                 // The message that goes out: what announces it, and then its content as it comes.
    ///                 let mut announced = Vec::new();
    ///                 header.write(&mut announced)?;
    ///                 to.write_all(&announced)?;
    ///                 used
    ///             }
    ///             Piece::Content { used, bytes, last } => {
    ///                 to.write_all(bytes)?;
    ///                 if last {
    ///                     return Ok(());
    ///                 }
    ///                 used
    ///             }
    ///             Piece::More => {
    ///                 let read = from.read(&mut chunk)?;
    ///                 if read == 0 {
    ///                     return Err("the message was cut".into());
    ///                 }
    ///                 buffer.extend_from_slice(&chunk[..read]);
    ///                 continue;
    ///             }
    ///         };
    ///         buffer.drain(..used);
    ///     }
    /// }
    ///
    /// let mut large = Vec::new();
    /// Header::new("binary/video", "binary", 10 << 20).write(&mut large)?;
    /// large.resize(large.len() + (10 << 20), 7);
    /// let mut copied = Vec::new();
    /// copy(&large[..], &mut copied)?;
    /// assert!(copied == large);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`]: no message follows; the connection is to be closed.
    pub fn piece<'a>(&mut self, buffer: &'a [u8]) -> Result<Piece<'a>, Error> {
        if let Some(left) = self.left {
            let here = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            if here == 0 && left > 0 {
                return Ok(Piece::More);
            }
            let after = left - here as u64;
            self.left = (after > 0).then_some(after);
            return Ok(Piece::Content {
                used: here,
                bytes: &buffer[..here],
                last: after == 0,
            });
        }
        if buffer.len() < self.need {
            return Ok(Piece::More);
        }
        let Some((used, header)) = self.header(buffer)? else {
            return Ok(Piece::More);
        };
        self.restart();
        self.left = Some(header.content_length);
        Ok(Piece::Header { used, header })
    }

    /// The one message that is all of `bytes`, as in an envelope that has borders of its own.
    ///
    /// # Errors
    /// [`Error::Truncated`] and [`Error::TrailingData`] beside those of [`Reader::message`].
    pub fn only(bytes: &[u8], limits: Limits) -> Result<Message<'_>, Error> {
        match Self::new(limits).message(bytes)? {
            Next::More => Err(Error::Truncated),
            Next::Message { used, .. } if used < bytes.len() => Err(Error::TrailingData),
            Next::Message { message, .. } => Ok(message),
        }
    }

    /// How far the message at the start of `buffer` has come, after a call that asked for more.
    #[must_use]
    pub fn stage(&self, buffer: &[u8]) -> Stage {
        if self.in_content || self.left.is_some() {
            Stage::Content
        } else if buffer.is_empty() {
            Stage::Idle
        } else {
            Stage::Header
        }
    }

    /// The header at the start of the buffer and the bytes before the content.
    fn header<'a>(&mut self, buffer: &'a [u8]) -> Result<Option<(usize, Header<'a>)>, Error> {
        let Some(prefix) = buffer.first_chunk::<PREFIX>() else {
            self.need = PREFIX;
            return Ok(None);
        };
        let (len, max) = (usize::from(u16::from_be_bytes(*prefix)), self.limits.header);
        if len > max {
            return Err(Error::HeaderTooLarge { got: len, max });
        }
        let end = PREFIX + len;
        let here = &buffer[PREFIX..end.min(buffer.len())];
        // A TLS handshake has a length that could be a header's, and what comes next is no object.
        let first = here.iter().find(|byte| !is_blank(**byte));
        if first.is_some_and(|byte| *byte != b'{') || len == 0 {
            return Err(Error::BadHeader("it is not a JSON object".to_owned()));
        }
        if here.len() < len {
            // Until it is clear that this is an object, every byte is looked at.
            let clear = first.is_some();
            self.need = if clear { end } else { buffer.len() + 1 };
            return Ok(None);
        }
        if !self.in_content {
            content::check_depth(here, self.limits.depth).map_err(Error::BadHeader)?;
        }
        let header = fields::parse(here)?;
        if header.content_length > self.limits.content {
            return Err(self.too_large(header.content_length));
        }
        Ok(Some((end, header)))
    }

    fn too_large(&self, got: u64) -> Error {
        let max = self.limits.content;
        Error::PayloadTooLarge { got, max }
    }

    fn restart(&mut self) {
        (self.need, self.in_content) = (1, false);
    }
}

/// White space of JSON (RFC 8259 section 2).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}
