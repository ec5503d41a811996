//! Taking the masks off a sum.
//!
//! After Bonawitz et al., *Practical Secure Aggregation for Privacy-Preserving Machine Learning*, CCS 2017,
//! round 4: the sum of the survivors' vectors still carries every survivor's self mask, and the pair masks
//! that survivors share with members who dropped.

use std::collections::BTreeMap;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::pairwise::{MaskPublic, MaskSecret, Sign};
use hedgerow_crypto::mask::prg::{self, BLOCK_WORDS, Prg};
use hedgerow_crypto::mask::shamir::{self, Share};
use hedgerow_crypto::seed::Seed;

use super::opened::Opened;
use crate::ids::PartyId;

/// The public facts of a round whose masks come off.
pub(super) struct Masks<'a> {
    pub(super) modulus: Modulus,
    pub(super) threshold: usize,
    /// Digest that every pair mask of the round is bound to.
    pub(super) transcript: Digest,
    pub(super) survivors: &'a [PartyId],
    /// Mask keys of all members, survivors and dropped.
    pub(super) members: BTreeMap<&'a PartyId, MaskPublic>,
    pub(super) threads: usize,
}

/// Why masks cannot be taken off with these answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(super) enum SumError {
    #[error("{answers} answers open less than the threshold of {threshold}")]
    TooFew { answers: usize, threshold: usize },
    #[error("the shares of {party}'s {what} do not combine: {reason}")]
    Combine {
        what: &'static str,
        party: PartyId,
        reason: String,
    },
    #[error("the recovered mask key of {party} is not the one that it published")]
    OtherKey { party: PartyId },
    #[error("no mask key is known of {party}")]
    NoKey { party: PartyId },
    #[error("a total of {actual} is beyond the largest possible one, {limit}")]
    OutOfRange { actual: i64, limit: u64 },
}

impl Masks<'_> {
    /// The sum without its masks, in words below the modulus, from exactly `threshold` of the answers given.
    pub(super) fn take_off(&self, sum: &[u64], answers: &[&Opened]) -> Result<Vec<u64>, SumError> {
        let answers = answers.get(..self.threshold).ok_or(SumError::TooFew {
            answers: answers.len(),
            threshold: self.threshold,
        })?;
        let mut masks = Vec::new();
        for survivor in self.survivors {
            let seed = self.combine(
                "self mask",
                survivor,
                answers.iter().map(|opened| &opened.self_mask),
            )?;
            masks.push((Sign::Add.opposite(), Prg::new(&seed)));
        }
        for (dropped, public) in &self.members {
            if self.survivors.binary_search(dropped).is_ok() {
                continue;
            }
            let seed = self.combine("mask key", dropped, answers.iter().map(|opened| &opened.mask_key))?;
            let secret = MaskSecret::from_seed(&seed);
            if secret.public() != *public {
                return Err(SumError::OtherKey {
                    party: (*dropped).clone(),
                });
            }
            for survivor in self.survivors {
                masks.extend(self.pair_mask(survivor, dropped, &secret)?);
            }
        }
        let mut words = sum.to_vec();
        apply(&masks, &mut words, self.modulus, self.threads);
        Ok(words)
    }

    /// The mask that the survivor put on for the dropped member, with the sign that takes it off.
    fn pair_mask(
        &self,
        survivor: &PartyId,
        dropped: &PartyId,
        secret: &MaskSecret,
    ) -> Result<Option<(Sign, Prg)>, SumError> {
        let theirs = self.members.get(survivor).ok_or_else(|| SumError::NoKey {
            party: survivor.clone(),
        })?;
        let seed = secret
            .pair_seed(theirs, &self.transcript)
            .map_err(|error| SumError::Combine {
                what: "pair mask",
                party: survivor.clone(),
                reason: error.to_string(),
            })?;
        Ok(Sign::between(survivor, dropped).map(|sign| (sign.opposite(), Prg::new(&seed))))
    }

    fn combine<'s>(
        &self,
        what: &'static str,
        party: &PartyId,
        answers: impl Iterator<Item = &'s BTreeMap<PartyId, Share>>,
    ) -> Result<Seed, SumError> {
        let shares: Vec<Share> = answers
            .filter_map(|by_owner| by_owner.get(party))
            .cloned()
            .collect();
        shamir::combine(self.threshold, &shares).map_err(|error| SumError::Combine {
            what,
            party: party.clone(),
            reason: error.to_string(),
        })
    }
}

/// Puts the masks on the words, each thread on its own stretch of them.
fn apply(masks: &[(Sign, Prg)], words: &mut [u64], modulus: Modulus, threads: usize) {
    let blocks = words.len().div_ceil(BLOCK_WORDS).div_ceil(threads.max(1)).max(1);
    let stretches = words
        .chunks_mut(blocks * BLOCK_WORDS)
        .zip((0u64..).step_by(blocks));
    std::thread::scope(|scope| {
        for (stretch, first_block) in stretches {
            if threads <= 1 {
                prg::apply_from(masks, first_block, stretch, modulus);
            } else {
                scope.spawn(move || prg::apply_from(masks, first_block, stretch, modulus));
            }
        }
    });
}

/// Totals from words below the modulus, each checked against the largest possible one.
///
/// # Errors
/// A total beyond `limit`: the masks that came off were not those that had been put on.
pub(super) fn totals(words: &[u64], modulus: Modulus, limit: u64) -> Result<Vec<i64>, SumError> {
    words
        .iter()
        .map(|&word| {
            let actual = modulus.centred(word);
            if actual.unsigned_abs() > limit {
                Err(SumError::OutOfRange { actual, limit })
            } else {
                Ok(actual)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_do_not_change_the_sum() {
        let masks: Vec<_> = [(Sign::Add, 1), (Sign::Subtract, 2), (Sign::Add, 3)]
            .map(|(sign, byte)| (sign, Prg::new(&Seed::from_bytes([byte; 32]))))
            .into();
        for modulus in [Modulus::TWO_TO_64, Modulus::prime(65_537).unwrap()] {
            for length in [1, BLOCK_WORDS - 1, 3 * BLOCK_WORDS + 5] {
                let mut expected = vec![7; length];
                prg::apply(&masks, &mut expected, modulus);
                for threads in [1, 2, 3, 64] {
                    let mut words = vec![7; length];
                    apply(&masks, &mut words, modulus, threads);
                    assert!(words == expected, "{length} words on {threads} threads");
                }
            }
        }
    }

    #[test]
    fn a_total_beyond_the_possible_is_no_total() {
        let modulus = Modulus::TWO_TO_64;
        assert_eq!(totals(&[3, u64::MAX], modulus, 3), Ok(vec![3, -1]));
        assert_eq!(
            totals(&[4], modulus, 3),
            Err(SumError::OutOfRange { actual: 4, limit: 3 })
        );
        let lowest = 1 << 63;
        assert_eq!(
            totals(&[lowest], modulus, 3),
            Err(SumError::OutOfRange {
                actual: i64::MIN,
                limit: 3
            })
        );
    }
}
