//! The native dialect, both directions: no panic, and what is understood is printed and read back as the same.
#![no_main]

use anywire_codec::dialect::native::{Client, Server};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut out = Vec::new();
    for message in [Client::decode_text(bytes), Client::decode_binary(bytes)]
        .into_iter()
        .flatten()
    {
        out.clear();
        let again = if message.encode(&mut out) {
            Client::decode_binary(&out)
        } else {
            Client::decode_text(&out)
        };
        assert_eq!(again.expect("what we print is read"), message);
    }
    for message in [Server::decode_text(bytes), Server::decode_binary(bytes)]
        .into_iter()
        .flatten()
    {
        out.clear();
        let again = if message.encode(&mut out) {
            Server::decode_binary(&out)
        } else {
            Server::decode_text(&out)
        };
        assert_eq!(again.expect("what we print is read"), message);
    }
});
