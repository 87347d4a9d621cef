//! Whether a server's certificate is good enough, and what to do if it is not.

use super::Fingerprint;
use anyhow::Result;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError};
use rustls::{RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A certificate that is not good enough.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the server's certificate is not trusted: {reason}. Its SHA-256 fingerprint is {fingerprint}; if the server printed \
     the same, say --fingerprint {fingerprint}, or name the certificate's file with --ca FILE"
)]
pub(crate) struct Untrusted {
    fingerprint: Fingerprint,
    reason: String,
}

/// Judges certificates.
#[derive(Debug)]
pub(super) struct Judge {
    trusted: Trusted,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Trusted {
    /// The one certificate with this fingerprint, whatever it says.
    Pinned(Fingerprint),
    /// Those of a file: they themselves, and what they vouch for.
    Anchors {
        verifier: Arc<WebPkiServerVerifier>,
        own: Vec<CertificateDer<'static>>,
    },
    /// Nobody's.
    None,
}

impl Judge {
    pub(super) fn pinned(fingerprint: Fingerprint, provider: &CryptoProvider) -> Self {
        Self::new(Trusted::Pinned(fingerprint), provider)
    }

    pub(super) fn of(
        own: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in &own {
            roots.add(certificate.clone())?;
        }
        Self::anchored(roots, own, provider)
    }

    pub(super) fn system(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Self> {
        if roots.is_empty() {
            return Ok(Self::new(Trusted::None, provider));
        }
        Self::anchored(roots, Vec::new(), provider)
    }

    fn anchored(
        roots: RootCertStore,
        own: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self> {
        let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone());
        let verifier = builder.build()?;
        Ok(Self::new(Trusted::Anchors { verifier, own }, provider))
    }

    fn new(trusted: Trusted, provider: &CryptoProvider) -> Self {
        Self {
            trusted,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

/// What a certificate's digest is.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate).into())
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = fingerprint(end_entity);
        let reason = match &self.trusted {
            Trusted::Pinned(wanted) if *wanted == found => {
                return Ok(ServerCertVerified::assertion());
            }
            Trusted::Pinned(wanted) => format!(
                "it is not the one with the fingerprint {wanted}, so the server has a new one, or somebody is in between"
            ),
            Trusted::None => "no authority is known on this system".to_owned(),
            Trusted::Anchors { verifier, own } => {
                let judged = verifier.verify_server_cert(
                    end_entity,
                    intermediates,
                    name,
                    ocsp_response,
                    now,
                );
                let error = match judged {
                    Ok(verified) => return Ok(verified),
                    // An authority's certificate is no server's to webpki, but what stands in the file is what was meant.
                    Err(error) if own.contains(end_entity) && !is_about_time(&error) => {
                        match verify_server_name(&ParsedCertificate::try_from(end_entity)?, name) {
                            Ok(()) => return Ok(ServerCertVerified::assertion()),
                            Err(error) => error,
                        }
                    }
                    Err(error) => error,
                };
                why(&error, name)
            }
        };
        let untrusted = Untrusted {
            fingerprint: found,
            reason,
        };
        let other = OtherError(Arc::new(untrusted));
        Err(Error::InvalidCertificate(CertificateError::Other(other)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn is_about_time(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

fn why(error: &Error, name: &ServerName<'_>) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "nobody who is trusted here vouches for it, so it may be the server's own".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("it is not for {}", name.to_str()),
        error if is_about_time(error) => "it has expired, or is not valid yet".to_owned(),
        Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    }
}
