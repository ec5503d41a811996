//! TLS 1.3 with certificates on both sides, nothing older, nothing resumed.
//!
//! Session resumption is off: a resumed session would not look at the certificate again, and its validity
//! counts each time. The server name of TLS is not used; who the coordinator is stands in its certificate.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig, SignatureScheme,
    version,
};

use crate::certificate::{CertificateError, Consortium, Subject, claimed_subject};
use crate::identity::Identity;

/// Both sides must ask for this protocol, or the handshake fails.
pub const ALPN: &[u8] = b"hedgerow/1";

/// A configuration that rustls does not take.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up with this identity: {0}")]
pub struct TlsError(#[from] rustls::Error);

/// The cryptography of every connection: ring.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What a coordinator needs to listen: only parties of the consortium get in, and of these only those whom
/// `admit` names.
///
/// # Errors
/// [`TlsError`].
pub fn server_config(identity: &Identity, admit: Admit) -> Result<ServerConfig, TlsError> {
    let verifier = Arc::new(Verifier::new(identity.consortium().clone(), admit));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate().clone()], private_key(identity))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// What a party needs to dial. `verdict` tells afterwards why a coordinator's certificate was refused.
///
/// # Errors
/// [`TlsError`].
pub(crate) fn client_config(
    identity: &Identity,
    expected: Option<Subject>,
    verdict: Verdict,
) -> Result<ClientConfig, TlsError> {
    let admit: Admit = Arc::new(move |subject| match &expected {
        Some(expected) if expected != subject => Err(CertificateError::Other {
            expected: expected.to_string(),
            found: subject.to_string(),
        }),
        _ => Ok(()),
    });
    let verifier = Verifier {
        verdict,
        ..Verifier::new(identity.consortium().clone(), admit)
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![identity.certificate().clone()], private_key(identity))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

fn private_key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key().expose().clone()))
}

/// Whom of the consortium to let in.
pub type Admit = Arc<dyn Fn(&Subject) -> Result<(), CertificateError> + Send + Sync>;

/// The last certificate error, which TLS itself would reduce to an alert of one byte.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict(Arc<Mutex<Option<CertificateError>>>);

impl Verdict {
    pub(crate) fn take(&self) -> Option<CertificateError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: CertificateError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Verifies certificates of either side by [`Consortium::member`] and nothing else.
struct Verifier {
    consortium: Consortium,
    admit: Admit,
    verdict: Verdict,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Verifier({})", self.consortium.name())
    }
}

impl Verifier {
    fn new(consortium: Consortium, admit: Admit) -> Self {
        Self {
            consortium,
            admit,
            verdict: Verdict::default(),
        }
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        role: &'static str,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let checked = self.consortium.member(certificate, now).and_then(|member| {
            if member.subject.role() != role {
                let (expected, found) = (format!("a {role}"), member.subject.to_string());
                return Err(CertificateError::Other { expected, found });
            }
            (self.admit)(&member.subject)
        });
        checked.map_err(|error| {
            let claimed =
                claimed_subject(certificate).map_or_else(|_| "nobody".to_owned(), |s| s.to_string());
            tracing::warn!(claimed, "certificate refused: {error}");
            let alert = alert(&error);
            self.verdict.set(error);
            rustls::Error::InvalidCertificate(alert)
        })
    }
}

/// The alert tells the other side in one byte what its operator needs to know most.
fn alert(error: &CertificateError) -> rustls::CertificateError {
    match error {
        CertificateError::OtherConsortium { .. } => rustls::CertificateError::UnknownIssuer,
        CertificateError::Expired { .. } | CertificateError::AuthorityExpired { .. } => {
            rustls::CertificateError::Expired
        }
        CertificateError::NotYetValid { .. } => rustls::CertificateError::NotValidYet,
        CertificateError::Other { .. } => rustls::CertificateError::ApplicationVerificationFailure,
        other => rustls::CertificateError::Other(OtherError(Arc::new(other.clone()))),
    }
}

fn verify_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, rustls::Error> {
    let algorithms = provider().signature_verification_algorithms;
    rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
}

fn no_tls12() -> rustls::Error {
    rustls::Error::General("TLS 1.2 is not spoken here".to_owned())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(certificate, "coordinator", now)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(certificate, "party", now)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
