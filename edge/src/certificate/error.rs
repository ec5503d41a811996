//! Why a certificate is not accepted, in words for the operator.

/// Why a certificate is not accepted. Names and dates only; certificates are public.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It is no X.509 certificate.
    #[error("it is no valid X.509 certificate: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// Another consortium's CA signed it.
    #[error(
        "the certificate of {subject} is of another consortium: it was issued by {issuer:?}, and not by this consortium's CA {expected:?}"
    )]
    OtherConsortium {
        /// Whose certificate it claims to be.
        subject: String,
        /// Common name of its issuer.
        issuer: String,
        /// Common name of our CA.
        expected: String,
    },
    /// Its time is over.
    #[error("the certificate of {subject} expired on {since}; ask the consortium for a new one")]
    Expired {
        /// Whose certificate.
        subject: String,
        /// End of its validity.
        since: String,
    },
    /// Its time has not begun.
    #[error("the certificate of {subject} is valid only from {from}; is the clock of this machine right?")]
    NotYetValid {
        /// Whose certificate.
        subject: String,
        /// Beginning of its validity.
        from: String,
    },
    /// The CA's time is over.
    #[error("the certificate of the consortium's CA {name:?} expired on {since}")]
    AuthorityExpired {
        /// Common name of the CA.
        name: String,
        /// End of its validity.
        since: String,
    },
    /// It names nobody whom we know how to address.
    #[error("it names {found}, expected exactly one URI hedgerow:party/<id> or hedgerow:coordinator/<id>")]
    Name {
        /// The names in it.
        found: String,
    },
    /// Its key is no Ed25519 key.
    #[error("its key is no Ed25519 key: {found}")]
    Key {
        /// What it is.
        found: String,
    },
    /// It is not meant for what its role does.
    #[error("the certificate of {subject} is not issued for that role (extended key usage)")]
    Purpose {
        /// Whose certificate.
        subject: String,
    },
    /// It is good, and somebody else's.
    #[error("the certificate is that of {found}, expected {expected}")]
    Other {
        /// Who should have it.
        expected: String,
        /// Who has it.
        found: String,
    },
    /// It is given as that of a CA and is none.
    #[error("the certificate {name:?} is not that of a CA")]
    NotAnAuthority {
        /// Its common name.
        name: String,
    },
}
