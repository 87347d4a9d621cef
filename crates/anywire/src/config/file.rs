//! The configuration file as types: what may stand in it, before defaults and checks.

pub(crate) use super::messages::Messages;
use super::values::{Bytes, Cells, Secret, Silent, Time};
use crate::listener::ListenUrl;
use anywire_model::Role;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap as _};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "anywire's configuration")]
pub(crate) struct File {
    /// The programs that sessions may run, by name; the first is the default
    pub(crate) services: Table<Service>,
    /// Where to listen
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listeners: Option<Vec<Listener>>,
    /// How much there may be of everything
    pub(crate) limits: Limits,
    /// Who may come in
    pub(crate) auth: Auth,
    /// The certificate of listeners that name none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// What is logged, and how
    pub(crate) log: Log,
}

/// A program that sessions may run
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Service {
    /// The program and its arguments; no shell reads them
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<Vec<String>>,
    /// A program inside the server, in place of a command
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) handler: Option<Handler>,
    /// A terminal (pty) or three pipes (pipe)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) io: Option<Io>,
    /// As a login shell: the program's own name begins with '-'
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<bool>,
    /// Variables to set
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) env: BTreeMap<String, String>,
    /// The inherited variables to keep, with '*' at the end for all that begin so; all but ANYWIRE_* by default
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_env: Option<Vec<String>>,
    /// The terminal's type, in TERM
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) term: Option<String>,
    /// Where it starts
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cwd: Option<PathBuf>,
    /// The terminal's first size
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<Cells>,
    /// How long a session lives that nobody is attached to: 10m for terminals, 0 for pipes
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ttl: Option<Time>,
    /// How long a session lives that has neither input nor output
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle: Option<Time>,
    /// How long a session lives at all
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_life: Option<Time>,
    /// How long a new session waits for its first client
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) never_attached: Option<Time>,
    /// How long an ended session can still be read: unless this says, 60s, and 3s once a client has heard of the end
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_ended: Option<Time>,
    /// Whose window is the terminal's size
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_policy: Option<SizePolicy>,
    /// What becomes of viewers that fall too far behind
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lag: Option<Lag>,
    /// How long a program may take to end between hang-up, termination and kill
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grace: Option<Time>,
    /// How much of the latest output is kept
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<Bytes>,
    /// How long what a piped program left behind may hold its output open
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) linger: Option<Time>,
    /// The most sessions of this service
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_sessions: Option<usize>,
}

/// A program inside the server
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Handler {
    /// What comes in goes out
    Echo,
    /// The application of the Python sockets tutorial; it answers framed messages only
    Search,
}

/// What carries a program's bytes
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Io {
    /// A terminal
    #[default]
    Pty,
    /// Three pipes: standard output and error stay apart
    Pipe,
}

/// Whose window is the terminal's size
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SizePolicy {
    /// The owner's
    Owner,
    /// The smallest of all
    Smallest,
    /// The largest of all
    Largest,
    /// Of who typed last
    #[default]
    LastActive,
    /// Nobody's: it stays as it began
    Fixed,
}

/// What becomes of viewers that fall too far behind
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lag {
    /// They get a picture of the screen and go on from there
    #[default]
    Resync,
    /// They are told how much they miss and go on from there
    Drop,
    /// They are disconnected
    Disconnect,
}

/// A place to listen. All keys but url may stand in the URL's query too
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listener {
    /// Such as http://127.0.0.1:7681, telnet://localhost:8023 or unix:///run/x.sock
    pub(crate) url: ListenUrl,
    /// The service of its sessions; the first by default
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    /// new: a session for each client; lobby: a menu; a name: that session, made for the first client
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// What a client may do that has no role of its own
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<RoleName>")]
    pub(crate) role: Option<Role>,
    /// Whether clients must say who they are, in place of auth.required
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth: Option<bool>,
    /// What becomes of standard error where there is one stream only
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stderr: Option<Stderr>,
    /// Whether WebSocket messages are compressed for clients that offer it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) compression: Option<Compression>,
    /// Connections at the same time
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_connections: Option<usize>,
    /// Connections at the same time from one address
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_per_address: Option<usize>,
    /// On auto: what is spoken to a client that says nothing, and after how long
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) silent: Option<Silent>,
    /// How long output still flows after the client has closed its side
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) linger: Option<Time>,
    /// Its certificate
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
    /// What framed messages may cost
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages: Option<Messages>,
    /// On http: what is spoken there, in place of anywire's own page, API and WebSocket
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dialect: Option<Dialect>,
    /// With dialect xwterm: the folder of the page's files; without it, there is one small page
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) docroot: Option<PathBuf>,
    /// With dialect xwterm: where uploads go, uploads in the docroot by default
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upload_dir: Option<PathBuf>,
    /// With dialect xwterm: how long a terminal lives that nobody polls, 120s by default
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle: Option<Time>,
}

/// What is spoken on a listener with http, in place of anywire's own page, API and WebSocket
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// The HTTP service of xwterm's sample server, and its WebSocket service beside it
    Xwterm,
    /// Its WebSocket service alone
    XwtermWs,
}

impl Listener {
    /// A listener without options.
    pub(crate) fn new(url: ListenUrl) -> Self {
        Self {
            url,
            service: None,
            session: None,
            role: None,
            auth: None,
            stderr: None,
            compression: None,
            max_connections: None,
            max_per_address: None,
            silent: None,
            linger: None,
            tls: None,
            messages: None,
            dialect: None,
            docroot: None,
            upload_dir: None,
            idle: None,
        }
    }
}

/// `Role` for the schema.
#[derive(JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(dead_code)]
enum RoleName {
    Viewer,
    Writer,
    Owner,
}

/// What becomes of standard error where there is one stream only
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stderr {
    /// It is sent between the output
    #[default]
    Merge,
    /// It is not sent
    Drop,
}

/// Whether WebSocket messages are compressed for clients that offer it
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compression {
    /// For clients on other machines
    #[default]
    Auto,
    /// For all
    Always,
    /// For none
    Never,
}

/// A certificate: files, or one that is made at the start
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tls {
    /// The chain, PEM
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, PEM
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// A certificate of one's own, made at the start
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) self_signed: Option<bool>,
}

/// How much there may be of everything
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Sessions
    pub(crate) sessions: usize,
    /// Connections of each listener
    pub(crate) connections: usize,
    /// Attachments of a session
    pub(crate) attachments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 16_384,
            connections: 65_536,
            attachments: 256,
        }
    }
}

/// Who may come in
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    /// Whether clients must say who they are
    pub(crate) required: bool,
    /// Listen beyond this machine without asking who comes
    pub(crate) insecure_no_auth: bool,
    /// Listen beyond this machine without TLS
    pub(crate) insecure_no_tls: bool,
    /// Further names under which the page is reached
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<String>,
    /// Further origins whose pages may connect
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) origins: Vec<String>,
    /// People with a password, by name
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) users: BTreeMap<String, User>,
    /// Programs with a token, by name
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tokens: BTreeMap<String, Token>,
    /// A command that gets each new start code as its last argument
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) announce: Vec<String>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            required: true,
            insecure_no_auth: false,
            insecure_no_tls: false,
            hosts: Vec::new(),
            origins: Vec::new(),
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            announce: Vec::new(),
        }
    }
}

/// Somebody with a password
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct User {
    /// Its argon2 hash in PHC form
    pub(crate) password: Secret,
    /// What they may do
    #[schemars(with = "RoleName")]
    pub(crate) role: Role,
}

/// Something with a token
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// The token's SHA-256 in 64 hexadecimal digits
    pub(crate) sha256: Secret,
    /// What it may do
    #[schemars(with = "RoleName")]
    pub(crate) role: Role,
}

/// What is logged, and how
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// Lines for people, or objects for machines
    pub(crate) format: LogFormat,
    /// Nothing is printed on standard output, not even addresses
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) quiet: bool,
    /// error, warn, info, debug, trace, or a filter such as anywire_wire=debug
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
}

/// Lines for people, or objects for machines
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// Lines
    #[default]
    Text,
    /// One JSON object in a line
    Json,
}

/// Values by name, in the order in which they stand in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names, each with what belongs to it")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
                let mut table = Table::default();
                while let Some(entry) = map.next_entry()? {
                    table.0.push(entry);
                }
                Ok(table)
            }
        }

        deserializer.deserialize_map(Visitor(PhantomData))
    }
}

impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<T: JsonSchema> JsonSchema for Table<T> {
    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}
