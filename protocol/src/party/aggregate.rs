//! Shares mode: one pseudorandom vector split off for each aggregator; an aggregator sums those of the
//! survivors.
//!
//! The coordinator gets `x - sum_a PRG(seed_a)`, the aggregator `a` gets `seed_a`: additive shares of `x` of
//! which all but the first are 32 bytes long.

use hedgerow_crypto::mask::pairwise::Sign;
use hedgerow_crypto::mask::prg::Prg;
use hedgerow_crypto::seed::Seed;

use super::round::{Context, Members};
use super::{broken, internal, keys_of};
use crate::check::{self, CheckId};
use crate::ids::PartyId;
use crate::mask_table;
use crate::refusal::Refusal;
use crate::wire::ToCoordinator;

const LABEL: &[u8] = b"seed";

/// Masks to subtract, and the seeds of those that go to others, sealed.
pub(super) type SplitOff = (Vec<(Sign, Prg)>, Vec<(PartyId, Vec<u8>)>);

/// The pseudorandom vectors that this party subtracts, with their seeds sealed to the aggregators.
pub(super) fn split_off(context: &Context<'_>, members: &Members) -> Result<SplitOff, Refusal> {
    let own = context.secret.sealing();
    let binding = context.sealing_context(&members.keys);
    let (mut masks, mut sealed) = (Vec::new(), Vec::new());
    for aggregator in context.config.aggregators() {
        let seed = context.secret.aggregator_seed(aggregator);
        masks.push((Sign::Subtract, Prg::new(&seed)));
        if *aggregator == context.me.party {
            continue;
        }
        let keys = keys_of(context, &members.keys, aggregator)?;
        let pair = own.pair(&keys.seal, &binding).map_err(|error| {
            broken(
                check::KEYS_DISTINCT,
                Some(context.round),
                Some(aggregator),
                error.to_string(),
            )
        })?;
        sealed.push((aggregator.clone(), pair.seal(LABEL, &[], seed.expose_bytes())));
    }
    Ok((masks, sealed))
}

/// The sum of the survivors' vectors that this aggregator holds.
pub(super) fn sum(
    context: &Context<'_>,
    members: &Members,
    survivors: &[PartyId],
    seeds: &[(PartyId, Vec<u8>)],
) -> Result<ToCoordinator, Refusal> {
    let fail = |check: CheckId, culprit: Option<&PartyId>, detail: String| {
        broken(check, Some(context.round), culprit, detail)
    };
    // CHK-037: one seed of each other survivor, no more and no fewer; each opens.
    let others = survivors.iter().filter(|party| **party != context.me.party);
    if !seeds.iter().map(|(party, _)| party).eq(others) {
        let detail = format!(
            "seeds of {} parties for {} survivors",
            seeds.len(),
            survivors.len()
        );
        return Err(fail(check::SEEDS, None, detail));
    }
    let own = context.secret.sealing();
    let binding = context.sealing_context(&members.keys);
    let mut masks = vec![(
        Sign::Add,
        Prg::new(&context.secret.aggregator_seed(&context.me.party)),
    )];
    for (party, sealed) in seeds {
        let keys = keys_of(context, &members.keys, party)?;
        let pair = own
            .pair(&keys.seal, &binding)
            .map_err(|error| fail(check::KEYS_DISTINCT, Some(party), error.to_string()))?;
        let plaintext = pair
            .open(LABEL, &[], sealed)
            .map_err(|error| fail(check::SEEDS, Some(party), error.to_string()))?;
        let bytes = <[u8; 32]>::try_from(plaintext.expose().as_slice()).map_err(|_| {
            fail(
                check::SEEDS,
                Some(party),
                "the sealed seed is not 32 bytes long".into(),
            )
        })?;
        masks.push((Sign::Add, Prg::new(&Seed::from_bytes(bytes))));
    }
    let vector = mask_table::sum(&masks, context.shape.cells(), context.config.modulus).map_err(internal)?;
    Ok(ToCoordinator::AggregatorSum {
        round: context.round,
        vector,
    })
}
