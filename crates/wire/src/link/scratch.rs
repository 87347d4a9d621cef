//! Memory for one turn, shared by all connections of a thread, so that idle ones own none.

use crate::limits;
use std::cell::RefCell;

/// The buffers of a turn.
pub(crate) struct Scratch {
    /// What is read.
    pub(crate) input: Box<[u8]>,
    /// What will be written.
    pub(crate) output: Vec<u8>,
}

/// More is given back after a turn: a large keyframe need not stay.
const KEEP: usize = 512 * 1024;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; limits::READ].into_boxed_slice(),
        output: Vec::with_capacity(limits::TURN),
    });
}

/// Runs a turn with the thread's buffers; `output` is empty at its start.
pub(crate) fn with<R>(turn: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.output.clear();
        let result = turn(scratch);
        scratch.output.shrink_to(KEEP);
        result
    })
}
