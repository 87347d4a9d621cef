//! Marks in shared memory: no panic, and what is understood is written as the same.
#![no_main]

use anywire_model::Mark;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: [u8; Mark::LEN]| {
    if let Some(mark) = Mark::from_bytes(&bytes) {
        assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
    }
});
