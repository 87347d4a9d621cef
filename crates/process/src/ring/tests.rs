//! The log: what is written is read, at any offset, across the end of the ring, by whoever maps it next.

use super::*;
use anywire_model::Stream;
use proptest::prelude::*;
use std::os::fd::AsFd;

const RING: usize = RING_LEN_MIN;

fn memory() -> OwnedFd {
    create_memory(RING).unwrap()
}

fn byte(offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ (offset >> 16)) as u8
}

fn bytes(from: u64, len: usize) -> Vec<u8> {
    (from..from + len as u64).map(byte).collect()
}

proptest! {
    #[test]
    fn every_kept_byte_is_the_one_written(
        writes in prop::collection::vec(1..40_000usize, 1..12),
        asks in prop::collection::vec((any::<prop::sample::Index>(), 1..70_000usize), 8),
        heap: bool,
    ) {
        let memory = memory();
        let ring = if heap { Ring::heap(Size::DEFAULT, RING, RING) } else { Ring::open(memory.as_fd(), Size::DEFAULT).unwrap() };
        for len in writes {
            ring.append(&bytes(ring.head(), len));
            prop_assert_eq!(ring.progress().head, ring.head());
            for (at, max) in &asks {
                let from = at.index(ring.head() as usize + 1) as u64;
                let mut out = vec![1, 2, 3];
                match ring.read(from, *max, &mut out) {
                    Ok(len) => {
                        prop_assert_eq!(len as u64, (ring.head() - from).min(*max as u64));
                        prop_assert_eq!(&out[3..], &bytes(from, len)[..]);
                    }
                    Err(Gone { tail }) => prop_assert!(from < tail && tail == ring.tail()),
                }
            }
        }
        prop_assert!(ring.head() - ring.tail() <= RING as u64);
    }
}

#[test]
fn a_second_mapping_sees_everything() {
    let memory = memory();
    let size = Size {
        cols: 132,
        rows: 43,
    };
    let ring = Ring::open(memory.as_fd(), size).unwrap();
    ring.append(b"before");
    ring.put_mark(MarkKind::Stream(Stream::Err));
    ring.put_mark(MarkKind::Resize(Size { cols: 10, rows: 5 }));
    ring.append(b"after");
    assert!(ring.put_page(b"a page"));
    assert!(ring.put_checkpoint(&Checkpoint {
        offset: 6,
        marks: 1,
        size,
        dump: b"dump".to_vec()
    }));
    ring.put_input_count(
        77,
        InputCount {
            taken: 3,
            intended: 5,
        },
    );
    drop(ring);

    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    let mut out = Vec::new();
    ring.read(0, 100, &mut out).unwrap();
    assert_eq!(out, b"beforeafter");
    assert_eq!(ring.mark(0).unwrap().kind, MarkKind::Stream(Stream::Err));
    assert_eq!(
        (ring.mark_at(0), ring.mark_at(6), ring.mark_at(7)),
        (0, 0, 2)
    );
    assert_eq!(ring.size_at(5), size);
    assert_eq!(ring.size_at(6), Size { cols: 10, rows: 5 });
    assert_eq!(ring.page().unwrap(), b"a page");
    assert_eq!(ring.checkpoint().unwrap().dump, b"dump");
    assert_eq!(
        ring.input_count(77),
        Some(InputCount {
            taken: 3,
            intended: 5
        })
    );
    assert_eq!(ring.input_count(78), None);
}

#[test]
fn bytes_are_searched_where_they_lie() {
    let memory = memory();
    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    let needles = [1, 2, 3];
    ring.append(&[b'x'; RING - 10]);
    ring.append(b"xxxxxxxxxxxx\x02x");
    let (tail, head) = (ring.tail(), ring.head());
    let needle = head - 2;
    assert!(ring.has_none_of(tail, (needle - tail) as usize, needles));
    assert!(!ring.has_none_of(tail, (needle - tail) as usize + 1, needles));
    assert!(
        ring.has_none_of(needle - 8, 8, needles),
        "across the ring's end"
    );
    assert!(ring.has_none_of(needle + 1, 1, needles));
    // What is not there cannot be said.
    assert!(!ring.has_none_of(needle + 1, 2, needles));
    assert!(!ring.has_none_of(tail - 1, 2, needles));
    assert!(!ring.has_none_of(u64::MAX, usize::MAX, needles));
    assert!(!Ring::heap(Size::DEFAULT, 10, 10).has_none_of(0, 0, needles));
}

#[test]
fn of_two_slots_the_newer_whole_one_counts() {
    let memory = memory();
    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    for n in 0..5u8 {
        assert!(ring.put_page(&[n; 100]));
        assert_eq!(ring.page().unwrap(), [n; 100]);
    }
    // The slot that was written last is torn: the one before it counts.
    let shared = ring.shared().unwrap();
    let newest = [0, 1].map(|slot| layout::AT_SLOTS + slot * layout::SLOT_LEN);
    let sequence = |at: &usize| shared.memory.word(*at).load(Ordering::Relaxed);
    let at = newest.into_iter().max_by_key(sequence).unwrap();
    shared.memory.copy_in(at + layout::SLOT_HEADER_LEN, b"torn");
    assert_eq!(ring.page().unwrap(), [3; 100]);
    assert!(!ring.put_page(&vec![0; PAGE_MAX + 1]));
    assert!(!ring.put_checkpoint(&Checkpoint {
        offset: 0,
        marks: 0,
        size: Size::DEFAULT,
        dump: vec![0; CHECKPOINT_MAX + 1]
    }));
}

#[test]
fn the_oldest_input_count_makes_room() {
    let memory = memory();
    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    for client in 1..=INPUT_CLIENTS as u64 + 3 {
        ring.put_input_count(
            client,
            InputCount {
                taken: client,
                intended: client,
            },
        );
    }
    let known = (1..=INPUT_CLIENTS as u64 + 3)
        .filter(|client| ring.input_count(*client).is_some())
        .count();
    assert_eq!(known, INPUT_CLIENTS);
}

#[test]
fn more_marks_than_kept_move_the_tail() {
    let memory = memory();
    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    for n in 0..MARKS_MAX + 10 {
        ring.put_mark(MarkKind::Stream(if n % 2 == 0 {
            Stream::Out
        } else {
            Stream::Err
        }));
        ring.append(b"x");
    }
    assert_eq!(ring.tail(), 10);
    assert_eq!(ring.mark(9), None);
    assert_eq!(ring.mark(10).unwrap().offset, 10);
}

/// Found by fuzzing: with its first word gone, a log passed for memory that was never used, and kept whatever head it had.
#[test]
fn a_log_without_its_magic_is_not_taken_for_fresh_memory() {
    let memory = memory();
    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    let word = |at| ring.shared().unwrap().memory.word(at);
    word(layout::AT_MAGIC).store(0, Ordering::Relaxed);
    word(layout::AT_HEAD).store(u64::MAX - 3, Ordering::Relaxed);
    assert!(Ring::open(memory.as_fd(), Size::DEFAULT).is_err());
}

/// Found by fuzzing: the tail was taken from a mark that lay behind the head.
#[test]
fn a_damaged_mark_does_not_put_the_tail_behind_the_head() {
    let memory = memory();
    let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
    ring.append(b"three");
    for _ in 0..layout::MARKS + 5 {
        ring.put_mark(MarkKind::Resize(Size::DEFAULT));
    }
    let shared = ring.shared().unwrap();
    for mark in 0..layout::MARKS as usize {
        let word = shared.memory.word(layout::AT_MARK_RING + mark * Mark::LEN);
        word.store(u64::MAX - 3, Ordering::Relaxed);
    }
    assert_eq!((ring.tail(), ring.head()), (5, 5));
    assert_eq!(ring.read(0, 10, &mut Vec::new()), Err(Gone { tail: 5 }));
}

proptest! {
    /// A damaged memory is refused or read; it never crashes who maps it.
    #[test]
    fn damaged_memory_is_survived(damage in prop::collection::vec((0..4096usize / 8, any::<u64>()), 1..8)) {
        let memory = memory();
        let ring = Ring::open(memory.as_fd(), Size::DEFAULT).unwrap();
        ring.append(&bytes(0, 1000));
        ring.put_page(b"page");
        ring.put_checkpoint(&Checkpoint { offset: 1000, marks: 0, size: Size::DEFAULT, dump: vec![1; 10] });
        for (word, value) in damage {
            ring.shared().unwrap().memory.word(word * 8).store(value, Ordering::Relaxed);
        }
        drop(ring);
        if let Ok(ring) = Ring::open(memory.as_fd(), Size::DEFAULT) {
            let mut out = Vec::new();
            prop_assert!(ring.tail() <= ring.head());
            let _ = ring.read(ring.tail(), 5000, &mut out);
            let _ = ring.has_none_of(ring.tail(), 5000, [0; 3]);
            let _ = (ring.page(), ring.checkpoint(), ring.mark_at(0), ring.size_at(500), ring.input_count(1));
            ring.append(b"and on");
        }
    }
}
