//! Compressed messages: permessage-deflate (RFC 7692) without context takeover, so that a connection keeps nothing
//! between two messages.

use super::Error;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a server that accepts an offer answers in `Sec-WebSocket-Extensions`.
pub const RESPONSE: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// What ends every compressed message and is not sent (RFC 7692 section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Shorter messages hardly shrink.
const WORTH: usize = 128;
/// Inflated at once.
const STEP: usize = 16 * 1024;

/// Whether one of the offers in a `Sec-WebSocket-Extensions` value is one that we can keep: any that does not ask for a
/// smaller window of ours.
#[must_use]
pub fn accepts(offers: &str) -> bool {
    offers.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        name.eq_ignore_ascii_case("permessage-deflate")
            && parts.all(|parameter| {
                let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                match key.trim() {
                    "server_no_context_takeover" | "client_no_context_takeover" => value.is_empty(),
                    "client_max_window_bits" => true,
                    "server_max_window_bits" => value.trim().trim_matches('"') == "15",
                    _ => false,
                }
            })
    })
}

/// Compresses messages, one after the other. Owns a quarter of a megabyte: one for a thread, not for a connection.
#[derive(Debug)]
pub struct Deflater(Compress);

impl Default for Deflater {
    fn default() -> Self {
        Self(Compress::new(Compression::fast(), false))
    }
}

impl Deflater {
    /// Replaces `out` by the compressed payload; false, and `out` is of no use, if that is not worth it.
    pub fn deflate(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        out.clear();
        if payload.len() < WORTH {
            return false;
        }
        self.0.reset();
        // What would not be shorter is not wanted.
        out.reserve(payload.len());
        let status = self.0.compress_vec(payload, out, FlushCompress::Sync);
        let whole = matches!(status, Ok(Status::Ok)) && self.0.total_in() == payload.len() as u64;
        if !whole || !out.ends_with(&TAIL) {
            return false;
        }
        out.truncate(out.len() - TAIL.len());
        out.len() < payload.len()
    }
}

/// The payload of a compressed message.
///
/// # Errors
/// [`Error::TooLarge`] as soon as more than `max` bytes have come out, [`Error::Deflate`] for what is no such payload.
pub fn inflate(payload: &[u8], max: usize) -> Result<Vec<u8>, Error> {
    let (mut inflater, mut out) = (Decompress::new(false), Vec::new());
    for mut input in [payload, &TAIL] {
        loop {
            if out.len() > max {
                return Err(Error::TooLarge { max });
            }
            out.reserve(STEP.min(max + 1 - out.len()));
            let (read, written) = (inflater.total_in(), inflater.total_out());
            let status = inflater.decompress_vec(input, &mut out, FlushDecompress::Sync);
            let status = status.map_err(|_| Error::Deflate)?;
            let read = usize::try_from(inflater.total_in() - read).unwrap_or(usize::MAX);
            input = &input[read.min(input.len())..];
            // A final block ends the stream; the peer may begin another one behind it (RFC 7692 section 7.2.3.5).
            if status == Status::StreamEnd {
                inflater.reset(false);
            }
            let full = out.len() == out.capacity();
            let stuck = read == 0 && inflater.total_out() == written;
            if !full && (input.is_empty() || stuck) {
                break;
            }
        }
        if !input.is_empty() {
            return Err(Error::Deflate);
        }
    }
    if out.len() > max {
        return Err(Error::TooLarge { max });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_standards_own_examples() {
        // RFC 7692 section 7.2.3: one block, a stored block, a final block, two blocks.
        for example in [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
            &[
                0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
            ],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[
                0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
            ],
        ] {
            assert_eq!(inflate(example, 5).unwrap(), b"Hello", "{example:x?}");
            assert_eq!(inflate(example, 4), Err(Error::TooLarge { max: 4 }));
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_maximum() {
        let mut bomb = Vec::new();
        assert!(Deflater::default().deflate(&vec![0; 64 << 20], &mut bomb));
        assert!(bomb.len() < 1 << 20, "{}", bomb.len());
        assert_eq!(
            inflate(&bomb, 1 << 20),
            Err(Error::TooLarge { max: 1 << 20 })
        );
    }

    #[test]
    fn offers() {
        for good in [
            "permessage-deflate; client_max_window_bits",
            "x-other, permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; unknown",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(words in prop::collection::vec("[a-e]{1,8}", 0..4000)) {
            let (payload, mut out, mut deflater) = (words.concat(), Vec::new(), Deflater::default());
            for _ in 0..2 {
                if deflater.deflate(payload.as_bytes(), &mut out) {
                    prop_assert!(out.len() < payload.len());
                    prop_assert_eq!(inflate(&out, payload.len()).unwrap(), payload.as_bytes());
                } else {
                    prop_assert!(payload.len() < 300, "text that long shrinks");
                }
            }
        }

        #[test]
        fn noise_is_bounded(payload: Vec<u8>) {
            if let Ok(out) = inflate(&payload, 1000) {
                prop_assert!(out.len() <= 1000);
            }
        }
    }
}
