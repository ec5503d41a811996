//! Row party of a joined run: which attribute parties are in the sum, checked once, and signed with the upload.

use hedgerow_crypto::identity::Signature;

use super::broken;
use super::round::{Context, Members};
use crate::binding;
use crate::check;
use crate::config::Role;
use crate::ids::PartyId;
use crate::refusal::Refusal;
use crate::roster::strictly_sorted;

/// Checks the attribute parties of a sum before this party completes its vector for them.
pub(super) fn check(context: &Context<'_>, members: &Members, attributes: &[PartyId]) -> Result<(), Refusal> {
    let fail = |culprit: Option<&PartyId>, detail: String| {
        Err(broken(
            check::FIXED_ANSWERED,
            Some(context.round),
            culprit,
            detail,
        ))
    };
    // CHK-073: sorted members that hold all answers; and with the row parties enough for a sum.
    if !strictly_sorted(attributes) {
        return fail(
            None,
            "the list of attribute parties is not strictly sorted".into(),
        );
    }
    for party in attributes {
        if context.config.role(party) != Role::Attributes || members.parties.binary_search(party).is_err() {
            return fail(
                Some(party),
                "is no attribute party whose masks are in the sum".into(),
            );
        }
        if !context.joined.is_some_and(|joined| joined.has_answered(party)) {
            return fail(Some(party), "has not been answered in full by this party".into());
        }
    }
    // CHK-080: what a chain has multiplied cannot be taken back, so that whoever is in it is in the sum.
    if context.config.is_chained()
        && let Some(absent) = members.parties.iter().find(|party| {
            context.config.role(party) == Role::Attributes && attributes.binary_search(party).is_err()
        })
    {
        return Err(broken(
            check::CHAIN_WHOLE,
            Some(context.round),
            Some(absent),
            "is in the chains of the round and not in its sum",
        ));
    }
    let rows = members
        .parties
        .iter()
        .filter(|party| context.config.role(party) == Role::Row);
    let (actual, needed) = (attributes.len() + rows.count(), context.config.quorum());
    if actual < needed {
        return fail(None, format!("{actual} parties in the sum, {needed} are needed"));
    }
    Ok(())
}

/// This party's signature under the attribute parties that its vector is completed for.
pub(super) fn sign(context: &Context<'_>, members: &Members, attributes: &[PartyId]) -> Signature {
    let message = binding::fixed_message(
        context.config_digest,
        context.config.run,
        context.round,
        &members.keys.digest,
        attributes,
    );
    context.me.identity.sign(binding::SIGN_FIXED, &message)
}
