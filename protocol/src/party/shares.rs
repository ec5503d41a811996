//! Masked mode: this party's shares for the others, sealed, and the others' shares for this party, opened.

use std::collections::BTreeMap;

use hedgerow_crypto::mask::shamir::Share;
use hedgerow_crypto::secret::Secret;

use super::round::{Context, KeyList, Members};
use super::secret::Held;
use super::{broken, internal};
use crate::check::{self, CheckId};
use crate::ids::PartyId;
use crate::refusal::Refusal;
use crate::roster::strictly_sorted;
use crate::wire::{SignedRoundKeys, ToCoordinator};

const LABEL: &[u8] = b"shares";

/// Splits the two secrets of the round and seals to each other party its two shares.
pub(super) fn seal(context: &Context<'_>, list: &KeyList) -> Result<ToCoordinator, Refusal> {
    let own = context.secret.sealing();
    let binding = context.sealing_context(list);
    let mut sealed = Vec::with_capacity(list.keys.len());
    for (keys, held) in list.keys.iter().zip(split(context, list)?) {
        if keys.party == context.me.party {
            continue;
        }
        let pair = own
            .pair(&keys.seal, &binding)
            .map_err(|error| bad_key(context, keys, &error))?;
        let plaintext = to_bytes(&held);
        sealed.push((keys.party.clone(), pair.seal(LABEL, &[], plaintext.expose())));
    }
    Ok(ToCoordinator::Shares {
        round: context.round,
        sealed,
    })
}

/// Opens an inbox: afterwards this party holds two shares of each member, its own included.
pub(super) fn open(
    context: &Context<'_>,
    list: KeyList,
    inbox: &[(PartyId, Vec<u8>)],
) -> Result<Members, Refusal> {
    let fail = |check: CheckId, culprit: Option<&PartyId>, detail: String| {
        broken(check, Some(context.round), culprit, detail)
    };
    // CHK-025: U2 is part of U1 and holds this party.
    let parties: Vec<PartyId> = inbox.iter().map(|(party, _)| party.clone()).collect();
    if !strictly_sorted(&parties) {
        return Err(fail(
            check::INBOX_SUBSET,
            None,
            "the inbox is not strictly sorted".into(),
        ));
    }
    if let Some(stranger) = parties.iter().find(|party| list.of(party).is_none()) {
        return Err(fail(
            check::INBOX_SUBSET,
            Some(stranger),
            "has no keys in this round".into(),
        ));
    }
    if parties.binary_search(&context.me.party).is_err() {
        return Err(fail(
            check::INBOX_SUBSET,
            None,
            "this party is left out of its own inbox".into(),
        ));
    }
    // CHK-026: enough of them.
    let needed = context.config.quorum();
    if parties.len() < needed {
        return Err(fail(
            check::INBOX_ENOUGH,
            None,
            format!("{} parties sent shares, {needed} are needed", parties.len()),
        ));
    }
    let own = context.secret.sealing();
    let binding = context.sealing_context(&list);
    let mut held = BTreeMap::new();
    for (party, sealed) in inbox {
        if *party == context.me.party {
            // CHK-025: nothing is sealed to oneself.
            if !sealed.is_empty() {
                return Err(fail(
                    check::INBOX_SUBSET,
                    None,
                    "an entry of this party to itself is not empty".into(),
                ));
            }
            continue;
        }
        let Some(keys) = list.of(party) else { continue };
        // CHK-027: from this sender, to this party, for this round; and this party's index.
        let pair = own
            .pair(&keys.seal, &binding)
            .map_err(|error| bad_key(context, keys, &error))?;
        let plaintext = pair
            .open(LABEL, &[], sealed)
            .map_err(|error| fail(check::INBOX_OPENS, Some(party), error.to_string()))?;
        let shares = from_bytes(plaintext.expose(), list.own_index)
            .map_err(|detail| fail(check::INBOX_OPENS, Some(party), detail))?;
        held.insert(party.clone(), shares);
    }
    let own_place = usize::from(list.own_index).saturating_sub(1);
    let own_shares = split(context, &list)?.into_iter().nth(own_place);
    held.insert(
        context.me.party.clone(),
        own_shares.ok_or_else(|| internal("no share for the own index"))?,
    );
    Ok(Members {
        keys: list,
        parties,
        held,
        fixed: None,
    })
}

fn split(context: &Context<'_>, list: &KeyList) -> Result<Vec<Held>, Refusal> {
    let threshold = context.config.shamir_threshold as usize;
    context
        .secret
        .split(threshold, list.keys.len(), list.digest.as_bytes())
        .map_err(internal)
}

fn bad_key(context: &Context<'_>, keys: &SignedRoundKeys, error: &dyn std::fmt::Display) -> Refusal {
    broken(
        check::KEYS_DISTINCT,
        Some(context.round),
        Some(&keys.party),
        error.to_string(),
    )
}

/// Mask-key share, then self-mask share.
fn to_bytes(held: &Held) -> Secret<Vec<u8>> {
    let mut bytes = Secret::new(Vec::with_capacity(2 * Share::BYTES));
    bytes
        .expose_mut()
        .extend_from_slice(held.mask_key.to_bytes().expose());
    bytes
        .expose_mut()
        .extend_from_slice(held.self_mask.to_bytes().expose());
    bytes
}

fn from_bytes(bytes: &[u8], index: u16) -> Result<Held, String> {
    let expected = 2 * Share::BYTES;
    let Some((mask_key, self_mask)) = bytes
        .split_at_checked(Share::BYTES)
        .filter(|_| bytes.len() == expected)
    else {
        return Err(format!(
            "two shares of {} bytes, expected {expected}",
            bytes.len()
        ));
    };
    let read = |bytes: &[u8]| match Share::from_bytes(bytes) {
        Ok(share) if share.index() == index => Ok(share),
        Ok(share) => Err(format!(
            "a share for index {}, this party has {index}",
            share.index()
        )),
        Err(error) => Err(error.to_string()),
    };
    Ok(Held {
        mask_key: read(mask_key)?,
        self_mask: read(self_mask)?,
    })
}
