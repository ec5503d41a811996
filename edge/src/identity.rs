//! The identity folder of a party or coordinator: `key.pem`, `cert.pem`, `ca.pem`.

use std::path::{Path, PathBuf};

use hedgerow_crypto::identity::{IdentityError, SigningIdentity};
use hedgerow_crypto::secret::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use zeroize::Zeroize;

use crate::certificate::{CertificateError, Consortium, Member, Subject};
use crate::files::{self, FileError};

/// Private key, PKCS#8 PEM, mode 0600.
pub const KEY_FILE: &str = "key.pem";
/// Own certificate, PEM.
pub const CERTIFICATE_FILE: &str = "cert.pem";
/// The consortium's CA certificate, PEM.
pub const CA_FILE: &str = "ca.pem";

/// An identity folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityFolderError {
    /// The folder or one of its files is not there.
    #[error("no identity in {}: {file} is missing; make one with `hedgerow provision request` and `hedgerow provision install`", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The first file that is missing.
        file: &'static str,
    },
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not PEM of the right kind.
    #[error("{} is not a PEM file with a {expected}: {detail}", .path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        expected: &'static str,
        /// What the reader says.
        detail: String,
    },
    /// A certificate is not accepted.
    #[error("{}: {source}", .path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: CertificateError,
    },
    /// The key is no Ed25519 key.
    #[error("{}: {source}", .path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        source: IdentityError,
    },
    /// Certificate and key do not belong together.
    #[error("{} is the certificate of another key than {KEY_FILE} beside it: install the certificate that was signed for this request", .path.display())]
    KeyMismatch {
        /// The certificate.
        path: PathBuf,
    },
}

/// Who a process is, whom it trusts, and its key. The key is wiped on drop.
#[derive(Debug)]
pub struct Identity {
    member: Member,
    certificate: CertificateDer<'static>,
    key: Secret<Vec<u8>>,
    signing: SigningIdentity,
    consortium: Consortium,
}

impl Identity {
    /// Reads a folder and checks that everything in it fits together at that time.
    ///
    /// # Errors
    /// [`IdentityFolderError`] names the file and what is wrong with it.
    pub fn load(folder: &Path, at: UnixTime) -> Result<Self, IdentityFolderError> {
        for file in [KEY_FILE, CERTIFICATE_FILE, CA_FILE] {
            if !folder.join(file).exists() {
                return Err(IdentityFolderError::Missing {
                    folder: folder.to_path_buf(),
                    file,
                });
            }
        }
        let key_path = folder.join(KEY_FILE);
        let key = read_key(&key_path)?;
        let signing =
            SigningIdentity::from_pkcs8_der(key.expose()).map_err(|source| IdentityFolderError::Key {
                path: key_path,
                source,
            })?;
        let ca_path = folder.join(CA_FILE);
        let consortium = Consortium::new(&read_certificate(&ca_path)?).map_err(|source| {
            IdentityFolderError::Certificate {
                path: ca_path,
                source,
            }
        })?;
        let path = folder.join(CERTIFICATE_FILE);
        let certificate = read_certificate(&path)?;
        let member = match consortium.member(&certificate, at) {
            Ok(member) => member,
            Err(source) => return Err(IdentityFolderError::Certificate { path, source }),
        };
        if member.identity != signing.verifying() {
            return Err(IdentityFolderError::KeyMismatch { path });
        }
        Ok(Self {
            member,
            certificate,
            key,
            signing,
            consortium,
        })
    }

    /// Whatever is in the folder, with a CA of one's choice: what an honest process never starts with.
    #[cfg(test)]
    pub(crate) fn load_unchecked(folder: &Path, ca: &Path) -> Self {
        let key = read_key(&folder.join(KEY_FILE)).unwrap();
        let signing = SigningIdentity::from_pkcs8_der(key.expose()).unwrap();
        let certificate = read_certificate(&folder.join(CERTIFICATE_FILE)).unwrap();
        let consortium = Consortium::new(&read_certificate(ca).unwrap()).unwrap();
        let subject = crate::certificate::claimed_subject(&certificate).unwrap();
        let member = Member {
            subject,
            identity: signing.verifying(),
        };
        Self {
            member,
            certificate,
            key,
            signing,
            consortium,
        }
    }

    /// Role and name.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.member.subject
    }

    /// Own certificate (DER), as `Enrol` carries it.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The key for signatures of the protocol.
    #[must_use]
    pub const fn signing(&self) -> &SigningIdentity {
        &self.signing
    }

    /// Whom this process trusts.
    #[must_use]
    pub const fn consortium(&self) -> &Consortium {
        &self.consortium
    }

    /// PKCS#8 DER of the key, for TLS.
    pub(crate) fn key(&self) -> &Secret<Vec<u8>> {
        &self.key
    }
}

pub(crate) fn read_key(path: &Path) -> Result<Secret<Vec<u8>>, IdentityFolderError> {
    let text = Secret::new(files::read_private(path)?);
    let mut der =
        PrivatePkcs8KeyDer::from_pem_slice(text.expose()).map_err(|error| IdentityFolderError::Pem {
            path: path.to_path_buf(),
            expected: "PRIVATE KEY",
            detail: error.to_string(),
        })?;
    let key = Secret::new(der.secret_pkcs8_der().to_vec());
    der.zeroize();
    Ok(key)
}

pub(crate) fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, IdentityFolderError> {
    CertificateDer::from_pem_slice(&files::read(path)?).map_err(|error| IdentityFolderError::Pem {
        path: path.to_path_buf(),
        expected: "CERTIFICATE",
        detail: error.to_string(),
    })
}
