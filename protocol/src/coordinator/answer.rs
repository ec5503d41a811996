//! What parties answer, checked before it counts. An answer to another round or phase is late or early and
//! is let go; a wrong answer to the present one names its sender as the culprit.

use std::collections::BTreeSet;

use hedgerow_crypto::identity::Signature;

use super::CoordinatorMachine;
use super::malformed::Malformed;
use super::opened::{Expected, Opened, addressees};
use super::phase::{Masking, Phase};
use super::record::Sealed;
use super::uploads;
use crate::binding;
use crate::ids::{PartyId, RoundId};
use crate::wire::{MAX_SEALED_LEN, SignedRoundKeys, ToCoordinator};

impl CoordinatorMachine {
    /// Takes an answer; `true` if it is new.
    pub(super) fn answer(&mut self, from: &PartyId, message: ToCoordinator) -> Result<bool, Malformed> {
        if let ToCoordinator::Aligned { with } = message {
            return self.take_aligned(from, with);
        }
        if self.phase.round() != round_of(&message) || self.excluded.contains_key(from) {
            return Ok(false);
        }
        match message {
            ToCoordinator::RoundKeys { keys, .. } => self.take_keys(from, keys),
            ToCoordinator::Shares { sealed, .. } => self.take_shares(from, sealed),
            ToCoordinator::Masked {
                vector, seeds, fixed, ..
            } => {
                if !self.check_fixed(from, fixed.as_ref())? {
                    return Ok(false);
                }
                self.take_masked(from, &vector, seeds)
            }
            ToCoordinator::SurvivorSignature { signature, .. } => self.take_signature(from, signature),
            ToCoordinator::Unmask {
                self_mask, mask_key, ..
            } => self.take_opened(from, self_mask, mask_key),
            ToCoordinator::AggregatorSum { vector, .. } => self.take_aggregator_sum(from, &vector),
            _ => Ok(false),
        }
    }

    fn take_keys(&mut self, from: &PartyId, keys: SignedRoundKeys) -> Result<bool, Malformed> {
        let (Phase::KeyCollection(phase), Some(roster)) = (&mut self.phase, &self.circle.roster) else {
            return Ok(false);
        };
        if !roster.contains(from) || phase.keys.contains_key(from) {
            return Ok(false);
        }
        if keys.party != *from {
            return Err(Malformed::OthersKeys { named: keys.party });
        }
        let message = binding::keys_message(
            self.config.run,
            phase.round,
            roster.digest(),
            from,
            &keys.seal,
            &keys.mask,
        );
        if !roster.signed(from, binding::SIGN_ROUND_KEYS, &message, &keys.signature) {
            return Err(Malformed::Signature {
                what: "its round keys",
            });
        }
        if let Some((other, _)) = phase
            .keys
            .iter()
            .find(|(_, known)| known.seal == keys.seal || known.mask == keys.mask)
        {
            return Err(Malformed::SameKeys { other: other.clone() });
        }
        let step = phase.round.step;
        phase.keys.insert(from.clone(), keys);
        if let Some(presence) = self.presences.get_mut(from) {
            // Its query is ours only if it holds the participants and every earlier total.
            presence.oriented = true;
            presence.joined = true;
            presence.steps_known = presence
                .steps_known
                .max(usize::try_from(step).unwrap_or(usize::MAX));
        }
        Ok(true)
    }

    fn take_shares(&mut self, from: &PartyId, sealed: Sealed) -> Result<bool, Malformed> {
        let Phase::ShareCollection(phase) = &mut self.phase else {
            return Ok(false);
        };
        if !phase.keyed.keys.contains_key(from) || phase.shares.contains_key(from) {
            return Ok(false);
        }
        let others = phase
            .keyed
            .keys
            .keys()
            .filter(|party| *party != from)
            .cloned()
            .collect();
        addressees("sealed shares", &sealed, &others)?;
        short("a sealed share", &sealed)?;
        phase.shares.insert(from.clone(), sealed.into_iter().collect());
        Ok(true)
    }

    fn take_masked(&mut self, from: &PartyId, vector: &[u8], seeds: Sealed) -> Result<bool, Malformed> {
        let none = BTreeSet::new();
        let mut aggregators = self.circle.aggregators.as_ref().unwrap_or(&none).clone();
        aggregators.remove(from);
        let uploads = match &mut self.phase {
            Phase::Upload(phase) if phase.masking.is_member(from) => &mut phase.uploads,
            Phase::RowUpload(phase) if phase.masking.is_member(from) => &mut phase.uploads,
            // After a restart the survivors' vectors come in again; nobody else's may.
            Phase::SurvivorVote(phase) if phase.survivors.contains(from) => &mut phase.uploads,
            Phase::Unmasking(phase) if phase.survivors.contains(from) => &mut phase.uploads,
            _ => return Ok(false),
        };
        if uploads.has(from) {
            return Ok(false);
        }
        addressees("sealed seeds", &seeds, &aggregators)?;
        short("a sealed seed", &seeds)?;
        uploads.add(from, vector, seeds)?;
        Ok(true)
    }

    fn take_signature(&mut self, from: &PartyId, signature: Signature) -> Result<bool, Malformed> {
        let (Phase::SurvivorVote(phase), Some(roster)) = (&mut self.phase, &self.circle.roster) else {
            return Ok(false);
        };
        if !phase.survivors.contains(from) || phase.signatures.contains_key(from) {
            return Ok(false);
        }
        let round = phase.masking.round();
        let message = binding::survivors_message(
            &self.config_digest,
            self.config.run,
            round,
            &phase.masking.keyed.digest(),
            &phase.survivors,
        );
        if !roster.signed(from, binding::SIGN_SURVIVORS, &message, &signature) {
            return Err(Malformed::Signature {
                what: "the list of survivors",
            });
        }
        phase.signatures.insert(from.clone(), signature);
        Ok(true)
    }

    fn take_opened(
        &mut self,
        from: &PartyId,
        self_mask: Sealed,
        mask_key: Sealed,
    ) -> Result<bool, Malformed> {
        let Phase::Unmasking(phase) = &mut self.phase else {
            return Ok(false);
        };
        if self.circle.aggregators.is_some() {
            return Err(Malformed::Mode {
                mode: "masked aggregation",
            });
        }
        if !phase.survivors.contains(from) || phase.opened.contains_key(from) {
            return Ok(false);
        }
        let survivors: BTreeSet<PartyId> = phase.survivors.iter().cloned().collect();
        let dropped = phase
            .masking
            .members()
            .filter(|member| !survivors.contains(*member))
            .cloned()
            .collect();
        let index = holder_index(&phase.masking, from);
        let expected = Expected {
            survivors: &survivors,
            dropped: &dropped,
            index,
        };
        phase
            .opened
            .insert(from.clone(), Opened::check(self_mask, mask_key, &expected)?);
        Ok(true)
    }

    fn take_aggregator_sum(&mut self, from: &PartyId, vector: &[u8]) -> Result<bool, Malformed> {
        let Phase::Unmasking(phase) = &mut self.phase else {
            return Ok(false);
        };
        let Some(aggregators) = &self.circle.aggregators else {
            return Err(Malformed::Mode { mode: "aggregators" });
        };
        if !aggregators.contains(from) || phase.sums.contains_key(from) {
            return Ok(false);
        }
        let mut words = vec![0; phase.uploads.sum().len()];
        uploads::add(&mut words, vector, self.config.modulus)?;
        phase.sums.insert(from.clone(), words);
        Ok(true)
    }
}

/// Shares are held at the position among those with keys (U1), from 1.
fn holder_index(masking: &Masking, party: &PartyId) -> usize {
    masking
        .keyed
        .keys
        .keys()
        .position(|member| member == party)
        .map_or(0, |position| position + 1)
}

fn short(what: &'static str, sealed: &[(PartyId, Vec<u8>)]) -> Result<(), Malformed> {
    match sealed.iter().find(|(_, bytes)| bytes.len() > MAX_SEALED_LEN) {
        Some((party, bytes)) => Err(Malformed::TooLong {
            what,
            party: party.clone(),
            actual: bytes.len(),
            limit: MAX_SEALED_LEN,
        }),
        None => Ok(()),
    }
}

fn round_of(message: &ToCoordinator) -> Option<RoundId> {
    match message {
        ToCoordinator::RoundKeys { round, .. }
        | ToCoordinator::Shares { round, .. }
        | ToCoordinator::Masked { round, .. }
        | ToCoordinator::SurvivorSignature { round, .. }
        | ToCoordinator::Unmask { round, .. }
        | ToCoordinator::AggregatorSum { round, .. } => Some(*round),
        _ => None,
    }
}
