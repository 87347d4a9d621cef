//! What the supervisor and its server say to each other: no panic, and what is understood is printed and read back as
//! the same.
#![no_main]

use anywire_process::supervisor::protocol::{decode_event, decode_request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let json = "numbers and strings are always JSON";
    if let Ok(request) = decode_request(bytes) {
        let again = serde_json::to_vec(&request).expect(json);
        assert_eq!(
            decode_request(&again).expect("what we print is read"),
            request
        );
    }
    if let Ok(event) = decode_event(bytes) {
        let again = serde_json::to_vec(&event).expect(json);
        assert_eq!(decode_event(&again).expect("what we print is read"), event);
    }
});
