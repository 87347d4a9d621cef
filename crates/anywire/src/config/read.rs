//! From the tree to types: serde's derived readers, told about every mistake rather than the first.
//!
//! A reader stops at its first error. So the value with the mistake is taken out of the tree, and the rest is read
//! again, until nothing is wrong or enough is: all keys are optional or complained about where they are missing.

use super::report::{PROBLEMS, Place, Problem};
use super::tree::{Key, Kind, Node};
use crate::nearest::nearest;
use serde::de::{self, DeserializeOwned, IntoDeserializer as _, Visitor, value::StrDeserializer};
use std::fmt::{self, Display};

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A mistake: where the reader was, innermost step last, and the place.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) path: Vec<Step>,
    place: Option<Place>,
    what: String,
}

impl Mistake {
    /// Notes the way to the mistake while the reader goes back up.
    fn inside(mut self, step: Step, place: Place) -> Self {
        self.path.insert(0, step);
        self.place.get_or_insert(place);
        self
    }
}

impl Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<T: Display>(what: T) -> Self {
        Self {
            path: Vec::new(),
            place: None,
            what: what.to_string(),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = match nearest(field, expected.iter().copied()) {
            Some(known) => format!("did you mean {known:?}?"),
            None => format!("there are {}", expected.join(", ")),
        };
        Self::custom(format_args!("no key is called {field:?}; {hint}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "{variant:?} is none of {}",
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(missing(field))
    }
}

fn missing(key: &str) -> String {
    format!("{key:?} is missing")
}

/// What was read, with all mistakes: then it lacks the values that have them.
pub(crate) struct Found<T> {
    /// `None` when nothing can be read.
    pub(crate) value: Option<T>,
    /// What is wrong, and the way there in the file.
    pub(crate) mistakes: Vec<(Problem, Vec<Step>)>,
    /// What was taken out, one after the other: each way is that among what was left.
    taken: Vec<Vec<Step>>,
}

impl<T> Found<T> {
    fn of(value: Option<T>, mistakes: Vec<(Problem, Vec<Step>)>, taken: Vec<Vec<Step>>) -> Self {
        Self {
            value,
            mistakes,
            taken,
        }
    }

    /// The way in the file to what a way in the value leads to.
    pub(crate) fn in_file(&self, path: Vec<Step>) -> Vec<Step> {
        in_file(path, &self.taken)
    }
}

/// Numbers in a list count what was taken out of it, too.
fn in_file(mut path: Vec<Step>, taken: &[Vec<Step>]) -> Vec<Step> {
    for taken in taken.iter().rev() {
        let Some((Step::Index(gone), list)) = taken.split_last() else {
            continue;
        };
        if path.starts_with(list)
            && let Some(Step::Index(index)) = path.get_mut(list.len())
            && *index >= *gone
        {
            *index += 1;
        }
    }
    path
}

/// Reads all that can be read.
pub(crate) fn read<T: DeserializeOwned>(mut root: Node) -> Found<T> {
    let (mut found, mut taken) = (Vec::new(), Vec::new());
    // What will be told as missing because its value was taken out: it was complained about.
    let mut lacks: Vec<(Place, String)> = Vec::new();
    loop {
        let mistake = match T::deserialize(Reader(&root)) {
            Ok(value) => return Found::of(Some(value), found, taken),
            Err(mistake) => mistake,
        };
        let Mistake { path, place, what } = mistake;
        if let Some((Step::Key(key), above)) = path.split_last() {
            lacks.push((place_of(&root, above), missing(key)));
        }
        let removed = remove(&mut root, &path);
        let lack = (place.unwrap_or(root.place), what);
        if !lacks.contains(&lack) {
            let path = in_file(path.clone(), &taken);
            found.push((Problem::new(lack.0, lack.1), path));
        }
        if !removed || found.len() > PROBLEMS {
            return Found::of(None, found, taken);
        }
        taken.push(path);
    }
}

/// Takes out the value at the end of a path.
fn remove(node: &mut Node, path: &[Step]) -> bool {
    let Some((step, rest)) = path.split_first() else {
        return false;
    };
    match (&mut node.kind, step) {
        (Kind::Map(entries), Step::Key(name)) => {
            let Some(index) = entries.iter().position(|(key, _)| key.name == *name) else {
                return false;
            };
            if rest.is_empty() {
                entries.remove(index);
                return true;
            }
            remove(&mut entries[index].1, rest)
        }
        (Kind::List(items), Step::Index(index)) if *index < items.len() => {
            if rest.is_empty() {
                items.remove(*index);
                return true;
            }
            remove(&mut items[*index], rest)
        }
        _ => false,
    }
}

/// The place of what a path leads to, or of as much of it as there is.
pub(crate) fn place_of(root: &Node, path: &[Step]) -> Place {
    let mut node = root;
    let mut place = root.place;
    for step in path {
        let inside = match (&node.kind, step) {
            (Kind::Map(entries), Step::Key(name)) => entries
                .iter()
                .find(|(key, _)| key.name == *name)
                .map(|(key, value)| (key.place, value)),
            (Kind::List(items), Step::Index(index)) => {
                items.get(*index).map(|item| (item.place, item))
            }
            _ => None,
        };
        let Some((at, inner)) = inside else {
            return place;
        };
        place = match inner.kind {
            Kind::Scalar { .. } => inner.place,
            _ => at,
        };
        node = inner;
    }
    place
}

/// serde's view of a value.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a Node);

impl Reader<'_> {
    fn name(&self) -> &'static str {
        match self.0.kind {
            Kind::Null => "nothing",
            Kind::Scalar { .. } => "a text or a number",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, Mistake> {
        Err(de::Error::custom(format_args!(
            "{expected} was expected, not {}",
            self.name()
        )))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
            let Kind::Scalar { text, .. } = &self.0.kind else {
                return self.wrong("a number");
            };
            match text.parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(de::Error::custom(format_args!(
                    "{text:?} is no whole number from {} to {}", <$type>::MIN, <$type>::MAX
                ))),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Mistake;

    numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_i64 visit_i64 i64;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.kind {
            Kind::Scalar { text, plain: true } if text == "true" => visitor.visit_bool(true),
            Kind::Scalar { text, plain: true } if text == "false" => visitor.visit_bool(false),
            Kind::Scalar { text, .. } => Err(de::Error::custom(format_args!(
                "true or false was expected, not {text:?}"
            ))),
            _ => self.wrong("true or false"),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.kind {
            Kind::Scalar { text, .. } => visitor.visit_str(text),
            _ => self.wrong("a text"),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self.0.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.kind {
            Kind::List(items) => visitor.visit_seq(List { items, index: 0 }),
            Kind::Null => visitor.visit_seq(List {
                items: &[],
                index: 0,
            }),
            _ => self.wrong("a list"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.kind {
            Kind::Map(entries) => visitor.visit_map(Map { entries, index: 0 }),
            // `auth:` and nothing below it.
            Kind::Null => visitor.visit_map(Map {
                entries: &[],
                index: 0,
            }),
            _ => self.wrong("a map"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.0.kind {
            Kind::Scalar { text, .. } => {
                let text: StrDeserializer<'_, Mistake> = text.as_str().into_deserializer();
                visitor.visit_enum(text)
            }
            _ => self.wrong("a word"),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.0.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Scalar { .. } => self.deserialize_str(visitor),
            Kind::List(_) => self.deserialize_seq(visitor),
            Kind::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct List<'a> {
    items: &'a [Node],
    index: usize,
}

impl<'de> de::SeqAccess<'de> for List<'_> {
    type Error = Mistake;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mistake> {
        let Some(node) = self.items.get(self.index) else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(Reader(node));
        value
            .map(Some)
            .map_err(|mistake| mistake.inside(Step::Index(index), node.place))
    }
}

struct Map<'a> {
    entries: &'a [(Key, Node)],
    index: usize,
}

impl<'de> de::MapAccess<'de> for Map<'_> {
    type Error = Mistake;

    fn next_key_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Mistake> {
        let Some((key, _)) = self.entries.get(self.index) else {
            return Ok(None);
        };
        let name: StrDeserializer<'_, Mistake> = key.name.as_str().into_deserializer();
        seed.deserialize(name)
            .map(Some)
            .map_err(|mistake| mistake.inside(Step::Key(key.name.clone()), key.place))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, Mistake> {
        let (key, node) = &self.entries[self.index];
        self.index += 1;
        // What is missing or of the wrong kind is told at the key: a block's own place is that of its first line.
        let place = match node.kind {
            Kind::Scalar { .. } => node.place,
            _ => key.place,
        };
        seed.deserialize(Reader(node))
            .map_err(|mistake| mistake.inside(Step::Key(key.name.clone()), place))
    }
}
