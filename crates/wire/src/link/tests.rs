//! What a connection costs while nothing happens.

use super::*;

/// Bytes of the future that a method makes.
fn future<'a, F>(
    _: impl FnOnce(&'a mut Link, Box<Attachment>, &'a CancellationToken) -> F,
) -> usize {
    size_of::<F>()
}

fn whole<F>(_: impl FnOnce(Box<Entry>, CancellationToken) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn an_idle_connection_is_small() {
    let (pump, whole, link) = (future(Link::pump), whole(run), size_of::<Link>());
    assert!(pump <= 560, "the pump's future has {pump} bytes");
    assert!(whole <= 64, "the future around it has {whole} bytes");
    assert!(link <= 208, "its state has {link} bytes");
}
