//! Which server a command means: the one at a URL, the only one alive here, or the one that was named.

use super::console::note;
use super::http::Peer;
use super::place::{Place, Url, Wire};
use crate::cli::tls::Trust;
use crate::runtime_dir;
use anyhow::{Context as _, Result, bail};
use std::path::Path;

/// Which server to talk to
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Target {
    /// The server's name, when several run here: the port of its first listener
    #[arg(long, value_name = "NAME", env = "ANYWIRE_SERVER")]
    pub server: Option<String>,
    /// The server's address, as it prints it; ANYWIRE_TOKEN has the start code or token if the URL has none
    #[arg(
        long,
        value_name = "URL",
        env = "ANYWIRE_URL",
        conflicts_with = "server",
        hide_env_values = true
    )]
    pub url: Option<String>,
    /// Whose certificate is good enough at an https address.
    #[command(flatten)]
    pub trust: Trust,
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
        match &self.url {
            Some(url) => self.connect_to(url).await,
            None => self.connect_in(&runtime_dir::open()?).await,
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

    async fn connect_in(&self, dir: &Path) -> Result<(Server, Wire)> {
        let candidates = match &self.server {
            Some(name) => vec![(name.clone(), runtime_dir::socket(dir, name)?)],
            None => runtime_dir::sockets(dir)?,
        };
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
        match (alive.len(), &self.server) {
            (1, _) => Ok(alive.remove(0)),
            (0, Some(name)) => bail!("no server called {name} runs; `anywire serve` starts one"),
            (0, None) => bail!("no server runs; `anywire serve` starts one"),
            _ => {
                let names: Vec<_> = alive.into_iter().map(|(server, _)| server.name).collect();
                bail!(
                    "several servers run: choose one with --server {}",
                    names.join(" or --server ")
                )
            }
        }
    }
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
        let target = Target {
            server: name.map(str::to_owned),
            ..Target::default()
        };
        Ok(target.connect_in(dir).await?.0.name)
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
        assert!(
            choose(dir, Some("1111"))
                .await
                .unwrap_err()
                .to_string()
                .contains("1111")
        );

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
