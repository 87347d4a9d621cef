//! Options of a listener in its URL: `auto://localhost:7000?session=main&silent=telnet:2s`.
//!
//! They are moved out of the URL into the tree, beside it, so that the same reader judges them wherever they stand.

use super::messages::Messages;
use super::report::{Place, Problem};
use super::tree::{Key, Kind, Node};

/// Keys of a certificate, which stand below `tls` in a file.
const TLS: [&str; 3] = ["cert", "key", "self_signed"];

/// A listener of the command line as it would stand in a file.
pub(crate) fn listener(url: &str) -> Node {
    let place = Place::new(1, 1, url.chars().count().max(1));
    let url = (key(place, "url"), Node::text(place, url));
    let kind = Kind::Map(vec![url]);
    Node { place, kind }
}

/// Moves the options of all listeners out of their URLs.
pub(crate) fn expand(root: &mut Node) -> Vec<Problem> {
    let Kind::Map(entries) = &mut root.kind else {
        return Vec::new();
    };
    let listeners = entries.iter_mut().find(|(key, _)| key.name == "listeners");
    let Some((
        _,
        Node {
            kind: Kind::List(listeners),
            ..
        },
    )) = listeners
    else {
        return Vec::new();
    };
    listeners.iter_mut().flat_map(expand_one).collect()
}

fn expand_one(listener: &mut Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Kind::Map(entries) = &mut listener.kind else {
        return problems;
    };
    let url = entries.iter_mut().find(|(key, _)| key.name == "url");
    let Some((
        _,
        Node {
            place,
            kind: Kind::Scalar { text, .. },
        },
    )) = url
    else {
        return problems;
    };
    let place = *place;
    let Some((bare, query)) = text.split_once('?') else {
        return problems;
    };
    let (bare, query) = (bare.to_owned(), query.to_owned());
    *text = bare;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            let what = format!("{pair:?} in the URL: write options as name=value");
            problems.push(Problem::new(place, what));
            continue;
        };
        let value = match decode(value) {
            Ok(value) => Node::text(place, &value),
            Err(what) => {
                problems.push(Problem::new(place, what));
                continue;
            }
        };
        let entries = if TLS.contains(&name) {
            below(entries, "tls", place)
        } else if Messages::KEYS.contains(&name) {
            below(entries, "messages", place)
        } else {
            &mut *entries
        };
        if entries.iter().any(|(known, _)| known.name == name) {
            let what = format!("{name:?} stands in the URL and again");
            problems.push(Problem::new(place, what));
        } else {
            entries.push((key(place, name), value));
        }
    }
    problems
}

/// The map below a key, made if need be.
fn below<'a>(
    entries: &'a mut Vec<(Key, Node)>,
    name: &str,
    place: Place,
) -> &'a mut Vec<(Key, Node)> {
    let index = entries.iter().position(|(key, _)| key.name == name);
    let index = index.unwrap_or_else(|| {
        let kind = Kind::Map(Vec::new());
        entries.push((key(place, name), Node { place, kind }));
        entries.len() - 1
    });
    let node = &mut entries[index].1;
    if !matches!(node.kind, Kind::Map(_)) {
        node.kind = Kind::Map(Vec::new());
    }
    match &mut node.kind {
        Kind::Map(entries) => entries,
        _ => unreachable!("it was made a map"),
    }
}

fn key(place: Place, name: &str) -> Key {
    let name = name.to_owned();
    Key { place, name }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} in the URL: '%' stands before two hexadecimal digits");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(wrong());
        };
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}
