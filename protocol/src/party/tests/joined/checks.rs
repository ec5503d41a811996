//! What a party of a joined run refuses.

use super::super::check_of;
use super::world::{JoinedWorld, Shape};
use crate::ids::RoundId;
use crate::party::record::Record;
use crate::party::tests::support::id;
use crate::wire::{Channel, ToCoordinator, ToParty};

const ROUND: RoundId = RoundId::first_of(0);

/// The party has refused by this check and falls silent.
#[track_caller]
pub(super) fn assert_refused(world: &JoinedWorld, index: usize, id: &str) {
    let party = &world.parties[index];
    let check = check_of(&party.refused).map(|check| check.to_string());
    assert_eq!(check.as_deref(), Some(id), "{:?}", world.refusals());
    assert!(party.machine.is_over() && party.secret.is_none());
}

fn aligned() -> JoinedWorld {
    let mut world = JoinedWorld::new(Shape::of(2));
    world.enrol();
    world.align();
    world
}

/// A round in which all answers are out.
fn answered() -> JoinedWorld {
    let mut world = aligned();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle();
    world
}

#[test]
fn a_chunk_that_does_not_open_is_refused() {
    let mut world = JoinedWorld::new(Shape::of(2));
    world.enrol();
    world.tell(2, ToParty::Align);
    let start = world.parties[2].works.remove(0);
    let party = &mut world.parties[2];
    party
        .machine
        .handle_work(start.0, start.1.run(&world.data[2]), party.now);
    party.drain();
    let chunk = ToParty::Relayed {
        from: id(0),
        channel: Channel::Align,
        seq: 0,
        last: false,
        sealed: vec![7; 64],
    };
    world.parties[2].hear(chunk);
    // CHK-070
    assert_refused(&world, 2, "CHK-070");
}

#[test]
fn joined_parties_are_one_list_of_aligned_participants() {
    // CHK-071
    for parties in [vec![2, 0], vec![0, 1], vec![0, 1, 7]] {
        let mut world = JoinedWorld::new(Shape::of(2));
        world.enrol();
        let parties = parties.into_iter().map(id).collect();
        world.tell(2, ToParty::Joined { parties });
        assert_refused(&world, 2, "CHK-071");
    }
    let mut world = JoinedWorld::new(Shape::of(2));
    world.enrol();
    let parties = vec![id(0), id(1), id(2)];
    world.tell(2, ToParty::Joined { parties });
    assert_refused(&world, 2, "CHK-071");
    let mut world = aligned();
    let parties = vec![id(1), id(2)];
    world.tell(2, ToParty::Joined { parties });
    assert_refused(&world, 2, "CHK-071");
}

#[test]
fn fixed_attribute_parties_are_answered_members_and_one_set() {
    // CHK-073
    for attributes in [vec![1, 0], vec![2], vec![0], vec![0, 1, 2]] {
        let mut world = answered();
        let attributes = attributes.into_iter().map(id).collect();
        world.tell(
            2,
            ToParty::Fixed {
                round: ROUND,
                attributes,
            },
        );
        assert_refused(&world, 2, "CHK-073");
    }
    let mut world = aligned();
    let all = world.all();
    world.open_round(ROUND, &all);
    let attributes = vec![id(0), id(1)];
    world.tell(
        2,
        ToParty::Fixed {
            round: ROUND,
            attributes,
        },
    );
    assert_refused(&world, 2, "CHK-073");
    // CHK-074
    let mut world = answered();
    world.fix(ROUND, &[0, 1]);
    world.tell(
        2,
        ToParty::Fixed {
            round: ROUND,
            attributes: vec![id(0)],
        },
    );
    assert_refused(&world, 2, "CHK-074");
}

#[test]
fn survivors_are_the_fixed_parties_and_all_row_parties() {
    // CHK-075, at an attribute party and at a row party.
    let shape = Shape {
        rows: 2,
        ..Shape::of(4)
    };
    for (who, fixed, survivors) in [
        (0, vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4]),
        (4, vec![0, 1, 2], vec![0, 1, 2, 3, 4, 5]),
    ] {
        let mut world = JoinedWorld::new(shape.clone());
        world.enrol();
        world.align();
        let all = world.all();
        world.open_round(ROUND, &all);
        world.settle();
        world.fix(ROUND, &fixed);
        let survivors = survivors.into_iter().map(id).collect();
        world.tell(
            who,
            ToParty::Survivors {
                round: ROUND,
                survivors,
            },
        );
        assert_refused(&world, who, "CHK-075");
    }
}

#[test]
fn the_signature_is_over_the_fixed_parties() {
    let mut world = answered();
    world.fix(ROUND, &[0, 1]);
    let fixed = world.heard(|message| match message {
        ToCoordinator::Masked { fixed, .. } => Some(*fixed),
        _ => None,
    });
    assert_eq!((fixed[&0], fixed[&1]), (None, None));
    let message = crate::binding::fixed_message(
        &world.config.digest(),
        world.config.run,
        ROUND,
        &crate::binding::key_list_digest(&world.keys),
        &[id(0), id(1)],
    );
    let identity = crate::party::tests::support::identity(2).verifying();
    assert!(
        identity
            .verify(crate::binding::SIGN_FIXED, &message, &fixed[&2].unwrap())
            .is_ok()
    );
}

/// An attribute party whose data change under it sends other ciphertexts than it did.
#[test]
fn answered_ciphertexts_do_not_change() {
    let mut world = aligned();
    let all = world.all();
    world.open_round(ROUND, &all);
    world.settle_unopened();
    // CHK-072: the row party has forgotten the ciphertexts, not that it has answered them.
    world.restart(2);
    world.change_attributes(0);
    // One that does not look at what it has written down itself.
    let is_kept = |bytes: &Vec<u8>| !matches!(Record::from_bytes(0, bytes), Ok(Record::Attributes { .. }));
    world.parties[0].records.retain(is_kept);
    world.restart(0);
    world.settle();
    assert_refused(&world, 2, "CHK-072");
}

/// Nonsense under the right key.
#[test]
fn answers_that_cannot_be_read_are_refused() {
    let mut world = aligned();
    let all = world.all();
    world.open_round(ROUND, &all);
    // Every answer of the row party is of another length.
    while let Some(work) = world.parties[2].works.pop() {
        let nonsense = crate::join::Done::Messages(vec![vec![1, 2, 3]]);
        let done = match work.1.kind() {
            crate::join::work::WorkKind::InnerProducts
                if matches!(work.1, crate::join::Work::Answer { .. }) =>
            {
                Ok(nonsense)
            }
            _ => work.1.run(&world.data[2]),
        };
        let party = &mut world.parties[2];
        party.machine.handle_work(work.0, done, party.now);
        party.drain();
        world.flush(2);
        for index in [0, 1] {
            while world.work_of(index) {}
        }
    }
    // CHK-076
    assert_refused(&world, 0, "CHK-076");
}
