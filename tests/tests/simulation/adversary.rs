//! A coordinator that lies. Parties refuse, and nothing that leaves them opens a single vector.

use hedgerow_crypto::seal::SealingSecret;
use hedgerow_crypto::seed::Seed;
use hedgerow_protocol::check;
use hedgerow_protocol::ids::{PartyId, RoundId};
use hedgerow_protocol::wire::{ToCoordinator, ToParty};
use hedgerow_tests::deployment::Shape;

use crate::rig::Rig;
use crate::world::party;

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
fn keys_of_another_attempt_are_refused() {
    let mut rig = five();
    let old = rig.keys(FIRST);
    let new = rig.keys(SECOND);
    let all = rig.ids.clone();
    for (place, id) in all.iter().enumerate() {
        // Its own keys are the new ones, all others are replayed.
        let mut keys = old.clone();
        keys[place] = new[place].clone();
        assert_eq!(
            rig.tell(
                id,
                ToParty::KeyList {
                    round: FIRST,
                    keys: old.clone()
                }
            ),
            [],
            "that attempt is over"
        );
        let said = rig.tell(id, ToParty::KeyList { round: SECOND, keys });
        assert!(
            !said
                .iter()
                .any(|said| matches!(said, ToCoordinator::Shares { .. }))
        );
        assert_eq!(rig.refused(id), check::KEYS_SIGNED);
    }
}

#[test]
fn keys_put_in_by_the_coordinator_are_refused() {
    let mut rig = five();
    let keys = rig.keys(FIRST);
    let all = rig.ids.clone();
    let own = SealingSecret::from_seed(&Seed::from_bytes([1; 32])).public();
    for (place, id) in all.iter().enumerate() {
        let mut swapped = keys.clone();
        swapped[(place + 1) % 5].seal = own;
        let said = rig.tell(
            id,
            ToParty::KeyList {
                round: FIRST,
                keys: swapped,
            },
        );
        assert!(
            !said
                .iter()
                .any(|said| matches!(said, ToCoordinator::Shares { .. }))
        );
        assert_eq!(rig.refused(id), check::KEYS_SIGNED);
    }
}

#[test]
fn keys_under_other_names_are_refused() {
    let mut rig = five();
    let mut keys = rig.keys(FIRST);
    let (left, right) = (keys[3].clone(), keys[4].clone());
    keys[3] = hedgerow_protocol::wire::SignedRoundKeys {
        party: left.party.clone(),
        ..right.clone()
    };
    keys[4] = hedgerow_protocol::wire::SignedRoundKeys {
        party: right.party,
        ..left
    };
    for id in some(&[0, 1, 2]) {
        rig.tell(
            &id,
            ToParty::KeyList {
                round: FIRST,
                keys: keys.clone(),
            },
        );
        assert_eq!(rig.refused(&id), check::KEYS_SIGNED);
    }
    for id in some(&[3, 4]) {
        rig.tell(
            &id,
            ToParty::KeyList {
                round: FIRST,
                keys: keys.clone(),
            },
        );
        assert_eq!(rig.refused(&id), check::KEYS_MINE);
    }
}

#[test]
fn two_lists_of_participants_do_not_meet_in_one_round() {
    let mut rig = Rig::new(&Shape::masked(5, 4));
    let enrolments = rig.enrol();
    let all = rig.ids.clone();
    for id in &all {
        // Party 0 is told that party 4 is not there.
        let shown = if *id == party(0) {
            enrolments[..4].to_vec()
        } else {
            enrolments.clone()
        };
        rig.tell(id, ToParty::Participants { enrolments: shown });
    }
    let keys = rig.keys(FIRST);
    for id in &all {
        rig.tell(
            id,
            ToParty::KeyList {
                round: FIRST,
                keys: keys[..4].to_vec(),
            },
        );
    }
    // Party 0 takes nobody's keys, nobody takes those of party 0.
    for id in some(&[0, 1, 2, 3]) {
        assert_eq!(rig.refused(&id), check::KEYS_SIGNED);
    }
}

#[test]
fn shares_given_to_the_wrong_party_are_refused() {
    let mut rig = five();
    let keys = rig.keys(FIRST);
    let mut inboxes = rig.inboxes(FIRST, &keys);
    let stolen = inboxes[&party(1)].clone();
    let inbox = inboxes.get_mut(&party(0)).expect("party 0 has an inbox");
    // What party 2 sealed to party 1.
    inbox[2] = stolen[2].clone();
    let said = rig.tell(
        &party(0),
        ToParty::ShareInbox {
            round: FIRST,
            sealed: inbox.clone(),
        },
    );
    assert!(
        !said
            .iter()
            .any(|said| matches!(said, ToCoordinator::Masked { .. }))
    );
    assert_eq!(rig.refused(&party(0)), check::INBOX_OPENS);
}

#[test]
fn a_second_inbox_makes_no_second_vector() {
    let mut rig = five();
    let keys = rig.keys(FIRST);
    let inboxes = rig.inboxes(FIRST, &keys);
    for (id, sealed) in &inboxes {
        let said = rig.tell(
            id,
            ToParty::ShareInbox {
                round: FIRST,
                sealed: sealed.clone(),
            },
        );
        assert!(matches!(said.as_slice(), [ToCoordinator::Masked { .. }]));
        // The difference of two vectors over two sets of masks would be two masks' difference.
        let fewer = sealed
            .iter()
            .filter(|(from, _)| *from == *id || *from != party(3))
            .cloned()
            .collect();
        let fewer = if *id == party(3) {
            sealed[1..].to_vec()
        } else {
            fewer
        };
        let said = rig.tell(
            id,
            ToParty::ShareInbox {
                round: FIRST,
                sealed: fewer,
            },
        );
        assert!(
            !said
                .iter()
                .any(|said| matches!(said, ToCoordinator::Masked { .. }))
        );
        assert_eq!(rig.refused(id), check::INBOX_ONCE);
    }
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
