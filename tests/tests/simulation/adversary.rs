//! A coordinator that lies. Parties refuse, and nothing that leaves them opens a single vector.

use hedgerow_protocol::check;
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::wire::{ToCoordinator, ToParty};
use hedgerow_tests::deployment::Shape;

use crate::rig::Rig;
use crate::world::party;

mod keys;

const FIRST: RoundId = RoundId { step: 0, attempt: 0 };
const SECOND: RoundId = RoundId { step: 0, attempt: 1 };

fn five() -> Rig {
    let mut rig = Rig::new(&Shape::masked(5, 4));
    rig.begin();
    rig
}

fn some(numbers: &[u32]) -> Vec<PartyId> {
    numbers.iter().copied().map(party).collect()
}

fn opens(said: &[ToCoordinator]) -> bool {
    said.iter().any(|said| {
        matches!(
            said,
            ToCoordinator::Unmask { .. } | ToCoordinator::AggregatorSum { .. }
        )
    })
}

#[test]
fn a_lie_about_a_drop_out_hides_its_victim_for_good() {
    let mut rig = five();
    rig.uploaded(FIRST);
    // It has the vector of party 4, and says that it has not.
    let without = some(&[0, 1, 2, 3]);
    let signatures = rig.votes(FIRST, &without);
    for id in &without {
        let proof = ToParty::SurvivorProof {
            round: FIRST,
            signatures: signatures.clone(),
            seeds: Vec::new(),
        };
        assert!(opens(&rig.tell(id, proof)));
    }
    // Now it wants the self masks too, among them that of party 4.
    let all = rig.ids.clone();
    for id in &without {
        assert_eq!(rig.vote(id, FIRST, &all), None);
        assert_eq!(rig.refused(id), check::SURVIVORS_ONCE);
    }
    rig.nothing_is_recoverable();
}

#[test]
fn different_survivors_for_different_parties_open_nothing() {
    let mut rig = five();
    rig.uploaded(FIRST);
    let (all, without) = (rig.ids.clone(), some(&[0, 2, 3, 4]));
    let mut signatures = Vec::new();
    for id in some(&[0, 1]) {
        signatures.push((id.clone(), rig.vote(&id, FIRST, &all).expect("it votes")));
    }
    for id in some(&[2, 3, 4]) {
        signatures.push((id.clone(), rig.vote(&id, FIRST, &without).expect("it votes")));
    }
    for id in all {
        let proof = ToParty::SurvivorProof {
            round: FIRST,
            signatures: signatures.clone(),
            seeds: Vec::new(),
        };
        assert!(!opens(&rig.tell(&id, proof)));
        // Signatures of the others' list do not count, and party 1 is no survivor of it.
        assert!([check::PROOF_SIGNATURES, check::PROOF_SIGNERS].contains(&rig.refused(&id)));
    }
    rig.nothing_is_recoverable();
}

#[test]
fn fewer_signatures_than_the_threshold_open_nothing() {
    let mut rig = five();
    rig.uploaded(FIRST);
    let all = rig.ids.clone();
    let mut signatures = rig.votes(FIRST, &all);
    signatures.truncate(3);
    for id in all {
        let proof = ToParty::SurvivorProof {
            round: FIRST,
            signatures: signatures.clone(),
            seeds: Vec::new(),
        };
        assert!(!opens(&rig.tell(&id, proof)));
        assert_eq!(rig.refused(&id), check::PROOF_ENOUGH);
    }
}

#[test]
fn one_signature_does_not_count_twice() {
    let mut rig = five();
    rig.uploaded(FIRST);
    let all = rig.ids.clone();
    let mut signatures = rig.votes(FIRST, &all);
    signatures.truncate(3);
    signatures.push(signatures[2].clone());
    for id in all {
        let proof = ToParty::SurvivorProof {
            round: FIRST,
            signatures: signatures.clone(),
            seeds: Vec::new(),
        };
        assert!(!opens(&rig.tell(&id, proof)));
        assert_eq!(rig.refused(&id), check::PROOF_SIGNERS);
    }
}

#[test]
fn who_asks_twice_gets_the_same_bytes() {
    let mut rig = five();
    rig.uploaded(FIRST);
    let all = rig.ids.clone();
    let signatures = rig.votes(FIRST, &all);
    // Signed by all, by the first four, by the last four: another proof of the same survivors each time.
    for signers in [&signatures[..], &signatures[..4], &signatures[1..]] {
        for id in &all {
            let proof = ToParty::SurvivorProof {
                round: FIRST,
                signatures: signers.to_vec(),
                seeds: Vec::new(),
            };
            // That the bytes are the same is the witness's business.
            assert!(opens(&rig.tell(id, proof)));
        }
    }
    assert!(rig.content());
    rig.nothing_is_recoverable();
}

#[test]
fn an_attempt_that_is_over_is_not_opened_any_more() {
    let mut rig = five();
    rig.uploaded(FIRST);
    let all = rig.ids.clone();
    let signatures = rig.votes(FIRST, &all);
    rig.keys(SECOND);
    for id in all {
        let proof = ToParty::SurvivorProof {
            round: FIRST,
            signatures: signatures.clone(),
            seeds: Vec::new(),
        };
        assert_eq!(rig.tell(&id, proof), []);
    }
    assert!(rig.content());
}

#[test]
fn a_sum_over_fewer_than_the_minimum_is_refused() {
    let mut rig = five();
    rig.uploaded(FIRST);
    let few = some(&[0, 1, 2]);
    for id in &few {
        assert_eq!(rig.vote(id, FIRST, &few), None);
        assert_eq!(rig.refused(id), check::SURVIVORS_ENOUGH);
    }
}

#[test]
fn another_question_than_the_algorithm_asks_is_refused() {
    let mut rig = five();
    let ToParty::RoundStart {
        round,
        query,
        answers,
    } = rig.round_start(FIRST)
    else {
        unreachable!("a start")
    };
    let said = rig.tell(
        &party(0),
        ToParty::RoundStart {
            round,
            query: answers,
            answers,
        },
    );
    assert!(
        !said
            .iter()
            .any(|said| matches!(said, ToCoordinator::RoundKeys { .. }))
    );
    assert_eq!(rig.refused(&party(0)), check::QUERY);
    rig.tell(
        &party(1),
        ToParty::RoundStart {
            round,
            query,
            answers: query,
        },
    );
    assert_eq!(rig.refused(&party(1)), check::ANSWERS);
}

#[test]
fn an_aggregator_sums_only_what_the_survivors_signed() {
    let mut rig = Rig::new(&Shape::shares(5, 4));
    rig.begin();
    let keys = rig.keys(FIRST);
    let mut seeds = Vec::new();
    for (from, said) in rig.tell_all(&ToParty::KeyList { round: FIRST, keys }) {
        let Some(ToCoordinator::Masked { seeds: sealed, .. }) = said.into_iter().next() else {
            panic!("{from} uploads");
        };
        seeds.extend(
            sealed
                .into_iter()
                .filter(|(to, _)| *to == party(0))
                .map(|(_, bytes)| (from.clone(), bytes)),
        );
    }
    let all = rig.ids.clone();
    let signatures = rig.votes(FIRST, &all);
    // Everybody signed five; the sum of four would tell what the fifth has.
    let fewer: Vec<_> = seeds
        .iter()
        .filter(|(from, _)| *from != party(4))
        .cloned()
        .collect();
    let proof = ToParty::SurvivorProof {
        round: FIRST,
        signatures: signatures.clone(),
        seeds: fewer,
    };
    assert!(!opens(&rig.tell(&party(0), proof)));
    assert_eq!(rig.refused(&party(0)), check::SEEDS);
    // One seed twice in place of another.
    let mut doubled = seeds.clone();
    doubled[3].1 = doubled[2].1.clone();
    let mut other = Rig::new(&Shape::shares(5, 4));
    other.begin();
    let keys = other.keys(FIRST);
    other.tell_all(&ToParty::KeyList { round: FIRST, keys });
    let signatures = other.votes(FIRST, &all);
    let proof = ToParty::SurvivorProof {
        round: FIRST,
        signatures,
        seeds: doubled,
    };
    assert!(!opens(&other.tell(&party(0), proof)));
    assert_eq!(other.refused(&party(0)), check::SEEDS);
}
