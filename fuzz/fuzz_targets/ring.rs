//! A session's memory as a new server finds it: whatever the old one left there, opening it and reading everything in
//! it never panics and never hands out more than was asked for.
#![no_main]

use anywire_model::{MarkKind, Size};
use anywire_process::ring::{Ring, create_memory};
use libfuzzer_sys::fuzz_target;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;

const MAX: usize = 1000;

fuzz_target!(|input: (u16, Vec<(u16, u64)>)| {
    let (written, edits) = input;
    let memory = create_memory(64 << 10).expect("memory");
    let sound = Ring::open(memory.as_fd(), Size::DEFAULT).expect("fresh memory is a log");
    sound.append(&vec![b'x'; usize::from(written)]);
    sound.put_mark(MarkKind::Resize(Size::DEFAULT));
    sound.put_page(b"{}");
    drop(sound);

    // The first page and the marks: all that is not plain bytes.
    let file = File::from(memory.try_clone().expect("a descriptor"));
    for (at, value) in edits {
        file.write_all_at(&value.to_ne_bytes(), at.into())
            .expect("inside the memory");
    }
    let Ok(ring) = Ring::open(memory.as_fd(), Size::DEFAULT) else {
        return;
    };
    let (head, tail) = (ring.head(), ring.tail());
    assert!(tail <= head && head - tail <= ring.capacity());
    for from in [0, tail, tail / 2 + head / 2, head, u64::MAX] {
        let mut out = Vec::new();
        if let Ok(len) = ring.read(from, MAX, &mut out) {
            assert!(len == out.len() && len <= MAX);
        }
        let _ = (
            ring.size_at(from),
            ring.mark(ring.mark_at(from)),
            ring.input_count(from),
        );
    }
    let _ = (
        ring.mark(ring.marks()),
        ring.page(),
        ring.checkpoint(),
        ring.created_ms(),
    );
    ring.append(b"and on");
});
