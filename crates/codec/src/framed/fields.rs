//! Reading a header's JSON: one pass, no tree, strict about the keys that are known.

use super::header::MAX_ID;
use super::{ByteOrder, Error, Header, Id};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Reads a whole header. Its depth was checked before.
pub(super) fn parse(json: &[u8]) -> Result<Header<'_>, Error> {
    let text =
        std::str::from_utf8(json).map_err(|_| Error::BadHeader("it is not UTF-8".to_owned()))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let wrong = |error: serde_json::Error| Error::BadHeader(error.to_string());
    let fields = reader.deserialize_map(FieldsVisitor).map_err(wrong)?;
    reader.end().map_err(wrong)?;
    fields.header()
}

/// What a header had.
#[derive(Default)]
struct Fields<'a> {
    byteorder: Option<ByteOrder>,
    content_length: Option<u64>,
    content_type: Option<Cow<'a, str>>,
    content_encoding: Option<Cow<'a, str>>,
    keep_alive: Option<bool>,
    id: Option<Id<'a>>,
}

impl<'a> Fields<'a> {
    fn header(self) -> Result<Header<'a>, Error> {
        Ok(Header {
            byteorder: self.byteorder,
            content_length: self
                .content_length
                .ok_or(Error::MissingHeader("content-length"))?,
            content_type: self
                .content_type
                .ok_or(Error::MissingHeader("content-type"))?,
            content_encoding: self
                .content_encoding
                .ok_or(Error::MissingHeader("content-encoding"))?,
            keep_alive: self.keep_alive.unwrap_or_default(),
            id: self.id,
        })
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key_seed(Scalar("a key"))? {
            // Two values for one key: two readers could disagree about the length.
            let twice = || A::Error::custom("a key appears twice");
            match key.text().unwrap_or_default().as_ref() {
                "byteorder" => {
                    let order = match map.next_value_seed(Scalar("byteorder"))? {
                        Value::Text(text) if text == "little" => ByteOrder::Little,
                        Value::Text(text) if text == "big" => ByteOrder::Big,
                        _ => return Err(A::Error::custom("byteorder is \"little\" or \"big\"")),
                    };
                    once(&mut fields.byteorder, order).ok_or_else(twice)?;
                }
                "content-length" => {
                    let Value::Number(length) = map.next_value_seed(Scalar("content-length"))?
                    else {
                        let message = "content-length is a whole number from 0 on";
                        return Err(A::Error::custom(message));
                    };
                    once(&mut fields.content_length, length).ok_or_else(twice)?;
                }
                "content-type" => {
                    let kind = map.next_value_seed(Scalar("content-type"))?;
                    // The original takes a number for a type that it does not know.
                    let kind = kind.text().unwrap_or_default();
                    once(&mut fields.content_type, kind).ok_or_else(twice)?;
                }
                "content-encoding" => {
                    let Value::Text(name) = map.next_value_seed(Scalar("content-encoding"))? else {
                        return Err(A::Error::custom("content-encoding is a string"));
                    };
                    once(&mut fields.content_encoding, name).ok_or_else(twice)?;
                }
                "keep-alive" => {
                    let Value::Bool(keep) = map.next_value_seed(Scalar("keep-alive"))? else {
                        return Err(A::Error::custom("keep-alive is true or false"));
                    };
                    once(&mut fields.keep_alive, keep).ok_or_else(twice)?;
                }
                "id" => {
                    let id = match map.next_value_seed(Scalar("id"))? {
                        Value::Number(id) => Id::Number(id),
                        Value::Text(id) if id.len() <= MAX_ID => Id::Text(id),
                        _ => {
                            let message = "id is a string of at most 256 bytes or a whole number";
                            return Err(A::Error::custom(message));
                        }
                    };
                    once(&mut fields.id, id).ok_or_else(twice)?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

/// Sets what is not set.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// A value that is not an object or an array.
enum Value<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    /// Negative or with a fraction.
    OtherNumber(f64),
    Bool(bool),
    Null,
}

impl<'a> Value<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(number) => Some(number.to_string().into()),
            Self::OtherNumber(number) => Some(number.to_string().into()),
            Self::Bool(_) | Self::Null => None,
        }
    }
}

/// Reads a scalar; the text is what it is for.
struct Scalar(&'static str);

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = Value<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, neither an array nor an object", self.0)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(match u64::try_from(number) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::OtherNumber(number as f64),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Value::OtherNumber(number))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }
}
