//! What one survivor opens: for every member of the round one share, never two.

use std::collections::{BTreeMap, BTreeSet};

use hedgerow_crypto::mask::shamir::Share;

use super::malformed::Malformed;
use super::record::Sealed;
use crate::ids::PartyId;

/// One survivor's shares: of the self masks of survivors, and of the mask keys of those that dropped.
pub(super) struct Opened {
    pub(super) self_mask: BTreeMap<PartyId, Share>,
    pub(super) mask_key: BTreeMap<PartyId, Share>,
}

/// The shares that an honest survivor opens, no more and no fewer.
pub(super) struct Expected<'a> {
    pub(super) survivors: &'a BTreeSet<PartyId>,
    pub(super) dropped: &'a BTreeSet<PartyId>,
    /// The index at which the sender holds its shares.
    pub(super) index: usize,
}

impl Opened {
    pub(super) fn check(
        self_mask: Sealed,
        mask_key: Sealed,
        expected: &Expected<'_>,
    ) -> Result<Self, Malformed> {
        if let Some((party, _)) = self_mask
            .iter()
            .find(|(party, _)| mask_key.iter().any(|(other, _)| other == party))
        {
            return Err(Malformed::BothShares { party: party.clone() });
        }
        Ok(Self {
            self_mask: shares("self-mask", self_mask, expected.survivors, expected.index)?,
            mask_key: shares("mask-key", mask_key, expected.dropped, expected.index)?,
        })
    }
}

fn shares(
    what: &'static str,
    sent: Sealed,
    owners: &BTreeSet<PartyId>,
    expected: usize,
) -> Result<BTreeMap<PartyId, Share>, Malformed> {
    addressees(what, &sent, owners)?;
    sent.into_iter()
        .map(|(party, bytes)| {
            let share = Share::from_bytes(&bytes).map_err(|error| Malformed::Share {
                what,
                party: party.clone(),
                reason: error.to_string(),
            })?;
            let actual = usize::from(share.index());
            if actual != expected {
                return Err(Malformed::ShareIndex {
                    what,
                    party,
                    actual,
                    expected,
                });
            }
            Ok((party, share))
        })
        .collect()
}

/// One entry for each party expected, in any order, and nothing else.
pub(super) fn addressees(
    what: &'static str,
    sent: &[(PartyId, Vec<u8>)],
    expected: &BTreeSet<PartyId>,
) -> Result<(), Malformed> {
    let found: BTreeSet<&PartyId> = sent.iter().map(|(party, _)| party).collect();
    if sent.len() == expected.len() && found.into_iter().eq(expected) {
        return Ok(());
    }
    Err(Malformed::Addressees {
        what,
        found: sent.iter().map(|(party, _)| party.clone()).collect(),
        expected: expected.iter().cloned().collect(),
    })
}
