//! TLS from the client's side: whom a command trusts, and the handshake.
//!
//! A server that makes its own certificate is nobody's acquaintance, so it is known by a fingerprint or a file. There is
//! no option that takes every certificate: the error about one says its fingerprint, and to compare that is as easy.

mod verify;

pub(crate) use verify::Untrusted;

use anyhow::{Context as _, Result, bail};
use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use verify::Judge;

/// Where systems have the authorities that they trust.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whose certificate is good enough; without an option, one that an authority of this system vouches for.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Trust {
    /// Trust the certificates in this PEM file: the server's own, or its authority's
    #[arg(long, value_name = "FILE", env = "ANYWIRE_CA")]
    ca: Option<PathBuf>,
    /// Trust the server whose certificate has this SHA-256 fingerprint, which it prints when it starts
    #[arg(
        long,
        value_name = "SHA256",
        env = "ANYWIRE_FINGERPRINT",
        conflicts_with = "ca"
    )]
    fingerprint: Option<Fingerprint>,
}

impl Trust {
    /// TLS to this host.
    ///
    /// # Errors
    /// When a file cannot be read, or the host is no name and no address.
    pub(crate) fn tls(&self, host: &str) -> Result<Tls> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned());
        let name = name.with_context(|| format!("{host:?} is no host"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let judge = match (self.fingerprint, &self.ca) {
            (Some(fingerprint), _) => Judge::pinned(fingerprint, &provider),
            (None, Some(file)) => Judge::of(read(file)?, &provider)
                .with_context(|| format!("{} cannot be trusted", file.display()))?,
            (None, None) => Judge::system(system(), &provider)?,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge))
            .with_no_client_auth();
        // What the page's port speaks; others do not look at it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls {
            config: Arc::new(config),
            name,
        })
    }

    /// That nothing was said about certificates where there are none: whoever did expects TLS.
    ///
    /// # Errors
    /// When something was.
    pub(crate) fn is_not_for(&self, url: &str) -> Result<()> {
        if self.ca.is_some() || self.fingerprint.is_some() {
            bail!(
                "{url} has no TLS, so there is no certificate for --ca or --fingerprint: write https://, wss://, \
                 framed+tls:// or tcps://"
            );
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates =
        certificates.with_context(|| format!("reading {} as PEM", file.display()))?;
    if certificates.is_empty() {
        bail!("{} has no certificate in it", file.display());
    }
    Ok(certificates)
}

/// The authorities of this system; none if it has none where they usually are.
fn system() -> RootCertStore {
    let own = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let usual = SYSTEM.iter().map(PathBuf::from);
    let mut roots = RootCertStore::empty();
    for file in own.into_iter().chain(usual) {
        if let Ok(certificates) = read(&file) {
            roots.add_parsable_certificates(certificates);
            break;
        }
    }
    roots
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; 32]);

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.strip_prefix("sha256:").unwrap_or(&lower);
        let digits = digits.replace(':', "");
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| {
                "a fingerprint is 32 bytes in hexadecimal digits, such as 5A:0B:..., with or without colons".to_owned()
            })
    }
}

/// As browsers, `openssl x509 -fingerprint -sha256` and our server show it.
impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.map(|byte| HEXUPPER.encode(&[byte])).join(":"))
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The certificate is not good enough.
    #[error(transparent)]
    Untrusted(Untrusted),
    /// What came back is no TLS.
    #[error("the server speaks no TLS on this port")]
    Plain,
    /// The two could not agree.
    #[error("the TLS handshake failed: {0}")]
    Handshake(rustls::Error),
    /// The connection broke.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            None => Self::Io(error),
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if let Some(untrusted) = other.0.downcast_ref::<Untrusted>() =>
            {
                Self::Untrusted(untrusted.clone())
            }
            Some(rustls::Error::InvalidMessage(_)) => Self::Plain,
            Some(other) => Self::Handshake(other.clone()),
        }
    }
}

/// The client's end of TLS to one host.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}

impl Tls {
    /// Shakes hands. Has no deadline of its own.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, TlsError> {
        let connector = TlsConnector::from(self.config.clone());
        // Large, and rare.
        let shaking = Box::pin(connector.connect(self.name.clone(), stream));
        shaking.await.map_err(TlsError::from)
    }
}

#[cfg(test)]
mod tests;
