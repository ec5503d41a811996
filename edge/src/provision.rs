//! Making identities: a consortium's CA, requests of its members, certificates, and their installation.
//!
//! The private key of a member is made at the member ([`request`]) and never leaves it; what travels to the
//! CA is a signing request, and what comes back is public. The CA signs a [`Review`] only, which is what its
//! operator was shown. [`all_in_one`] makes everything in one place, for simulation: whoever runs it holds
//! all keys.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::identity::{IdentityError, VerifyingIdentity};
use hedgerow_crypto::secret::Secret;
use hedgerow_protocol::ids::PartyId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::pki_types::UnixTime;

use crate::certificate::{CertificateError, Member, Subject, fingerprint, now};
use crate::files::{self, FileError};
use crate::identity::{
    CA_FILE, CERTIFICATE_FILE, Identity, IdentityFolderError, KEY_FILE, read_certificate, read_key,
};

#[cfg(test)]
mod tests;

/// The private key of the CA, PKCS#8 PEM, mode 0600. Keep it off the network.
pub const CA_KEY_FILE: &str = "ca-key.pem";
/// The signing request of a member, PEM.
pub const REQUEST_FILE: &str = "request.pem";

/// Provisioning that did not work. Nothing is replaced in that case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key or certificate file.
    #[error(transparent)]
    Identity(#[from] IdentityFolderError),
    /// The signing request cannot be signed.
    #[error("the signing request is refused: {reason}")]
    Request {
        /// Why.
        reason: String,
    },
    /// The request does not name anybody.
    #[error("the signing request is refused: {0}")]
    Name(#[from] CertificateError),
    /// The request's key.
    #[error("the signing request is refused: {0}")]
    Key(#[from] IdentityError),
    /// The validity is empty or too long for a calendar.
    #[error("a validity of {days} days is refused; 1 to {MAX_DAYS} are allowed")]
    Validity {
        /// Days asked.
        days: u32,
    },
    /// The certificate is of another key than the one in the folder.
    #[error("the certificate {} belongs to another key than {}; it was signed for another request", .certificate.display(), .key.display())]
    OtherKey {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The library that writes certificates.
    #[error("the certificate cannot be made: {0}")]
    X509(#[from] rcgen::Error),
}

/// Longest validity in days: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: u64,
    not_after: u64,
}

/// Clocks of organisations differ.
const SKEW: u64 = 300;

impl Validity {
    /// From five minutes ago for so many days.
    ///
    /// # Errors
    /// [`ProvisionError::Validity`].
    pub fn days(days: u32) -> Result<Self, ProvisionError> {
        if days == 0 || days > MAX_DAYS {
            return Err(ProvisionError::Validity { days });
        }
        let now = now().as_secs();
        Ok(Self {
            not_before: now.saturating_sub(SKEW),
            not_after: now + u64::from(days) * 86_400,
        })
    }

    /// Between two instants, also past ones.
    #[must_use]
    pub fn between(not_before: SystemTime, not_after: SystemTime) -> Self {
        let seconds = |at: SystemTime| {
            at.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
        };
        Self {
            not_before: seconds(not_before),
            not_after: seconds(not_after),
        }
    }

    fn apply(self, params: &mut CertificateParams) {
        let epoch = date_time_ymd(1970, 1, 1);
        params.not_before = epoch + Duration::from_secs(self.not_before);
        params.not_after = epoch + Duration::from_secs(self.not_after);
    }
}

/// Makes the CA of a new consortium: `ca-key.pem` and `ca.pem`. Gives the certificate's fingerprint.
///
/// # Errors
/// [`ProvisionError`]; existing files are never replaced.
pub fn create_ca(folder: &Path, name: &str, validity: Validity) -> Result<Digest, ProvisionError> {
    files::create_folder(folder)?;
    let certificate_path = folder.join(CA_FILE);
    refuse_existing(&certificate_path)?;
    let key = new_key()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity.apply(&mut params);
    let certificate = params.self_signed(&key)?;
    write_key(&folder.join(CA_KEY_FILE), &key)?;
    files::write_atomic(&certificate_path, certificate.pem().as_bytes())?;
    Ok(fingerprint(certificate.der()))
}

/// Makes the key of a new member, which stays in the folder, and `request.pem` to send to the CA. Gives the
/// identity, to be compared with what the CA's operator sees.
///
/// # Errors
/// [`ProvisionError`]; an existing key is never replaced.
pub fn request(folder: &Path, subject: &Subject) -> Result<VerifyingIdentity, ProvisionError> {
    files::create_folder(folder)?;
    let key = new_key()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(subject.id().as_str());
    params.subject_alt_names = vec![SanType::URI(subject.uri().try_into()?)];
    let request = params.serialize_request(&key)?.pem()?;
    write_key(&folder.join(KEY_FILE), &key)?;
    files::write_atomic(&folder.join(REQUEST_FILE), request.as_bytes())?;
    public_identity(key.public_key_raw())
}

/// A signing request that has been read and checked: what the CA's operator looks at before signing.
#[derive(Debug)]
pub struct Review {
    subject: Subject,
    identity: VerifyingIdentity,
    key: rcgen::PublicKey,
}

impl Review {
    /// Reads a request and checks that whoever wrote it has the key.
    ///
    /// # Errors
    /// [`ProvisionError`]: not a request, wrongly signed, not Ed25519, or without a name.
    pub fn read(path: &Path) -> Result<Self, ProvisionError> {
        let text = files::read_text(path)?;
        let request =
            CertificateSigningRequestParams::from_pem(&text).map_err(|error| ProvisionError::Request {
                reason: format!("{}: {error}", path.display()),
            })?;
        let subject = match request.params.subject_alt_names.as_slice() {
            [SanType::URI(uri)] => uri.as_str().parse()?,
            names => {
                return Err(CertificateError::Name {
                    found: format!("{} names", names.len()),
                }
                .into());
            }
        };
        if request.public_key.algorithm() != &PKCS_ED25519 {
            return Err(ProvisionError::Request {
                reason: "its key is no Ed25519 key".to_owned(),
            });
        }
        let identity = public_identity(request.public_key.der_bytes())?;
        Ok(Self {
            subject,
            identity,
            key: request.public_key,
        })
    }

    /// Who asks.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The key that will stand for it; the member sees the same when it makes the request.
    #[must_use]
    pub const fn identity(&self) -> &VerifyingIdentity {
        &self.identity
    }
}

/// Signs what was reviewed and writes the certificate to `out`. Of the request only name and key are taken
/// over; purpose and validity are the CA's.
///
/// # Errors
/// [`ProvisionError`]; an existing file is never replaced.
pub fn sign(ca_folder: &Path, review: &Review, validity: Validity, out: &Path) -> Result<(), ProvisionError> {
    refuse_existing(out)?;
    let ca = files::read_text(&ca_folder.join(CA_FILE))?;
    let issuer = Issuer::from_ca_cert_pem(&ca, open_key(&ca_folder.join(CA_KEY_FILE))?)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(review.subject.id().as_str());
    params.subject_alt_names = vec![SanType::URI(review.subject.uri().try_into()?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match review.subject {
        Subject::Party(_) => ExtendedKeyUsagePurpose::ClientAuth,
        Subject::Coordinator(_) => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial(review, validity));
    validity.apply(&mut params);
    let certificate = params.signed_by(&review.key, &issuer)?;
    Ok(files::write_atomic(out, certificate.pem().as_bytes())?)
}

/// Puts the signed certificate and the CA's beside the key, after checking that all three fit together.
///
/// # Errors
/// [`ProvisionError`]: another key's certificate, another consortium's, expired, or a file that is there.
pub fn install(folder: &Path, certificate: &Path, ca: &Path, at: UnixTime) -> Result<Member, ProvisionError> {
    let key_path = folder.join(KEY_FILE);
    let signing = hedgerow_crypto::identity::SigningIdentity::from_pkcs8_der(read_key(&key_path)?.expose())?;
    let trusted = crate::certificate::Consortium::new(&read_certificate(ca)?)?;
    let member = trusted
        .member(&read_certificate(certificate)?, at)
        .map_err(|source| IdentityFolderError::Certificate {
            path: certificate.to_path_buf(),
            source,
        })?;
    if member.identity != signing.verifying() {
        return Err(ProvisionError::OtherKey {
            certificate: certificate.to_path_buf(),
            key: key_path,
        });
    }
    for (from, name) in [(certificate, CERTIFICATE_FILE), (ca, CA_FILE)] {
        let to = folder.join(name);
        if to.as_path() != from {
            files::write_atomic(&to, &files::read(from)?)?;
        }
    }
    Ok(Identity::load(folder, at)?.subject().clone()).map(|subject| Member { subject, ..member })
}

/// The folder of the CA that [`all_in_one`] makes.
pub const ALL_IN_ONE_CA: &str = "ca";

/// For simulation only: a CA in `folder/ca` and an installed identity in `folder/<id>` for each subject. All
/// private keys are then in one place.
///
/// # Errors
/// [`ProvisionError`].
pub fn all_in_one(
    folder: &Path,
    name: &str,
    subjects: &[Subject],
    validity: Validity,
) -> Result<(), ProvisionError> {
    let ca = folder.join(ALL_IN_ONE_CA);
    create_ca(&ca, name, validity)?;
    for subject in subjects {
        let home = folder.join(subject.id().as_str());
        request(&home, subject)?;
        let certificate = home.join(CERTIFICATE_FILE);
        sign(
            &ca,
            &Review::read(&home.join(REQUEST_FILE))?,
            validity,
            &certificate,
        )?;
        install(&home, &certificate, &ca.join(CA_FILE), now())?;
    }
    Ok(())
}

/// Subjects of a run with one coordinator, as [`all_in_one`] takes them.
#[must_use]
pub fn subjects(coordinator: &PartyId, parties: &[PartyId]) -> Vec<Subject> {
    let parties = parties.iter().cloned().map(Subject::Party);
    [Subject::Coordinator(coordinator.clone())]
        .into_iter()
        .chain(parties)
        .collect()
}

fn new_key() -> Result<KeyPair, ProvisionError> {
    Ok(KeyPair::generate_for(&PKCS_ED25519)?)
}

/// rcgen keeps a copy of the key for as long as the [`KeyPair`] lives and does not wipe it; provisioning is a
/// process of its own that ends at once.
fn open_key(path: &Path) -> Result<KeyPair, ProvisionError> {
    let der = read_key(path)?;
    Ok(KeyPair::try_from(der.expose().as_slice())?)
}

fn write_key(path: &Path, key: &KeyPair) -> Result<(), ProvisionError> {
    let pem = Secret::new(key.serialize_pem());
    Ok(files::write_private(path, pem.expose().as_bytes())?)
}

fn public_identity(raw: &[u8]) -> Result<VerifyingIdentity, ProvisionError> {
    let bytes = <&[u8; 32]>::try_from(raw).map_err(|_| ProvisionError::Request {
        reason: format!("its key has {} bytes, expected 32", raw.len()),
    })?;
    Ok(VerifyingIdentity::from_bytes(bytes)?)
}

/// Different for each certificate of an authority, as RFC 5280 asks, also when one key is certified again.
fn serial(review: &Review, validity: Validity) -> SerialNumber {
    let digest = hash(
        "hedgerow/v1/edge/serial",
        &[
            review.subject.uri().as_bytes(),
            &review.identity.to_bytes(),
            &validity.not_before.to_be_bytes(),
            &validity.not_after.to_be_bytes(),
        ],
    );
    // At most 20 bytes, and positive.
    let mut bytes: Vec<u8> = digest.as_bytes().iter().copied().take(20).collect();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::from(bytes)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn refuse_existing(path: &Path) -> Result<(), FileError> {
    if path.exists() {
        Err(FileError::Exists {
            path: path.to_path_buf(),
        })
    } else {
        Ok(())
    }
}
