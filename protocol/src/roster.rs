//! Who is who: certificates, identities, signatures under the configuration.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::{Signature, VerifyingIdentity};

use crate::binding;
use crate::check::{self, CheckId};
use crate::config::RunConfig;
use crate::ids::PartyId;
use crate::wire::{Enrolment, MAX_CERTIFICATE_LEN};

/// Reads certificates. Implemented outside (`hedgerow-edge`), where clocks and X.509 live.
pub trait CertificateVerifier: Send + Sync {
    /// The Ed25519 identity that a consortium certificate (DER) binds to the party.
    ///
    /// # Errors
    /// [`CertificateError`] if the certificate is not of the consortium, not valid now, or of somebody else.
    fn verify(&self, party: &PartyId, certificate: &[u8]) -> Result<VerifyingIdentity, CertificateError>;
}

/// A certificate that is not accepted, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("certificate of {party}: {reason}")]
pub struct CertificateError {
    /// Whose certificate it should be.
    pub party: PartyId,
    /// What is wrong with it.
    pub reason: String,
}

/// Why an enrolment or a list of participants is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}{}: {detail}", .culprit.as_ref().map(|party| format!(", {party}")).unwrap_or_default())]
pub struct RosterError {
    /// The check that failed.
    pub check: CheckId,
    /// Whose enrolment is wrong; without one it is the list.
    pub culprit: Option<PartyId>,
    /// What was found.
    pub detail: String,
}

/// Checks one enrolment and gives the party's identity.
///
/// # Errors
/// [`RosterError`] for a party that is not in the configuration, a bad certificate, or a bad signature.
pub fn verify_enrolment(
    config: &RunConfig,
    config_digest: &Digest,
    enrolment: &Enrolment,
    verifier: &dyn CertificateVerifier,
) -> Result<VerifyingIdentity, RosterError> {
    let party = &enrolment.party;
    let fail = |check, detail: String| RosterError {
        check,
        culprit: Some(party.clone()),
        detail,
    };
    if !config.lists(party) {
        return Err(fail(check::PARTICIPANTS_SORTED, "not a party of this run".into()));
    }
    // CHK-011: certificates are of the consortium and bind id to identity.
    let length = enrolment.certificate.len();
    if length > MAX_CERTIFICATE_LEN {
        return Err(fail(
            check::CERTIFICATES,
            format!("certificate of {length} bytes, at most {MAX_CERTIFICATE_LEN}"),
        ));
    }
    let identity = verifier
        .verify(party, &enrolment.certificate)
        .map_err(|error| fail(check::CERTIFICATES, error.reason))?;
    // CHK-077: what is relayed can be sealed in joined runs; in others there is nothing to seal.
    if enrolment.channel.is_some() != config.join().is_some() {
        let detail = match enrolment.channel {
            Some(_) => "a key for relayed chunks in a run without any",
            None => "no key for relayed chunks",
        };
        return Err(fail(check::CHANNEL_KEYS, detail.into()));
    }
    // CHK-012: the same configuration for everybody.
    identity
        .verify(
            binding::SIGN_ENROLMENT,
            &binding::enrolment_message(config_digest, party, enrolment.channel.as_ref()),
            &enrolment.signature,
        )
        .map_err(|_| {
            fail(
                check::CONFIG_SIGNATURES,
                "no valid signature over this configuration".into(),
            )
        })?;
    Ok(identity)
}

/// The participants of a run, checked.
#[derive(Clone, Debug)]
pub struct Roster {
    identities: BTreeMap<PartyId, VerifyingIdentity>,
    digest: Digest,
}

impl Roster {
    /// Checks a list of participants as a whole.
    ///
    /// # Errors
    /// [`RosterError`] with the check and, where there is one, the culprit.
    pub fn new(
        config: &RunConfig,
        enrolments: &[Enrolment],
        verifier: &dyn CertificateVerifier,
    ) -> Result<Self, RosterError> {
        let fail = |check, culprit: Option<&PartyId>, detail: String| RosterError {
            check,
            culprit: culprit.cloned(),
            detail,
        };
        // CHK-008: sorted, without repetition, named in the configuration.
        let ids: Vec<&PartyId> = enrolments.iter().map(|enrolment| &enrolment.party).collect();
        if !strictly_sorted(&ids) {
            return Err(fail(
                check::PARTICIPANTS_SORTED,
                None,
                "the list is not strictly sorted".into(),
            ));
        }
        if let Some(stranger) = ids.iter().find(|party| !config.lists(party)) {
            return Err(fail(
                check::PARTICIPANTS_SORTED,
                Some(stranger),
                "not a party of this run".into(),
            ));
        }
        // CHK-009: enough of them.
        if ids.len() < config.quorum() {
            return Err(fail(
                check::PARTICIPANTS_ENOUGH,
                None,
                format!(
                    "{} participants, at least {} are needed",
                    ids.len(),
                    config.quorum()
                ),
            ));
        }
        let config_digest = config.digest();
        let mut identities = BTreeMap::new();
        let mut seen = BTreeMap::new();
        let mut channels = BTreeMap::new();
        for enrolment in enrolments {
            let identity = verify_enrolment(config, &config_digest, enrolment, verifier)?;
            // CHK-011: one identity, one party.
            if let Some(other) = seen.insert(identity, enrolment.party.clone()) {
                return Err(fail(
                    check::CERTIFICATES,
                    Some(&enrolment.party),
                    format!("has the same identity as {other}"),
                ));
            }
            // CHK-052: one key, one party.
            if let Some(channel) = enrolment.channel
                && let Some(other) = channels.insert(channel, enrolment.party.clone())
            {
                return Err(fail(
                    check::ENROLMENT_CHANNEL,
                    Some(&enrolment.party),
                    format!("has the same key for relayed chunks as {other}"),
                ));
            }
            identities.insert(enrolment.party.clone(), identity);
        }
        Ok(Self {
            identities,
            digest: binding::participants_digest(config.run, enrolments),
        })
    }

    /// H(participants).
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether the party takes part.
    #[must_use]
    pub fn contains(&self, party: &PartyId) -> bool {
        self.identities.contains_key(party)
    }

    /// The participants in order.
    pub fn parties(&self) -> impl Iterator<Item = &PartyId> {
        self.identities.keys()
    }

    /// Number of participants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether there is none, which no checked list has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }

    /// Whether the party signed this message; never for a party that does not take part.
    #[must_use]
    pub fn signed(&self, party: &PartyId, domain: &str, message: &[u8], signature: &Signature) -> bool {
        self.identities
            .get(party)
            .is_some_and(|identity| identity.verify(domain, message, signature).is_ok())
    }
}

/// Whether the items are in ascending order without repetition.
pub(crate) fn strictly_sorted<T: Ord>(items: &[T]) -> bool {
    items.is_sorted_by(|a, b| a < b)
}
