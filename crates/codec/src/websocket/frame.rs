//! One frame: its header and its mask (RFC 6455 section 5.2).

use super::{Error, MAX_CONTROL, Side};

/// The longest header: two bytes, eight of length, four of mask.
pub const MAX_HEADER: usize = 14;

/// The bit of a header's first byte that says that the message is compressed (RFC 7692 section 6).
pub const DEFLATED: u8 = 0x40;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before it.
    Continuation,
    /// UTF-8.
    Text,
    /// Bytes.
    Binary,
    /// The end.
    Close,
    /// To be answered with a pong.
    Ping,
    /// The answer to a ping.
    Pong,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, Error> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            other => return Err(Error::Opcode(other)),
        })
    }

    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    /// Whether it is about the connection and not part of a message.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    /// The first frame of a compressed message.
    pub(super) deflated: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of the header.
    pub(super) len: usize,
    /// Bytes that follow it.
    pub(super) payload: usize,
}

/// Reads a header; `None` if more bytes are needed. `max` bounds the payload of a data frame, `deflate` says whether
/// messages may be compressed.
pub(super) fn parse(
    bytes: &[u8],
    side: Side,
    max: usize,
    deflate: bool,
) -> Result<Option<Header>, Error> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    let (fin, opcode) = (first & 0x80 != 0, Opcode::from_bits(first & 0x0f));
    let deflated = first & DEFLATED != 0;
    let starts = matches!(opcode, Ok(Opcode::Text | Opcode::Binary));
    if first & 0x30 != 0 || deflated && !(deflate && starts) {
        return Err(Error::ReservedBits);
    }
    let opcode = opcode?;
    let masked = second & 0x80 != 0;
    if masked != (side == Side::Server) {
        return Err(Error::Masking);
    }
    let short = usize::from(second & 0x7f);
    if opcode.is_control() && (!fin || short > MAX_CONTROL) {
        return Err(Error::Control);
    }
    let (payload, at) = match short {
        126 => {
            let Some(long) = bytes.get(2..4) else {
                return Ok(None);
            };
            (u64::from(u16::from_be_bytes([long[0], long[1]])), 4)
        }
        127 => {
            let Some(long) = bytes.get(2..10) else {
                return Ok(None);
            };
            (
                u64::from_be_bytes(long.try_into().expect("eight bytes")),
                10,
            )
        }
        short => (short as u64, 2),
    };
    if (at == 4 && payload < 126) || (at == 10 && (payload < 65536 || payload >> 63 != 0)) {
        return Err(Error::Length);
    }
    let payload = usize::try_from(payload)
        .ok()
        .filter(|&payload| payload <= max || opcode.is_control())
        .ok_or(Error::TooLarge { max })?;
    let mask = match (masked, bytes.get(at..at + 4)) {
        (false, _) => None,
        (true, Some(mask)) => Some(mask.try_into().expect("four bytes")),
        (true, None) => return Ok(None),
    };
    Ok(Some(Header {
        fin,
        deflated,
        opcode,
        mask,
        len: at + if masked { 4 } else { 0 },
        payload,
    }))
}

/// Applies a mask to a payload, or removes it: the same operation.
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    let word = u64::from_ne_bytes([
        key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3],
    ]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let bytes: [u8; 8] = (&*chunk).try_into().expect("eight bytes");
        chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ word).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Bytes of the header of an unmasked frame with so much payload.
#[must_use]
pub fn header_len(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=65535 => 4,
        _ => 10,
    }
}

/// The header of a whole, unmasked message in one frame; the first [`header_len`] bytes count.
#[must_use]
pub fn header(opcode: Opcode, payload: usize) -> [u8; 10] {
    let mut out = [0; 10];
    out[0] = 0x80 | opcode.bits();
    match payload {
        0..=125 => out[1] = payload as u8,
        126..=65535 => {
            out[1] = 126;
            out[2..4].copy_from_slice(&(payload as u16).to_be_bytes());
        }
        _ => {
            out[1] = 127;
            out[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
        }
    }
    out
}

/// Appends the header of a whole, unmasked message (a server's) in one frame.
pub fn write_header(opcode: Opcode, payload: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&header(opcode, payload)[..header_len(payload)]);
}

/// Appends a whole, masked message (a client's) in one frame. The key must be random.
pub fn write_masked(opcode: Opcode, payload: &[u8], key: [u8; 4], out: &mut Vec<u8>) {
    let start = out.len();
    write_header(opcode, payload.len(), out);
    out[start + 1] |= 0x80;
    out.extend_from_slice(&key);
    let body = out.len();
    out.extend_from_slice(payload);
    mask(&mut out[body..], key);
}
