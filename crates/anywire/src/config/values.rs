//! Values as people write them: durations, sizes in bytes, sizes of terminals, secrets.

use anywire_model::Size;
use serde::{Deserialize as _, Deserializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What `never` comes to where a number is needed: some 31 years.
const NEVER: Duration = Duration::from_secs(1_000_000_000);
/// Units of time and their milliseconds, the largest first.
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];
/// Units of size and their bytes, the largest first.
const BYTES: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// A duration: `500ms`, `10s`, `5m`, `2h`, `1d`, `0` or `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time(Option<u64>);

impl Time {
    /// It never comes.
    pub(crate) const NEVER: Self = Self(None);
    /// At once.
    pub(crate) const ZERO: Self = Self(Some(0));

    pub(crate) const fn secs(secs: u64) -> Self {
        Self(Some(secs * 1000))
    }

    /// This long, in whole milliseconds.
    pub(crate) fn of(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).ok())
    }

    /// As a number; `never` is a very long time.
    pub(crate) fn duration(self) -> Duration {
        self.0.map_or(NEVER, Duration::from_millis)
    }

    /// As a number unless it is `never`.
    pub(crate) fn limit(self) -> Option<Duration> {
        self.0.map(Duration::from_millis)
    }

    pub(crate) fn millis(self) -> u64 {
        self.duration().as_millis() as u64
    }

    /// As a flag may write it: a bare number means seconds.
    pub(crate) fn from_flag(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(secs) if (0.0..=1e9).contains(&secs) => Ok(Self(Some((secs * 1000.0) as u64))),
            Ok(_) => Err("between 0 and 1000000000 seconds".to_owned()),
            Err(_) => text.parse(),
        }
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::NEVER);
        }
        let (number, unit) = split(text);
        let wrong = || {
            format!(
                "{text:?} is no duration: write a whole number and a unit (ms, s, m, h, d), such as 500ms or 10m, or never"
            )
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        if unit.is_empty() && number == 0 {
            return Ok(Self::ZERO);
        }
        let (_, millis) = TIMES
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        number
            .checked_mul(*millis)
            .filter(|all| *all <= NEVER.as_millis() as u64)
            .map(|all| Self(Some(all)))
            .ok_or_else(|| format!("{text:?} is more than 30 years: write never"))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(millis) = self.0 else {
            return f.write_str("never");
        };
        match TIMES.iter().find(|(_, unit)| millis % unit == 0) {
            _ if millis == 0 => f.write_str("0s"),
            Some((name, unit)) => write!(f, "{}{name}", millis / unit),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// A number of bytes: `65536`, `64KiB`, `2MiB`, `1GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let wrong = || {
            format!(
                "{text:?} is no size: write a whole number of bytes, or with a unit (KiB, MiB, GiB), such as 2MiB"
            )
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let factor = match unit {
            "" => 1,
            unit => {
                BYTES
                    .iter()
                    .find(|(name, _)| *name == unit)
                    .ok_or_else(wrong)?
                    .1
            }
        };
        number
            .checked_mul(factor)
            .map(Self)
            .ok_or_else(|| format!("{text:?} is too large"))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BYTES
            .iter()
            .find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit))
        {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// The size of a terminal: `80x24`, columns first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cells(pub(crate) Size);

impl FromStr for Cells {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.split_once('x').and_then(|(cols, rows)| {
            let number = |text: &str| {
                Some(text)
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
                    .parse()
                    .ok()
            };
            Size::checked(number(cols)?, number(rows)?)
        });
        size.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is no size of a terminal: write columns x rows, such as 80x24, at most {}",
                Size::MAX
            )
        })
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a listener on `auto` does with a client that says nothing: a protocol and how long to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    /// What is spoken to it.
    pub(crate) protocol: SilentProtocol,
    /// How long it may say nothing.
    pub(crate) after: Time,
}

/// The protocols in which the server speaks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SilentProtocol {
    /// Telnet.
    Telnet,
    /// Raw bytes.
    Tcp,
}

impl FromStr for Silent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?}: write a protocol (telnet or tcp), a colon and a duration, such as telnet:2s"
            )
        };
        let (protocol, after) = text.split_once(':').ok_or_else(wrong)?;
        let protocol = match protocol {
            "telnet" => SilentProtocol::Telnet,
            "tcp" => SilentProtocol::Tcp,
            _ => return Err(wrong()),
        };
        let after = after.parse()?;
        if after == Time::NEVER {
            return Err(wrong());
        }
        Ok(Self { protocol, after })
    }
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            SilentProtocol::Telnet => "telnet",
            SilentProtocol::Tcp => "tcp",
        };
        write!(f, "{protocol}:{}", self.after)
    }
}

/// A text that no log and no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a value from the text that stands for it.
pub(crate) fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

/// A value that travels as text, and what the schema says of that text.
macro_rules! as_text {
    ($($type:ident: $schema:tt;)*) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::config::values::from_text(deserializer)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($schema)
            }
        }
    )*};
}

pub(crate) use as_text;

as_text! {
    Time: {
        "description": "A duration: a whole number and a unit (ms, s, m, h, d), 0, or never",
        "type": ["string", "integer"],
        "pattern": "^([0-9]+(ms|s|m|h|d)|0|never)$",
        "maximum": 0,
        "minimum": 0
    };
    Bytes: {
        "description": "A number of bytes, perhaps with a unit (KiB, MiB, GiB)",
        "type": ["string", "integer"],
        "pattern": "^[0-9]+(KiB|MiB|GiB)?$",
        "minimum": 0
    };
    Cells: {
        "description": "The size of a terminal: columns x rows, at most 1000x500",
        "type": "string",
        "pattern": "^[0-9]+x[0-9]+$"
    };
    Silent: {
        "description": "What a client gets that says nothing, and after how long: telnet:2s",
        "type": "string",
        "pattern": "^(telnet|tcp):[0-9]+(ms|s|m|h|d)$"
    };
    Secret: {
        "description": "A hash, never the secret itself",
        "type": "string"
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations() {
        let good = |text: &str| text.parse::<Time>().unwrap();
        assert_eq!(good("500ms").millis(), 500);
        assert_eq!(good("10s"), Time::secs(10));
        assert_eq!(good("5m"), Time::secs(300));
        assert_eq!(good("2h"), Time::secs(7200));
        assert_eq!(good("1d"), Time::secs(86_400));
        assert_eq!(good("0"), Time::ZERO);
        assert_eq!(good("never").limit(), None);
        for bad in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "10S",
            "1w",
            "99999999999999999999s",
        ] {
            let error = bad.parse::<Time>().unwrap_err();
            assert!(error.contains("such as 500ms"), "{error}");
        }
        let error = "99999d".parse::<Time>().unwrap_err();
        assert_eq!(error, r#""99999d" is more than 30 years: write never"#);
        assert_eq!(Time::from_flag("0.5").unwrap(), good("500ms"));
        assert_eq!(Time::from_flag("2h").unwrap(), good("2h"));
        assert!(Time::from_flag("-1").is_err() && Time::from_flag("nan").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!("64KiB".parse(), Ok(Bytes(65_536)));
        assert_eq!("2MiB".parse(), Ok(Bytes(2 << 20)));
        assert_eq!("17".parse(), Ok(Bytes(17)));
        for bad in [
            "",
            "2MB",
            "-1",
            "2 MiB",
            "1.5MiB",
            "18446744073709551615GiB",
        ] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!("80x24".parse(), Ok(Cells(Size::DEFAULT)));
        for bad in [
            "80", "0x24", "80x0", "+80x24", "80x24x1", "1001x24", "80X24",
        ] {
            assert!(bad.parse::<Cells>().is_err(), "{bad}");
        }
    }

    #[test]
    fn silent() {
        let silent: Silent = "telnet:2s".parse().unwrap();
        assert_eq!(silent.to_string(), "telnet:2s");
        for bad in ["telnet", "http:2s", "telnet:", "telnet:2", "telnet:never"] {
            assert!(bad.parse::<Silent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", Secret("hunter2".into())), "Secret");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(millis in 0..=1_000_000_000_000u64, bytes: u64) {
            let time = Time(Some(millis));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
    }
}
