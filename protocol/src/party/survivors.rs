//! Whose vectors are summed (U3): checked, signed once, believed only with tau signatures.

use super::broken;
use super::round::{Context, Members};
use crate::binding;
use crate::check::{self, CheckId};
use crate::config::Role;
use crate::ids::PartyId;
use crate::refusal::Refusal;
use crate::roster::strictly_sorted;
use crate::wire::ToCoordinator;
use hedgerow_crypto::identity::Signature;

/// Checks a list of survivors before it is signed.
pub(super) fn check(context: &Context<'_>, members: &Members, survivors: &[PartyId]) -> Result<(), Refusal> {
    let fail = |check: CheckId, culprit: Option<&PartyId>, detail: String| {
        broken(check, Some(context.round), culprit, detail)
    };
    // CHK-029: U3 is part of U2 and holds this party.
    if !strictly_sorted(survivors) {
        return Err(fail(
            check::SURVIVORS_SUBSET,
            None,
            "the list of survivors is not strictly sorted".into(),
        ));
    }
    if let Some(stranger) = survivors
        .iter()
        .find(|party| members.parties.binary_search(party).is_err())
    {
        return Err(fail(
            check::SURVIVORS_SUBSET,
            Some(stranger),
            "its masks are not in the sum".into(),
        ));
    }
    if survivors.binary_search(&context.me.party).is_err() {
        return Err(fail(
            check::SURVIVORS_SUBSET,
            None,
            "this party is asked about a sum without it".into(),
        ));
    }
    // CHK-075: without a row party, or with other attribute parties, what a row party has answered does not add up.
    if context.joined.is_some() {
        let role = |party: &&PartyId| context.config.role(party);
        let rows = members.parties.iter().filter(|party| role(party) == Role::Row);
        if let Some(absent) = rows
            .into_iter()
            .find(|party| survivors.binary_search(party).is_err())
        {
            return Err(fail(
                check::SURVIVORS_JOINED,
                Some(absent),
                "has rows in the sum and does not survive".into(),
            ));
        }
        let attributes = survivors.iter().filter(|party| role(party) == Role::Attributes);
        if let Some(fixed) = &members.fixed
            && !attributes.eq(fixed)
        {
            return Err(fail(
                check::SURVIVORS_JOINED,
                None,
                "other attribute parties survive than were fixed".into(),
            ));
        }
    }
    // CHK-030: enough of them.
    let needed = context.config.quorum();
    if survivors.len() < needed {
        return Err(fail(
            check::SURVIVORS_ENOUGH,
            None,
            format!("{} survivors, {needed} are needed", survivors.len()),
        ));
    }
    Ok(())
}

/// This party's signature under the survivors.
pub(super) fn sign(context: &Context<'_>, members: &Members, survivors: &[PartyId]) -> ToCoordinator {
    let message = message(context, members, survivors);
    let signature = context.me.identity.sign(binding::SIGN_SURVIVORS, &message);
    ToCoordinator::SurvivorSignature {
        round: context.round,
        signature,
    }
}

/// Checks that tau survivors have signed the list that this party has signed.
pub(super) fn check_proof(
    context: &Context<'_>,
    members: &Members,
    survivors: &[PartyId],
    signatures: &[(PartyId, Signature)],
) -> Result<(), Refusal> {
    let fail = |check: CheckId, culprit: Option<&PartyId>, detail: String| {
        broken(check, Some(context.round), culprit, detail)
    };
    // CHK-032: each signer counts once, and is a survivor.
    let signers: Vec<&PartyId> = signatures.iter().map(|(party, _)| party).collect();
    if !strictly_sorted(&signers) {
        return Err(fail(
            check::PROOF_SIGNERS,
            None,
            "the signers are not strictly sorted".into(),
        ));
    }
    if let Some(stranger) = signers
        .iter()
        .find(|party| survivors.binary_search(party).is_err())
    {
        return Err(fail(
            check::PROOF_SIGNERS,
            Some(stranger),
            "signs without being a survivor".into(),
        ));
    }
    // CHK-033: over exactly the survivors that this party signed.
    let message = message(context, members, survivors);
    for (party, signature) in signatures {
        if !context
            .roster
            .signed(party, binding::SIGN_SURVIVORS, &message, signature)
        {
            return Err(fail(
                check::PROOF_SIGNATURES,
                Some(party),
                "its signature is not over these survivors".into(),
            ));
        }
    }
    // CHK-034: with tau > (n + c) / 2 no other list can find as many.
    let needed = context.config.shamir_threshold as usize;
    if signatures.len() < needed {
        return Err(fail(
            check::PROOF_ENOUGH,
            None,
            format!(
                "{} signatures under the survivors, {needed} are needed",
                signatures.len()
            ),
        ));
    }
    Ok(())
}

fn message(context: &Context<'_>, members: &Members, survivors: &[PartyId]) -> Vec<u8> {
    binding::survivors_message(
        context.config_digest,
        context.config.run,
        context.round,
        &members.keys.digest,
        survivors,
    )
}
