//! The `tty` dialect, both directions: no panic, and what is understood is printed and read back as the same.
#![no_main]

use anywire_codec::dialect::tty::{Client, Server, is_hello};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut out = Vec::new();
    if let Ok(message) = Client::decode(bytes) {
        message.encode(&mut out);
        assert_eq!(
            Client::decode(&out).expect("what we print is read"),
            message
        );
    }
    if let Ok(message) = Server::decode(bytes) {
        out.clear();
        message.encode(&mut out);
        assert_eq!(
            Server::decode(&out).expect("what we print is read"),
            message
        );
    }
    if is_hello(bytes) {
        assert!(matches!(Client::decode(bytes), Ok(Client::Hello(_))));
    }
});
