//! TLS below every protocol of a listener: the certificate, and the handshake on accepted connections.
//!
//! A certificate comes from PEM files, or the server makes one for itself and keeps it in the vault, so that the next
//! server presents the same one. TLS 1.2 and 1.3, no renegotiation; HTTP/1.1 by ALPN.

mod greet;
mod selfmade;
mod stream;

pub(crate) use greet::{accept, accept_begun};
pub(crate) use stream::TlsStream;

use crate::Admission;
use data_encoding::HEXUPPER;
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Options {
    /// From PEM files: the chain with the server's own certificate first, and its key.
    Files {
        /// The chain.
        cert: PathBuf,
        /// The key: PKCS#8, PKCS#1 or SEC1.
        key: PathBuf,
    },
    /// Made by the server for these names and addresses, and kept in the vault.
    SelfSigned {
        /// Host names and IP addresses; `localhost` and the loopback addresses are always among them.
        names: Vec<String>,
    },
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is missing or no PEM.
    #[error("reading {path} as PEM: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file has no certificate in it.
    #[error(
        "{0} has no certificate in it; it needs one between BEGIN CERTIFICATE and END CERTIFICATE"
    )]
    Empty(PathBuf),
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
    /// The server's own certificate could not be made.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// The certificate of a listener, which can be exchanged while the listener is served.
pub struct Tls {
    options: Options,
    current: RwLock<Current>,
}

/// What new connections get.
#[derive(Clone)]
struct Current {
    config: Arc<ServerConfig>,
    fingerprint: [u8; 32],
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files, or takes the server's own certificate from the vault, making it if there is none for these
    /// names. Waits for the disk.
    ///
    /// # Errors
    /// [`Error`], which says what to mend.
    pub fn new(options: Options, admission: &Admission) -> Result<Self, Error> {
        let pair = match &options {
            Options::Files { cert, key } => Pair::read(cert, key)?,
            Options::SelfSigned { names } => selfmade::pair(names, admission)?,
        };
        let current = RwLock::new(pair.into_current()?);
        Ok(Self { options, current })
    }

    /// Reads the files again. Connections that exist keep what they have; after an error new ones do too. A
    /// certificate of the server's own stays.
    ///
    /// # Errors
    /// [`Error`], which says what to mend.
    pub fn reload(&self) -> Result<(), Error> {
        if let Options::Files { cert, key } = &self.options {
            let fresh = Pair::read(cert, key)?.into_current()?;
            *self.current.write() = fresh;
        }
        Ok(())
    }

    /// SHA-256 of the certificate as browsers and `openssl x509 -fingerprint -sha256` show it: `AB:CD:...`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes = self.current.read().fingerprint;
        bytes.map(|byte| HEXUPPER.encode(&[byte])).join(":")
    }

    fn config(&self) -> Arc<ServerConfig> {
        self.current.read().config.clone()
    }
}

/// A certificate chain and its key.
struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pair {
    fn read(cert: &Path, key: &Path) -> Result<Self, Error> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
            .and_then(Iterator::collect)
            .map_err(|error| unreadable(cert, &error))?;
        if chain.is_empty() {
            return Err(Error::Empty(cert.to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
        Ok(Self { chain, key })
    }

    fn into_current(self) -> Result<Current, Error> {
        let fingerprint = Sha256::digest(&self.chain[0]).into();
        // Named, not the process's default: another user of rustls in the same process must not choose for us.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Current {
            config: Arc::new(config),
            fingerprint,
        })
    }
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests;
