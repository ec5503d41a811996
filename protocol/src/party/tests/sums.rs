//! Whole rounds: masks and shares come off, what is left is the sum. The unmasking here is written from the
//! paper, apart from the coordinator's.

use std::collections::BTreeMap;

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::pairwise::MaskSecret;
use hedgerow_crypto::mask::prg::Prg;
use hedgerow_crypto::mask::shamir::{self, Share};
use hedgerow_forest::table::Table;

use super::support::*;
use crate::binding::{self, RoundView};
use crate::config::RunConfigLiteral;
use crate::ids::{PartyId, RoundId};
use crate::wire::{SignedRoundKeys, ToCoordinator, ToParty, vector};

const ROUND: RoundId = RoundId::first_of(0);

fn words(message: &ToCoordinator, world: &World) -> Vec<u64> {
    let cells = world.progression.query().unwrap().cells();
    match message {
        ToCoordinator::Masked { vector, .. } | ToCoordinator::AggregatorSum { vector, .. } => {
            vector::unpack(vector, world.config.modulus, cells).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn plain(world: &World, survivors: &[usize]) -> Vec<i64> {
    match world.result(ROUND, survivors) {
        ToParty::RoundResult { totals, .. } => totals,
        _ => panic!(),
    }
}

/// The sum of a round of a world.
fn unmask(
    world: &World,
    keys: &[SignedRoundKeys],
    masked: &BTreeMap<usize, ToCoordinator>,
    answers: &[ToCoordinator],
    survivors: &[usize],
) -> Vec<i64> {
    let enrolments: Vec<_> = (0..world.parties.len())
        .map(|index| enrolment(index, &world.config))
        .collect();
    let members: Vec<PartyId> = masked.keys().copied().map(id).collect();
    let view = RoundView {
        run: world.config.run,
        round: ROUND,
        config: &world.config.digest(),
        answers: world.progression.answers(),
        participants: &binding::participants_digest(world.config.run, &enrolments),
        keys: &binding::key_list_digest(keys),
        members: &members,
        modulus: world.config.modulus,
        cells: world.progression.query().unwrap().cells(),
    };
    let vectors = survivors
        .iter()
        .map(|index| (*index, words(&masked[index], world)))
        .collect();
    open_sum(
        &view,
        world.config.shamir_threshold as usize,
        keys,
        &vectors,
        answers,
    )
}

/// Bonawitz et al. 2017, Figure 4, round 4, server side: the survivors' vectors and answers.
pub(super) fn open_sum(
    view: &RoundView<'_>,
    tau: usize,
    keys: &[SignedRoundKeys],
    vectors: &BTreeMap<usize, Vec<u64>>,
    answers: &[ToCoordinator],
) -> Vec<i64> {
    let modulus = view.modulus;
    let survivors: Vec<usize> = vectors.keys().copied().collect();
    let mut sum = vec![0; view.cells];
    vectors.values().for_each(|words| modulus.add(&mut sum, words));
    let mut shares: BTreeMap<(bool, PartyId), Vec<Share>> = BTreeMap::new();
    for answer in answers.iter().take(tau) {
        let ToCoordinator::Unmask {
            self_mask, mask_key, ..
        } = answer
        else {
            panic!()
        };
        for (kind, list) in [(true, self_mask), (false, mask_key)] {
            for (party, bytes) in list {
                shares
                    .entry((kind, party.clone()))
                    .or_default()
                    .push(Share::from_bytes(bytes).unwrap());
            }
        }
    }
    let transcript = binding::round_transcript(view);
    for ((is_self_mask, party), shares) in &shares {
        let seed = shamir::combine(tau, shares).unwrap();
        if *is_self_mask {
            Prg::new(&seed).sub_into(&mut sum, modulus);
            continue;
        }
        let secret = MaskSecret::from_seed(&seed);
        assert_eq!(
            keys.iter().find(|keys| keys.party == *party).unwrap().mask,
            secret.public()
        );
        for survivor in survivors.iter().copied().map(id) {
            let theirs = keys.iter().find(|keys| keys.party == survivor).unwrap();
            let prg = Prg::new(&secret.pair_seed(&theirs.mask, &transcript).unwrap());
            // The survivor added it if its id is the lower.
            if survivor < *party {
                prg.sub_into(&mut sum, modulus)
            } else {
                prg.add_into(&mut sum, modulus)
            }
        }
    }
    sum.into_iter().map(|word| modulus.centred(word)).collect()
}

/// A masked round: keys of U1, shares of U2, vectors of U2, survivors U3.
fn masked_sum(literal: RunConfigLiteral, u1: &[usize], u2: &[usize], u3: &[usize]) -> (Vec<i64>, Vec<i64>) {
    let mut world = World::new(literal);
    world.enrol();
    let list = world.keys(ROUND, u1);
    let ToParty::KeyList { keys, .. } = &list else {
        panic!()
    };
    let inboxes = world.inboxes(&list, u2);
    let masked = world.upload(&inboxes);
    let proof = world.vote(ROUND, u3);
    let answers: Vec<_> = u3
        .iter()
        .map(|&index| world.parties[index].answer(proof.clone()))
        .collect();
    (unmask(&world, keys, &masked, &answers, u3), plain(&world, u3))
}

#[test]
fn masks_cancel_with_everybody_there() {
    let (sum, plain) = masked_sum(literal(5), &[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4]);
    assert_eq!(sum, plain);
}

#[test]
fn masks_come_off_after_a_drop_out_in_any_phase() {
    let all = [0, 1, 2, 3, 4, 5];
    // n = 6, c = 1: tau is 4, so two may drop.
    for (u1, u2, u3) in [
        (&all[1..], &all[1..], &all[1..]),
        (&all[..], &all[1..], &all[1..]),
        (&all[..], &all[..], &all[..4]),
        (&all[..], &all[..5], &all[1..5]),
        (&all[..5], &all[..5], &all[..4]),
    ] {
        let (sum, plain) = masked_sum(literal(6), u1, u2, u3);
        assert_eq!(sum, plain, "{u1:?} {u2:?} {u3:?}");
    }
}

#[test]
fn every_modulus_sums() {
    for modulus in [
        Modulus::power_of_two(44).unwrap(),
        Modulus::power_of_two(64).unwrap(),
        Modulus::prime((1 << 61) - 1).unwrap(),
    ] {
        let literal = RunConfigLiteral {
            modulus,
            ..literal(4)
        };
        let (sum, plain) = masked_sum(literal, &[0, 1, 2, 3], &[0, 1, 2, 3], &[0, 1, 2]);
        assert_eq!(sum, plain, "{modulus}");
    }
}

#[test]
fn noise_is_in_the_sum_and_within_its_tail() {
    let (sum, plain) = masked_sum(noisy(literal(4)), &[0, 1, 2, 3], &[0, 1, 2, 3], &[0, 1, 2, 3]);
    let config = crate::config::RunConfig::new(noisy(literal(4))).unwrap();
    let planned = &crate::privacy::plan(&config).unwrap()[0];
    let mechanism = crate::privacy::mechanism(&config, planned).unwrap();
    let tail = crate::privacy::largest_total(&config, planned, &mechanism) - config.max_rows;
    assert_ne!(sum, plain);
    assert!(
        sum.iter()
            .zip(&plain)
            .all(|(noised, exact)| noised.abs_diff(*exact) <= tail)
    );
}

#[test]
fn one_vector_alone_says_nothing_about_its_table() {
    let mut world = World::new(literal(3));
    world.enrol();
    let list = world.keys(ROUND, &[0, 1, 2]);
    let inboxes = world.inboxes(&list, &[0, 1, 2]);
    let masked = world.upload(&inboxes);
    let shape = world.progression.query().unwrap().shape();
    for (index, message) in &masked {
        let words = words(message, &world);
        let zeros = Table::zeros(shape).cells().len();
        let small = words.iter().filter(|word| **word < 1 << 32).count();
        assert!(small == 0, "party {index}: {small} of {zeros} words are small");
    }
}

/// Shares mode up to the proof for each aggregator; and the coordinator's own words.
pub(super) fn shares_round(world: &mut World, round: RoundId, survivors: &[usize]) -> (Requests, Vec<u64>) {
    let all: Vec<usize> = (0..world.parties.len()).collect();
    let list = world.keys(round, &all);
    let requests: Requests = all.iter().map(|&index| (index, list.clone())).collect();
    let masked = world.upload(&requests);
    let mut sum = vec![0; world.progression.query().unwrap().cells()];
    survivors
        .iter()
        .for_each(|index| world.config.modulus.add(&mut sum, &words(&masked[index], world)));
    let proof = world.vote(round, survivors);
    let proofs = world.config.aggregators().iter().map(|aggregator| {
        let ToParty::SurvivorProof {
            round, signatures, ..
        } = proof.clone()
        else {
            panic!()
        };
        let sealed = |index: &usize| match &masked[index] {
            ToCoordinator::Masked { seeds, .. } => seeds
                .iter()
                .find(|(party, _)| party == aggregator)
                .map(|(_, sealed)| (id(*index), sealed.clone())),
            _ => panic!(),
        };
        let seeds = survivors.iter().filter_map(sealed).collect();
        let place = world
            .config
            .parties
            .iter()
            .position(|party| party == aggregator)
            .unwrap();
        (
            place,
            ToParty::SurvivorProof {
                round,
                signatures,
                seeds,
            },
        )
    });
    (proofs.collect(), sum)
}

#[test]
fn shares_add_up_with_and_without_a_drop_out() {
    for survivors in [&[0, 1, 2, 3, 4][..], &[0, 1, 2, 4]] {
        let mut world = World::new(in_shares(literal(5)));
        world.enrol();
        let (proofs, mut sum) = shares_round(&mut world, ROUND, survivors);
        assert_eq!(proofs.len(), 2);
        for (index, proof) in proofs {
            let answer = world.parties[index].answer(proof);
            world.config.modulus.add(&mut sum, &words(&answer, &world));
        }
        let totals: Vec<i64> = sum
            .into_iter()
            .map(|word| world.config.modulus.centred(word))
            .collect();
        assert_eq!(totals, plain(&world, survivors));
    }
}

#[test]
fn a_whole_run_gives_everybody_the_replayed_model() {
    let mut world = World::new(literal(4));
    world.enrol();
    world.whole_round(ROUND);
    world.whole_round(RoundId::first_of(1));
    let model = world.progression.forest().unwrap().to_json().unwrap();
    for party in &world.parties {
        let outcome = party.outcome.as_ref().unwrap();
        assert_eq!(outcome.forest.to_json().unwrap(), model);
        assert_eq!(outcome.rounds.len(), 2);
        assert!(party.secret.is_none(), "secrets go when the round ends");
    }
}
