//! Where things lie in a session's memory. The first page holds all that an idle session needs, so that it costs one.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | magic, version, ring size, head, marks written, first size, time of creation |
//! | 64 | two checkpoint headers: sequence, offset, size, length, checksum, marks |
//! | 192 | eight input counters: client, taken, intended, time of last use |
//! | 512 | two page slots: sequence, length, checksum, bytes |
//! | 4096 | marks: 16384 of 32 bytes |
//! | 528384 | two checkpoint bodies of 1 MiB |
//! | 2625536 | the ring |

pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"anywire\0");
pub(crate) const VERSION: u64 = 2;

pub(crate) const AT_MAGIC: usize = 0;
pub(crate) const AT_VERSION: usize = 8;
pub(crate) const AT_RING_LEN: usize = 16;
pub(crate) const AT_HEAD: usize = 24;
pub(crate) const AT_MARKS: usize = 32;
pub(crate) const AT_SIZE: usize = 40;
pub(crate) const AT_CREATED: usize = 48;

pub(crate) const AT_CHECKPOINTS: usize = 64;
pub(crate) const CHECKPOINT_HEADER_LEN: usize = 48;

pub(crate) const AT_INPUTS: usize = 192;
pub(crate) const INPUT_LEN: usize = 32;
pub(crate) const INPUTS: usize = 8;

pub(crate) const AT_SLOTS: usize = 512;
pub(crate) const SLOT_HEADER_LEN: usize = 24;
/// Bytes that one slot of the session page holds.
pub(crate) const SLOT_BODY_LEN: usize = 1512;
pub(crate) const SLOT_LEN: usize = SLOT_HEADER_LEN + SLOT_BODY_LEN;

pub(crate) const AT_MARK_RING: usize = 4096;
pub(crate) const MARKS: u64 = 16_384;

pub(crate) const AT_CHECKPOINT_BODIES: usize =
    AT_MARK_RING + MARKS as usize * anywire_model::Mark::LEN;
/// Bytes that one checkpoint holds.
pub(crate) const CHECKPOINT_BODY_LEN: usize = 1 << 20;

pub(crate) const AT_RING: usize = AT_CHECKPOINT_BODIES + 2 * CHECKPOINT_BODY_LEN;

const _: () = assert!(AT_SLOTS + 2 * SLOT_LEN <= AT_MARK_RING);
const _: () = assert!(AT_CHECKPOINTS + 2 * CHECKPOINT_HEADER_LEN <= AT_INPUTS);
const _: () = assert!(AT_INPUTS + INPUTS * INPUT_LEN <= AT_SLOTS);
const _: () = assert!(AT_RING.is_multiple_of(4096));
