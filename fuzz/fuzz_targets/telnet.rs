//! Telnet: no panic, the same however it is cut, and what is escaped is read back.
#![no_main]

use anywire_codec::telnet::{Event, Kind, Telnet};
use libfuzzer_sys::fuzz_target;

/// What the data and the other events were.
fn read(telnet: &mut Telnet, chunks: &[&[u8]]) -> (Vec<u8>, String) {
    let (mut data, mut others) = (Vec::new(), String::new());
    for chunk in chunks {
        let (mut chunk, mut at) = (chunk.to_vec(), 0);
        while let Some((used, event)) = telnet.next(&mut chunk[at..]) {
            match event {
                Event::Data(bytes) => data.extend_from_slice(bytes),
                Event::Nothing => {}
                other => others += &format!("{other:?}"),
            }
            at += used;
        }
    }
    data.extend_from_slice(telnet.finish());
    (data, others)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, bytes)) = bytes.split_first() else {
        return;
    };
    let kind = if how & 1 == 0 {
        Kind::Terminal
    } else {
        Kind::Lines
    };
    let cut = usize::from(how >> 1).min(bytes.len());
    let mut telnet = Telnet::new();
    telnet.begin(kind, &mut Vec::new());
    let whole = read(&mut telnet, &[bytes]);
    let mut telnet = Telnet::new();
    telnet.begin(kind, &mut Vec::new());
    assert_eq!(whole, read(&mut telnet, &[&bytes[..cut], &bytes[cut..]]));

    // Agreed on BINARY, both ways are the identity.
    let mut telnet = Telnet::new();
    read(&mut telnet, &[&[255, 253, 0, 255, 251, 0]]);
    let mut out = bytes.to_vec();
    telnet.escape(&mut out, 0);
    assert_eq!(read(&mut telnet, &[&out]).0, bytes);
});
