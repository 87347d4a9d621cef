//! The producer: a program whose every output byte is known from its offset, and that can misbehave on request.
//!
//! It is an example target of the `anywire` package (crates/testkit/producer), so that cargo builds it beside the
//! tests and never installs it.

use std::path::PathBuf;

/// Bytes of a flood's line: fifteen digits and a line feed.
pub const LINE: u64 = 16;

/// The producer's binary.
///
/// # Panics
/// When it was not built, which happens when a run names single test targets.
#[must_use]
pub fn producer() -> PathBuf {
    // Test binaries lie in target/<profile>/deps, examples in target/<profile>/examples.
    let test = std::env::current_exe().expect("the test binary has a path");
    let path = test
        .parent()
        .and_then(|deps| deps.parent())
        .map(|profile| profile.join("examples/producer"));
    path.filter(|path| path.exists())
        .expect("the producer is not built: `cargo build -p anywire --example producer` builds it")
}

/// The bytes of a flood in this range of offsets.
#[must_use]
pub fn bytes(from: u64, to: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity((to - from) as usize);
    for line in from / LINE..to.div_ceil(LINE) {
        out.extend_from_slice(format!("{line:015}\n").as_bytes());
    }
    let skip = (from % LINE) as usize;
    out.drain(..skip);
    out.truncate((to - from) as usize);
    out
}

/// Panics at the first byte that is not the flood's, given the offset of the first one within the flood.
///
/// # Panics
/// That is its purpose.
pub fn check(offset: u64, got: &[u8]) {
    let expected = bytes(offset, offset + got.len() as u64);
    if let Some(at) = got
        .iter()
        .zip(&expected)
        .position(|(got, expected)| got != expected)
    {
        let around = |bytes: &[u8]| {
            String::from_utf8_lossy(&bytes[at.saturating_sub(20)..bytes.len().min(at + 20)])
                .into_owned()
        };
        panic!(
            "flood byte {} is wrong: got {:?}, expected {:?}",
            offset + at as u64,
            around(got),
            around(&expected)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_known() {
        assert_eq!(bytes(0, 18), b"000000000000000\n00");
        assert_eq!(bytes(30, 34), b"1\n00");
        assert_eq!(bytes(7, 7), b"");
        check(30, b"1\n00");
    }

    #[test]
    #[should_panic(expected = "flood byte 31 is wrong")]
    fn a_lost_byte_is_found() {
        check(30, b"10");
    }
}
