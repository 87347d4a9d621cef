//! Which server a command means: the one at a URL, the only one alive here, or the one that was named.

use super::console::note;
use super::http::Peer;
use super::place::{Place, Url, Wire};
use crate::cli::tls::Trust;
use crate::runtime_dir;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};

/// Which server to talk to
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Target {
    // Their variables are not clap's, to which one that is set is as good as a flag beside the other flag.
    /// The server's name, when several run here: what `serve --name` said, or the port of its first listener [env:
    /// ANYWIRE_SERVER]
    #[arg(long, value_name = "NAME")]
    pub server: Option<String>,
    /// The server's address, as it prints it; ANYWIRE_TOKEN has the start code, a token or USER:PASSWORD if the URL has
    /// none [env: ANYWIRE_URL]
    #[arg(long, value_name = "URL", conflicts_with = "server")]
    pub url: Option<String>,
    /// Whose certificate is good enough at an https address.
    #[command(flatten)]
    pub trust: Trust,
}

/// What says which server is meant.
#[derive(Debug, PartialEq, Eq)]
enum Chosen {
    Url(String),
    Named(String),
    /// Nothing: the only one here.
    Only,
}

/// A server that was found.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name.
    pub name: String,
    pub(super) peer: Peer,
    /// What stands before every path.
    pub(super) base: String,
    /// Where its page is, if that is known from how the server was found.
    pub(super) page: Option<String>,
    place: Place,
}

impl Target {
    /// The server meant, and a connection to it.
    ///
    /// # Errors
    /// When none runs, or several and none was named, or the named one does not run.
    pub async fn connect(&self) -> Result<(Server, Wire)> {
        match self.choose(|variable| std::env::var(variable).ok())? {
            Chosen::Url(url) => self.connect_to(&url).await,
            Chosen::Named(name) => connect_in(&runtime_dir::open()?, Some(&name)).await,
            Chosen::Only => connect_in(&runtime_dir::open()?, None).await,
        }
    }

    /// A flag counts before every variable, and a variable without a value is none.
    fn choose(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Chosen> {
        let said = |name| variable(name).filter(|value| !value.is_empty());
        match (self.url.clone(), self.server.clone()) {
            (Some(url), _) => return Ok(Chosen::Url(url)),
            (None, Some(name)) => return Ok(Chosen::Named(name)),
            (None, None) => {}
        }
        match (said("ANYWIRE_URL"), said("ANYWIRE_SERVER")) {
            (Some(_), Some(_)) => bail!(
                "ANYWIRE_URL and ANYWIRE_SERVER name two servers: unset one, or say --url or --server"
            ),
            (Some(url), None) => Ok(Chosen::Url(url)),
            (None, Some(name)) => Ok(Chosen::Named(name)),
            (None, None) => Ok(Chosen::Only),
        }
    }

    async fn connect_to(&self, url: &str) -> Result<(Server, Wire)> {
        let url = Url::parse(url)?;
        // From the environment alone: what stands on a command line can be read by everybody on the machine.
        let token = std::env::var("ANYWIRE_TOKEN").ok();
        let token = token.as_deref().filter(|token| !token.is_empty());
        let place = url.place(&self.trust)?;
        let peer = url.peer(&place, token).await?;
        if !peer.headers.is_empty() && !url.tls && !url.is_here() {
            note(&format!(
                "what you say to {} can be read and changed on the way, the credential too; https:// or a tunnel is safer",
                url.host
            ));
        }
        let server = Server {
            name: url.host.clone(),
            peer,
            page: Some(format!("{}{}/", url.origin(), url.base)),
            base: url.base.clone(),
            place,
        };
        match server.try_connect().await? {
            Some(stream) => Ok((server, stream)),
            None => bail!(
                "nobody answers at {}; `anywire serve -l {}` would",
                url.address,
                url.origin()
            ),
        }
    }
}

/// A server in this folder: the one with this name, or the only one.
async fn connect_in(dir: &Path, name: Option<&str>) -> Result<(Server, Wire)> {
    let candidates = match name {
        Some(name) => vec![(name.to_owned(), runtime_dir::socket(dir, name)?)],
        None => runtime_dir::sockets(dir)?,
    };
    let mut alive = alive(candidates).await?;
    match (alive.len(), name) {
        (1, _) => Ok(alive.remove(0)),
        (0, Some(name)) => {
            let others = self::alive(runtime_dir::sockets(dir)?).await?;
            match names(others).as_slice() {
                [] => bail!("no server runs; `anywire serve` starts one"),
                names => bail!(
                    "no server called {name} runs; there are: {}",
                    names.join(", ")
                ),
            }
        }
        (0, None) => bail!("no server runs; `anywire serve` starts one"),
        _ => bail!(
            "several servers run: choose one with --server {}",
            names(alive).join(" or --server ")
        ),
    }
}

/// Those that answer.
async fn alive(candidates: Vec<(String, PathBuf)>) -> Result<Vec<(Server, Wire)>> {
    let mut alive = Vec::new();
    for (name, socket) in candidates {
        let server = Server {
            name,
            peer: Peer::local(),
            page: None,
            base: String::new(),
            place: Place::Unix(socket),
        };
        if let Some(stream) = server.try_connect().await? {
            alive.push((server, stream));
        }
    }
    Ok(alive)
}

fn names(servers: Vec<(Server, Wire)>) -> Vec<String> {
    servers.into_iter().map(|(server, _)| server.name).collect()
}

impl Server {
    /// A connection; `None` when nobody listens there.
    pub(super) async fn try_connect(&self) -> Result<Option<Wire>> {
        self.place.try_connect().await
    }

    /// A connection.
    pub(super) async fn connect(&self) -> Result<Wire> {
        let stream = self.try_connect().await?;
        stream.with_context(|| format!("the server {} is gone", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    async fn choose(dir: &Path, name: Option<&str>) -> Result<String> {
        Ok(connect_in(dir, name).await?.0.name)
    }

    #[test]
    fn flags_win_over_variables_and_empty_ones_are_not_there() {
        let url = |url: &str| Chosen::Url(url.to_owned());
        let named = |name: &str| Chosen::Named(name.to_owned());
        for (flags, variables, chosen) in [
            (("u", ""), ("v", "w"), Some(url("u"))),
            (("", "s"), ("v", "w"), Some(named("s"))),
            (("", ""), ("v", ""), Some(url("v"))),
            (("", ""), ("", "w"), Some(named("w"))),
            (("", ""), ("", ""), Some(Chosen::Only)),
            (("", ""), ("v", "w"), None),
        ] {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            let target = Target {
                url: some(flags.0),
                server: some(flags.1),
                ..Target::default()
            };
            let variable = |name: &str| {
                let url = name == "ANYWIRE_URL";
                Some(if url { variables.0 } else { variables.1 }.to_owned())
            };
            assert_eq!(
                target.choose(variable).ok(),
                chosen,
                "{flags:?} {variables:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_living_one_or_the_named_one() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let listen = |name: &str| UnixListener::bind(dir.join(format!("{name}.sock"))).unwrap();

        let none = choose(dir, None).await.unwrap_err().to_string();
        assert!(none.contains("anywire serve"), "{none}");

        let one = listen("7681");
        drop(listen("1111")); // Its file stays: stale.
        assert_eq!(choose(dir, None).await.unwrap(), "7681");
        let other = choose(dir, Some("1111")).await.unwrap_err().to_string();
        assert_eq!(other, "no server called 1111 runs; there are: 7681");

        let _two = listen("7682");
        let several = choose(dir, None).await.unwrap_err().to_string();
        assert!(
            several.contains("--server 7681 or --server 7682"),
            "{several}"
        );
        assert_eq!(choose(dir, Some("7682")).await.unwrap(), "7682");
        drop(one);
    }
}
