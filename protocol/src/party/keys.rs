//! The keys of a round (U1): whose they are, and that they are everybody's own.

use std::collections::BTreeSet;

use super::broken;
use super::round::{Context, KeyList};
use crate::binding;
use crate::check::{self, CheckId};
use crate::ids::PartyId;
use crate::refusal::Refusal;
use crate::roster::strictly_sorted;
use crate::wire::{Kind, SignedRoundKeys, ToCoordinator};

/// Checks the list of keys.
pub(super) fn check(context: &Context<'_>, keys: &[SignedRoundKeys]) -> Result<KeyList, Refusal> {
    let fail = |check: CheckId, culprit: Option<&PartyId>, detail: String| {
        broken(check, Some(context.round), culprit, detail)
    };
    // CHK-018: sorted, without repetition, participants only.
    let parties: Vec<&PartyId> = keys.iter().map(|keys| &keys.party).collect();
    if !strictly_sorted(&parties) {
        return Err(fail(
            check::KEYS_SORTED,
            None,
            "the list of keys is not strictly sorted".into(),
        ));
    }
    if let Some(stranger) = parties.iter().find(|party| !context.roster.contains(party)) {
        return Err(fail(
            check::KEYS_SORTED,
            Some(stranger),
            "is not a participant".into(),
        ));
    }
    // CHK-019: enough of them.
    let needed = context.config.quorum();
    if keys.len() < needed {
        return Err(fail(
            check::KEYS_ENOUGH,
            None,
            format!("{} parties sent keys, {needed} are needed", keys.len()),
        ));
    }
    // CHK-020: the own keys as they were sent.
    let place = parties.binary_search(&&context.me.party).ok();
    let mine = place.and_then(|place| keys.get(place));
    let sent = match context.given.given(Kind::RoundKeys) {
        Some(ToCoordinator::RoundKeys { keys, .. }) => Some(keys),
        _ => None,
    };
    let own_index = place.and_then(|place| u16::try_from(place + 1).ok());
    let (Some(own_index), true) = (own_index, mine.is_some() && mine == sent) else {
        return Err(fail(
            check::KEYS_MINE,
            None,
            "the list does not hold this party's own keys".into(),
        ));
    };
    let mut seen = BTreeSet::new();
    for keys in keys {
        // CHK-021: under each party's own signature, for this round.
        let message = binding::keys_message(
            context.config.run,
            context.round,
            context.roster.digest(),
            &keys.party,
            &keys.seal,
            &keys.mask,
        );
        if !context
            .roster
            .signed(&keys.party, binding::SIGN_ROUND_KEYS, &message, &keys.signature)
        {
            return Err(fail(
                check::KEYS_SIGNED,
                Some(&keys.party),
                "its signature under its keys is wrong".into(),
            ));
        }
        // CHK-022: a key that serves twice would open sealed shares when a mask key is reconstructed.
        if !seen.insert(keys.seal.to_bytes()) || !seen.insert(keys.mask.to_bytes()) {
            return Err(fail(
                check::KEYS_DISTINCT,
                Some(&keys.party),
                "one of its keys is used twice".into(),
            ));
        }
    }
    // CHK-023: nobody can hold the share of an aggregator that is not there.
    if let Some(absent) = context
        .config
        .aggregators()
        .iter()
        .find(|party| parties.binary_search(party).is_err())
    {
        return Err(fail(
            check::KEYS_AGGREGATORS,
            Some(absent),
            "the aggregator has no keys in this round".into(),
        ));
    }
    Ok(KeyList {
        keys: keys.to_vec(),
        digest: binding::key_list_digest(keys),
        own_index,
    })
}
