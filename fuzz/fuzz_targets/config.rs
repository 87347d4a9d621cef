//! The configuration file: no panic, bounded work, and what is shown of what was read is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| anywire::fuzz_config(text));
