//! Masked mode: what the sum needs of this party, once per round.

use super::round::{Context, Members};
use crate::ids::PartyId;
use crate::wire::ToCoordinator;

/// For each member one share: of the self mask if it survived, of the mask key if not.
pub(super) fn open(context: &Context<'_>, members: &Members, survivors: &[PartyId]) -> ToCoordinator {
    let (mut self_mask, mut mask_key) = (Vec::new(), Vec::new());
    for (party, held) in &members.held {
        // CHK-035: never both. Both together would open a single party's vector.
        if survivors.binary_search(party).is_ok() {
            self_mask.push((party.clone(), held.self_mask.to_bytes().expose().to_vec()));
        } else {
            mask_key.push((party.clone(), held.mask_key.to_bytes().expose().to_vec()));
        }
    }
    ToCoordinator::Unmask {
        round: context.round,
        self_mask,
        mask_key,
    }
}
