//! Shares, counts, survivors, proofs: each check broken by one change to an honest message.

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::Signature;
use hedgerow_crypto::seed::Seed;
use hedgerow_forest::table::Table;

use super::assert_refused;
use super::support::*;
use crate::binding;
use crate::ids::{PartyId, RoundId};
use crate::refusal::Refusal;
use crate::time::Millis;
use crate::wire::{ToCoordinator, ToParty};

type Sealed = Vec<(PartyId, Vec<u8>)>;
type Signed = Vec<(PartyId, Signature)>;

const ROUND: RoundId = RoundId::first_of(0);

/// Five parties (tau 4) up to the key list.
pub(super) fn at_keys() -> (World, ToParty) {
    let mut world = World::new(literal(5));
    world.enrol();
    let list = world.keys(ROUND, &[0, 1, 2, 3, 4]);
    (world, list)
}

fn at_inboxes() -> (World, Requests) {
    let (mut world, list) = at_keys();
    let inboxes = world.inboxes(&list, &[0, 1, 2, 3, 4]);
    (world, inboxes)
}

/// All uploaded; party 4 is about to drop.
pub(super) fn at_survivors() -> World {
    let (mut world, inboxes) = at_inboxes();
    world.upload(&inboxes);
    world
}

fn survivors(of: &[usize]) -> ToParty {
    ToParty::Survivors {
        round: ROUND,
        survivors: of.iter().copied().map(id).collect(),
    }
}

#[test]
fn an_inbox_is_checked_share_by_share() {
    let hear = |change: &dyn Fn(&mut Sealed, &Requests)| {
        let (mut world, inboxes) = at_inboxes();
        let Some(ToParty::ShareInbox { mut sealed, round }) = inboxes.get(&0).cloned() else {
            panic!()
        };
        change(&mut sealed, &inboxes);
        let mut party = world.parties.remove(0);
        party.hear(ToParty::ShareInbox { round, sealed });
        party
    };
    assert!(hear(&|_, _| ()).refused.is_none());
    assert_refused(&mut hear(&|inbox, _| inbox.swap(1, 2)), "CHK-025");
    assert_refused(&mut hear(&|inbox, _| inbox[4].0 = id(9)), "CHK-025");
    assert_refused(&mut hear(&|inbox, _| drop(inbox.remove(0))), "CHK-025");
    assert_refused(&mut hear(&|inbox, _| inbox[0].1 = vec![1]), "CHK-025");
    assert_refused(&mut hear(&|inbox, _| inbox.truncate(3)), "CHK-026");
    assert_refused(&mut hear(&|inbox, _| inbox[2].1[5] ^= 1), "CHK-027");
    assert_refused(&mut hear(&|inbox, _| inbox[2].1.clear()), "CHK-027");
    assert_refused(&mut hear(&|inbox, _| inbox[2].1 = inbox[3].1.clone()), "CHK-027");
    assert_refused(
        &mut hear(&|inbox, all| {
            // What party 2 sealed to party 1.
            let Some(ToParty::ShareInbox { sealed, .. }) = all.get(&1) else {
                panic!()
            };
            inbox[2].1 = sealed[2].1.clone();
        }),
        "CHK-027",
    );
    let blamed = hear(&|inbox, _| inbox[2].1[5] ^= 1).refused;
    assert!(matches!(blamed, Some(Refusal::Check { culprit: Some(party), .. }) if party == id(2)));
}

#[test]
fn a_round_has_one_inbox() {
    let (mut world, inboxes) = at_inboxes();
    let first = world.upload(&inboxes);
    assert_eq!(world.parties[0].answer(inboxes[&0].clone()), first[&0], "CHK-045");
    let Some(ToParty::ShareInbox { mut sealed, round }) = inboxes.get(&0).cloned() else {
        panic!()
    };
    sealed.pop();
    world.parties[0].hear(ToParty::ShareInbox { round, sealed });
    assert_refused(&mut world.parties[0], "CHK-028");
}

#[test]
fn a_second_inbox_is_refused_also_while_counting() {
    let (mut world, inboxes) = at_inboxes();
    assert!(
        world.parties[0].hear(inboxes[&0].clone()).is_empty(),
        "the counts are not there"
    );
    assert!(world.parties[0].hear(inboxes[&0].clone()).is_empty());
    let Some(ToParty::ShareInbox { mut sealed, round }) = inboxes.get(&0).cloned() else {
        panic!()
    };
    sealed.pop();
    world.parties[0].hear(ToParty::ShareInbox { round, sealed });
    assert_refused(&mut world.parties[0], "CHK-028");
}

#[test]
fn the_counted_table_is_of_the_query() {
    let world = || {
        let (world, _) = at_inboxes();
        world
    };
    let answer = |table: &dyn Fn(&hedgerow_forest::query::TableQuery) -> Result<Table, String>| {
        let mut world = world();
        let party = &mut world.parties[0];
        let (round, query) = party.counted.remove(0);
        party.machine.handle_table(round, table(&query), Millis(0));
        party.drain();
        world.parties.remove(0)
    };
    let other = hedgerow_forest::table::TableShape::ScoreHistogram { bins: 2 };
    assert_refused(&mut answer(&|_| Ok(Table::zeros(other))), "CHK-044");
    assert_refused(
        &mut answer(&|query| {
            let mut table = Table::zeros(query.shape());
            table.cells_mut()[3] = -1;
            Ok(table)
        }),
        "CHK-044",
    );
    let failed = answer(&|_| Err("rows.csv, line 17: age is \"x\"".into()));
    assert_eq!(
        failed.refused,
        Some(Refusal::Data {
            detail: "rows.csv, line 17: age is \"x\"".into()
        })
    );
}

#[test]
fn survivors_are_checked_before_they_are_signed() {
    let hear = |list: ToParty| {
        let mut world = at_survivors();
        let mut party = world.parties.remove(0);
        party.hear(list);
        party
    };
    assert!(hear(survivors(&[0, 1, 2, 3])).refused.is_none());
    assert_refused(&mut hear(survivors(&[0, 2, 1, 3])), "CHK-029");
    assert_refused(&mut hear(survivors(&[0, 1, 2, 9])), "CHK-029");
    assert_refused(&mut hear(survivors(&[1, 2, 3, 4])), "CHK-029");
    assert_refused(&mut hear(survivors(&[0, 1, 2])), "CHK-030");
}

#[test]
fn survivors_are_signed_once() {
    let mut world = at_survivors();
    let first = world.parties[0].answer(survivors(&[0, 1, 2, 3]));
    assert_eq!(
        world.parties[0].answer(survivors(&[0, 1, 2, 3])),
        first,
        "CHK-045"
    );
    world.parties[0].hear(survivors(&[0, 1, 2, 3, 4]));
    assert_refused(&mut world.parties[0], "CHK-031");
}

#[test]
fn a_proof_is_tau_signatures_of_survivors_over_the_same_list() {
    let hear = |change: &dyn Fn(&mut World, &mut Signed)| {
        let mut world = at_survivors();
        let ToParty::SurvivorProof { mut signatures, .. } = world.vote(ROUND, &[0, 1, 2, 3]) else {
            panic!()
        };
        change(&mut world, &mut signatures);
        let mut party = world.parties.remove(0);
        party.hear(ToParty::SurvivorProof {
            round: ROUND,
            signatures,
            seeds: Vec::new(),
        });
        party
    };
    assert!(hear(&|_, _| ()).refused.is_none());
    assert_refused(&mut hear(&|_, list| list.swap(0, 1)), "CHK-032");
    assert_refused(
        &mut hear(&|_, list| {
            let twice = list[3].clone();
            list.push(twice);
        }),
        "CHK-032",
    );
    assert_refused(
        &mut hear(&|world, list| {
            // Party 4 signs what it is asked, and is no survivor.
            let message = binding::survivors_message(
                &world.config.digest(),
                world.config.run,
                ROUND,
                &world.keys_digest,
                &[id(0), id(1), id(2), id(3)],
            );
            list[3] = (id(4), identity(4).sign(binding::SIGN_SURVIVORS, &message));
        }),
        "CHK-032",
    );
    assert_refused(
        &mut hear(&|world, list| {
            // A signature over everybody does not count for four.
            let all: Vec<PartyId> = (0..5).map(id).collect();
            let message = signed(world, ROUND, &world.keys_digest, &all);
            list[3].1 = identity(3).sign(binding::SIGN_SURVIVORS, &message);
        }),
        "CHK-033",
    );
    assert_refused(
        &mut hear(&|world, list| {
            // Nor one of another attempt.
            let names = [id(0), id(1), id(2), id(3)];
            let other = RoundId { step: 0, attempt: 1 };
            let message = signed(world, other, &world.keys_digest, &names);
            list[3].1 = identity(3).sign(binding::SIGN_SURVIVORS, &message);
        }),
        "CHK-033",
    );
    assert_refused(
        &mut hear(&|world, list| {
            // Nor one of somebody who was shown other keys.
            let names = [id(0), id(1), id(2), id(3)];
            let message = signed(world, ROUND, &Digest([3; 32]), &names);
            list[3].1 = identity(3).sign(binding::SIGN_SURVIVORS, &message);
        }),
        "CHK-033",
    );
    assert_refused(&mut hear(&|_, list| list.truncate(3)), "CHK-034");
}

fn signed(world: &World, round: RoundId, keys: &Digest, survivors: &[PartyId]) -> Vec<u8> {
    binding::survivors_message(&world.config.digest(), world.config.run, round, keys, survivors)
}

#[test]
fn each_peer_is_opened_in_one_way_and_once() {
    let mut world = at_survivors();
    let proof = world.vote(ROUND, &[0, 1, 2, 3]);
    let answer = world.parties[0].answer(proof.clone());
    let ToCoordinator::Unmask {
        self_mask, mask_key, ..
    } = &answer
    else {
        panic!("{answer:?}")
    };
    let names =
        |shares: &[(PartyId, Vec<u8>)]| shares.iter().map(|(party, _)| party.clone()).collect::<Vec<_>>();
    assert_eq!(names(self_mask), [id(0), id(1), id(2), id(3)]);
    assert_eq!(names(mask_key), [id(4)], "CHK-035");
    // Another proof of the same survivors, or a wrong one, gets the same bytes and nothing else.
    let ToParty::SurvivorProof { signatures, .. } = proof else {
        panic!()
    };
    for seeds in [vec![], vec![(id(1), vec![0])]] {
        let again = ToParty::SurvivorProof {
            round: ROUND,
            signatures: signatures[..1].to_vec(),
            seeds,
        };
        assert_eq!(world.parties[0].answer(again), answer, "CHK-036");
    }
    assert_eq!(world.parties[0].records.len(), 7, "journaled once");
}

#[test]
fn a_proof_before_the_vote_is_dropped() {
    let mut world = at_survivors();
    let ToParty::SurvivorProof { signatures, .. } = world.vote(ROUND, &[1, 2, 3, 4]) else {
        panic!()
    };
    let proof = ToParty::SurvivorProof {
        round: ROUND,
        signatures,
        seeds: Vec::new(),
    };
    assert!(world.parties[0].hear(proof).is_empty());
    assert!(world.parties[0].refused.is_none());
}

#[test]
fn in_shares_mode_aggregators_have_keys_and_seeds_of_all_survivors() {
    let mut world = World::new(in_shares(literal(5)));
    world.enrol();
    let list = world.keys(ROUND, &[0, 2, 3, 4]);
    world.parties[0].hear(list);
    assert_refused(&mut world.parties[0], "CHK-023");

    let hear = |change: &dyn Fn(&mut Sealed)| {
        let mut world = World::new(in_shares(literal(5)));
        world.enrol();
        let (mut proof, _) = super::sums::shares_round(&mut world, ROUND, &[0, 1, 2, 3]);
        let Some(ToParty::SurvivorProof {
            mut seeds,
            signatures,
            round,
        }) = proof.remove(&0)
        else {
            panic!()
        };
        change(&mut seeds);
        let mut party = world.parties.remove(0);
        party.hear(ToParty::SurvivorProof {
            round,
            signatures,
            seeds,
        });
        party
    };
    assert!(hear(&|_| ()).refused.is_none());
    assert_refused(&mut hear(&|seeds| drop(seeds.pop())), "CHK-037");
    assert_refused(&mut hear(&|seeds| seeds.swap(0, 1)), "CHK-037");
    assert_refused(&mut hear(&|seeds| seeds[1].1[3] ^= 4), "CHK-037");
    assert_refused(&mut hear(&|seeds| seeds[1].1 = seeds[2].1.clone()), "CHK-037");
}

#[test]
fn nothing_of_a_round_shows_in_debug() {
    let (world, _) = at_inboxes();
    let shown = format!("{:?}", world.parties[0].machine);
    assert_eq!(
        shown,
        "PartyMachine { party: PartyId(\"p0\"), phase: \"round 0.0, shares sent\", .. }"
    );
    let secret = world.parties[0]
        .secret
        .as_ref()
        .map(|(_, secret)| Seed::expose_bytes(secret))
        .unwrap();
    assert!(!shown.contains(&hex::encode(secret)));
}
