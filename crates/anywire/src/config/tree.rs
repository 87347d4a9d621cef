//! YAML as a tree whose every value knows its place, within a budget.
//!
//! Scalars keep the text that was written, so that the reader's type decides what it means. Anchors, aliases and merge
//! keys (`<<`) are copied where they are used; copies count towards the budget.

use super::report::{Place, Problem};
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;

/// Bytes of a file.
pub(crate) const FILE_MAX: usize = 1 << 20;
/// Values of a file, copies included.
const NODES: usize = 50_000;
/// How deep values may be nested.
const DEPTH: usize = 16;
/// Aliases of a file.
const ALIASES: usize = 1000;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing was written, or `null`.
    Null,
    /// A text; whether it was written without quotes.
    Scalar { text: String, plain: bool },
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in order.
    Map(Vec<(Key, Node)>),
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) name: String,
}

impl Node {
    pub(crate) fn text(place: Place, text: &str) -> Self {
        let (text, plain) = (text.to_owned(), true);
        let kind = Kind::Scalar { text, plain };
        Self { place, kind }
    }

    /// How many values it is.
    fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Null | Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Self::count).sum(),
            Kind::Map(entries) => entries.iter().map(|(_, value)| value.count()).sum(),
        }
    }
}

/// Reads a document. An empty one is an empty map.
pub(crate) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > FILE_MAX {
        let what = format!(
            "{} bytes are more than a configuration may have ({FILE_MAX})",
            text.len()
        );
        return Err(Problem::new(Place::START, what));
    }
    let mut builder = Builder {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        nodes: 0,
        aliases: 0,
    };
    builder.document()
}

struct Builder<'a> {
    events: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    aliases: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, place(&span))),
            Some(Err(error)) => {
                let mark = error.marker();
                let at = Place::new(mark.line(), mark.col() + 1, 1);
                Err(Problem::new(
                    at,
                    format!("this is no YAML: {}", error.info()),
                ))
            }
            None => Ok((Event::StreamEnd, Place::START)),
        }
    }

    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Problem::new(at, "one document is all that a file may have"));
                }
                Event::DocumentStart(..) => {
                    let (event, at) = self.next()?;
                    root = Some(self.node(event, at, 0)?);
                }
                _ => return Err(Problem::new(at, "a value out of place")),
            }
        }
        Ok(root.unwrap_or(Node {
            place: Place::START,
            kind: Kind::Null,
        }))
    }

    fn node(&mut self, event: Event<'a>, at: Place, depth: usize) -> Result<Node, Problem> {
        self.spend(1, at)?;
        if depth > DEPTH {
            return Err(Problem::new(at, "nested too deep"));
        }
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(&text, style), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(at, depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, at),
            _ => return Err(Problem::new(at, "a value was expected")),
        };
        let node = Node { place: at, kind };
        if anchor != 0 {
            // The copy is paid for when it is used, and once for being kept.
            self.spend(node.count(), at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn spend(&mut self, count: usize, at: Place) -> Result<(), Problem> {
        self.nodes += count;
        if self.nodes > NODES {
            return Err(Problem::new(
                at,
                "more values than a configuration may have",
            ));
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Place) -> Result<Node, Problem> {
        self.aliases += 1;
        let Some(found) = self.anchors.get(&anchor) else {
            return Err(Problem::new(
                at,
                "this refers to a value that it is part of",
            ));
        };
        if self.aliases > ALIASES {
            return Err(Problem::new(
                at,
                "more aliases than a configuration may have",
            ));
        }
        let (node, count) = (found.clone(), found.count());
        self.spend(count, at)?;
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(items)),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Place, depth: usize) -> Result<Kind, Problem> {
        let (mut entries, mut merged) = (Vec::<(Key, Node)>::new(), Vec::new());
        loop {
            let (event, at) = self.next()?;
            let name = match event {
                Event::MappingEnd => break,
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(Problem::new(at, "a key must be a plain text")),
            };
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth + 1)?;
            if name == "<<" {
                merged.push(value);
                continue;
            }
            if entries.iter().any(|(known, _)| known.name == name) {
                return Err(Problem::new(at, format!("{name:?} stands here twice")));
            }
            entries.push((Key { place: at, name }, value));
        }
        for value in merged {
            merge(&mut entries, value, start)?;
        }
        Ok(Kind::Map(entries))
    }
}

/// What a merge key brings does not replace what is written.
fn merge(entries: &mut Vec<(Key, Node)>, value: Node, start: Place) -> Result<(), Problem> {
    match value.kind {
        Kind::Map(more) => {
            for (key, value) in more {
                if !entries.iter().any(|(known, _)| known.name == key.name) {
                    entries.push((key, value));
                }
            }
            Ok(())
        }
        Kind::List(items) => items
            .into_iter()
            .try_for_each(|item| merge(entries, item, start)),
        _ => Err(Problem::new(start, "'<<' merges maps, and lists of them")),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Kind {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text, "" | "~" | "null") {
        return Kind::Null;
    }
    let text = text.to_owned();
    Kind::Scalar { text, plain }
}

fn place(span: &Span) -> Place {
    let len = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Place::new(span.start.line(), span.start.col() + 1, len.max(1))
}
