//! Lies before the upload: about who takes part, whose keys are whose, which shares are for whom.

use hedgerow_crypto::seal::SealingSecret;
use hedgerow_crypto::seed::Seed;
use hedgerow_protocol::check;
use hedgerow_protocol::wire::{SignedRoundKeys, ToCoordinator, ToParty};
use hedgerow_tests::deployment::Shape;

use super::{FIRST, SECOND, five, some};
use crate::rig::Rig;
use crate::world::party;

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
    keys[3] = SignedRoundKeys {
        party: left.party.clone(),
        ..right.clone()
    };
    keys[4] = SignedRoundKeys {
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
