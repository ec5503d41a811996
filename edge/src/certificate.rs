//! Certificates of a consortium: who somebody is, and whether the consortium says so.
//!
//! One function answers for TLS on both sides and for the protocol's list of participants:
//! [`Consortium::member`]. The chain, the validity and the purpose are checked by rustls' own path
//! verification (webpki); the name and the Ed25519 key are read with x509-parser.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::VerifyingIdentity;
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::roster::{self, CertificateVerifier};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OID_SIG_ED25519;
use x509_parser::prelude::FromDer;

use crate::tls;

mod error;

#[cfg(test)]
mod tests;

pub use error::CertificateError;

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A party, which dials.
    Party(PartyId),
    /// A coordinator, which listens.
    Coordinator(PartyId),
}

impl Subject {
    /// Its name within its role.
    #[must_use]
    pub const fn id(&self) -> &PartyId {
        match self {
            Self::Party(id) | Self::Coordinator(id) => id,
        }
    }

    /// `party` or `coordinator`.
    #[must_use]
    pub const fn role(&self) -> &'static str {
        match self {
            Self::Party(_) => "party",
            Self::Coordinator(_) => "coordinator",
        }
    }

    /// The URI in the certificate: `hedgerow:party/<id>` or `hedgerow:coordinator/<id>`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("hedgerow:{}/{}", self.role(), self.id())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role(), self.id())
    }
}

/// Reads [`Subject::uri`].
impl FromStr for Subject {
    type Err = CertificateError;

    fn from_str(uri: &str) -> Result<Self, CertificateError> {
        let unknown = || CertificateError::Name {
            found: uri.to_owned(),
        };
        let (role, id) = uri
            .strip_prefix("hedgerow:")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(unknown)?;
        let id = PartyId::new(id).map_err(|_| unknown())?;
        match role {
            "party" => Ok(Self::Party(id)),
            "coordinator" => Ok(Self::Coordinator(id)),
            _ => Err(unknown()),
        }
    }
}

/// Somebody of whom the consortium says who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Role and name.
    pub subject: Subject,
    /// Its Ed25519 key, for TLS and for signatures of the protocol.
    pub identity: VerifyingIdentity,
}

/// The certificate authority of a consortium, as every member trusts it.
#[derive(Clone, Debug)]
pub struct Consortium {
    name: String,
    fingerprint: Digest,
    not_after: i64,
    roots: Arc<RootCertStore>,
    clients: Arc<dyn ClientCertVerifier>,
}

impl Consortium {
    /// Trusts a CA certificate (DER).
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] or [`CertificateError::NotAnAuthority`].
    pub fn new(ca: &CertificateDer<'_>) -> Result<Self, CertificateError> {
        let certificate = parse(ca)?;
        let name = common_name(certificate.subject());
        if !certificate.is_ca() {
            return Err(CertificateError::NotAnAuthority { name });
        }
        let mut roots = RootCertStore::empty();
        let malformed = |error: &dyn fmt::Display| CertificateError::Malformed {
            detail: error.to_string(),
        };
        roots
            .add(ca.clone().into_owned())
            .map_err(|error| malformed(&error))?;
        let roots = Arc::new(roots);
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), tls::provider())
            .build()
            .map_err(|error| malformed(&error))?;
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Self {
            name,
            fingerprint: fingerprint(ca),
            not_after,
            roots,
            clients,
        })
    }

    /// The CA's common name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hash of the CA certificate, to compare over the telephone.
    #[must_use]
    pub const fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// Who the certificate's holder is, if this consortium says so at that time.
    ///
    /// # Errors
    /// [`CertificateError`]: of another consortium, not valid at that time, without a name or an Ed25519 key,
    /// or for another purpose than its role has.
    pub fn member(&self, certificate: &[u8], at: UnixTime) -> Result<Member, CertificateError> {
        let der = CertificateDer::from(certificate);
        let parsed = parse(&der)?;
        let subject = subject(&parsed)?;
        let identity = identity(&parsed)?;
        let now = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        if now > self.not_after {
            let since = date(self.not_after);
            return Err(CertificateError::AuthorityExpired {
                name: self.name.clone(),
                since,
            });
        }
        let verified = match &subject {
            Subject::Party(_) => self.clients.verify_client_cert(&der, &[], at).map(|_| ()),
            Subject::Coordinator(_) => ParsedCertificate::try_from(&der).and_then(|certificate| {
                let algorithms = tls::provider().signature_verification_algorithms.all;
                verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, &[], at, algorithms)
            }),
        };
        verified.map_err(|error| self.explain(&error, &parsed, &subject))?;
        Ok(Member { subject, identity })
    }

    fn explain(
        &self,
        error: &rustls::Error,
        parsed: &X509Certificate<'_>,
        subject: &Subject,
    ) -> CertificateError {
        use rustls::CertificateError as Tls;
        let subject = subject.to_string();
        let validity = parsed.validity();
        match error {
            rustls::Error::InvalidCertificate(Tls::Expired | Tls::ExpiredContext { .. }) => {
                CertificateError::Expired {
                    subject,
                    since: date(validity.not_after.timestamp()),
                }
            }
            rustls::Error::InvalidCertificate(Tls::NotValidYet | Tls::NotValidYetContext { .. }) => {
                CertificateError::NotYetValid {
                    subject,
                    from: date(validity.not_before.timestamp()),
                }
            }
            // Two authorities of one name differ in their signatures.
            rustls::Error::InvalidCertificate(Tls::UnknownIssuer | Tls::BadSignature) => {
                CertificateError::OtherConsortium {
                    subject,
                    issuer: common_name(parsed.issuer()),
                    expected: self.name.clone(),
                }
            }
            rustls::Error::InvalidCertificate(Tls::InvalidPurpose | Tls::InvalidPurposeContext { .. }) => {
                CertificateError::Purpose { subject }
            }
            other => CertificateError::Malformed {
                detail: other.to_string(),
            },
        }
    }
}

/// The protocol's view of a consortium: parties only, as of now.
impl CertificateVerifier for Consortium {
    fn verify(
        &self,
        party: &PartyId,
        certificate: &[u8],
    ) -> Result<VerifyingIdentity, roster::CertificateError> {
        let reason = match self.member(certificate, now()) {
            Ok(Member {
                subject: Subject::Party(id),
                identity,
            }) if id == *party => return Ok(identity),
            Ok(member) => {
                let (expected, found) = (format!("party {party}"), member.subject.to_string());
                CertificateError::Other { expected, found }.to_string()
            }
            Err(error) => error.to_string(),
        };
        Err(roster::CertificateError {
            party: party.clone(),
            reason,
        })
    }
}

/// The present time, as certificates count it.
#[must_use]
pub fn now() -> UnixTime {
    UnixTime::since_unix_epoch(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

/// SHA-256 of a certificate under its own domain.
#[must_use]
pub fn fingerprint(certificate: &[u8]) -> Digest {
    hedgerow_crypto::hash::hash("hedgerow/v1/edge/certificate", &[certificate])
}

/// Role and name in a certificate that nobody has verified; for messages to people only.
///
/// # Errors
/// [`CertificateError::Malformed`] or [`CertificateError::Name`].
pub fn claimed_subject(certificate: &[u8]) -> Result<Subject, CertificateError> {
    subject(&parse(certificate)?)
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok((rest, _)) => Err(CertificateError::Malformed {
            detail: format!("{} bytes after its end", rest.len()),
        }),
        Err(error) => Err(CertificateError::Malformed {
            detail: error.to_string(),
        }),
    }
}

fn subject(certificate: &X509Certificate<'_>) -> Result<Subject, CertificateError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| CertificateError::Malformed {
            detail: error.to_string(),
        })?;
    let names = names
        .as_ref()
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    match names {
        [GeneralName::URI(uri)] => uri.parse(),
        [] => Err(CertificateError::Name {
            found: "no name".to_owned(),
        }),
        others => {
            let found = others
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            Err(CertificateError::Name { found })
        }
    }
}

fn identity(certificate: &X509Certificate<'_>) -> Result<VerifyingIdentity, CertificateError> {
    let key = certificate.public_key();
    if key.algorithm.algorithm != OID_SIG_ED25519 {
        return Err(CertificateError::Key {
            found: key.algorithm.algorithm.to_id_string(),
        });
    }
    let bytes =
        <&[u8; 32]>::try_from(key.subject_public_key.data.as_ref()).map_err(|_| CertificateError::Key {
            found: format!("{} bytes", key.subject_public_key.data.len()),
        })?;
    VerifyingIdentity::from_bytes(bytes).map_err(|error| CertificateError::Key {
        found: error.to_string(),
    })
}

fn common_name(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|name| name.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

fn date(timestamp: i64) -> String {
    jiff::Timestamp::from_second(timestamp).map_or_else(|_| timestamp.to_string(), |at| at.to_string())
}
