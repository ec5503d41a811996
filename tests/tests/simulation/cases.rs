//! Named cases: the sizes and drop-outs that the system promises to survive, and those that it must not.

use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_protocol::coordinator::{Absence, PhaseName, RunFailure};
use hedgerow_protocol::wire::Kind;
use hedgerow_tests::deployment::Shape;

use crate::oracle;
use crate::world::{World, party};

fn complete(shape: &Shape) {
    let mut world = World::new(shape, 1);
    world.run_to_the_end();
    oracle::complete_and_exact(&world);
    at_the_first_attempt(&world);
}

/// No round was tried twice: the masks came off although parties were missing, and nobody paid twice.
fn at_the_first_attempt(world: &World) {
    let Some(Ok(outcome)) = &world.ended else {
        unreachable!("complete")
    };
    assert!(
        outcome.rounds.iter().all(|round| round.id.attempt == 0),
        "{:#?}",
        world.progress
    );
}

/// These parties die for good when the coordinator is in `phase`; the others complete the run.
fn complete_without(shape: &Shape, lost: &[u32], phase: PhaseName) {
    let mut world = World::new(shape, 2);
    world.run_until(|world| world.phase() == Some(phase));
    for number in lost {
        world.crash_party(&party(*number), 0, None);
    }
    world.run_to_the_end();
    oracle::complete_and_exact(&world);
    at_the_first_attempt(&world);
    let outcome = world
        .ended
        .as_ref()
        .and_then(|ended| ended.as_ref().ok())
        .expect("the run is complete");
    let last = outcome.rounds.last().expect("there are rounds");
    for number in lost {
        assert!(
            !last.survivors.contains(&party(*number)),
            "{number} is counted in the last round"
        );
    }
}

#[test]
fn two_parties() {
    complete(&Shape::masked(2, 2));
}

#[test]
fn four_parties() {
    complete(&Shape::masked(4, 3));
}

#[test]
fn sixteen_parties() {
    complete(&Shape::masked(16, 14));
}

#[test]
fn four_parties_with_shares() {
    complete(&Shape::shares(4, 3));
}

#[test]
fn sixteen_parties_with_shares() {
    complete(&Shape::shares(16, 14));
}

#[test]
fn five_parties_modulo_a_prime() {
    let prime = Modulus::prime((1 << 61) - 1).expect("2^61 - 1 is prime");
    complete_without(
        &Shape {
            modulus: prime,
            ..Shape::masked(5, 4)
        },
        &[2],
        PhaseName::Upload,
    );
}

#[test]
fn four_parties_in_narrow_words() {
    let narrow = Modulus::power_of_two(37).expect("37 bits");
    complete(&Shape {
        modulus: narrow,
        ..Shape::masked(4, 3)
    });
}

#[test]
fn four_parties_with_noise() {
    complete(&Shape {
        epsilon: Some(1.0),
        ..Shape::masked(4, 3)
    });
}

#[test]
fn two_of_sixteen_drop_in_any_phase() {
    let phases = [
        PhaseName::KeyCollection,
        PhaseName::ShareCollection,
        PhaseName::Upload,
        PhaseName::SurvivorVote,
        PhaseName::Unmasking,
    ];
    for phase in phases {
        complete_without(&Shape::masked(16, 14), &[3, 15], phase);
    }
}

#[test]
fn one_of_five_drops_in_any_phase() {
    for phase in [
        PhaseName::KeyCollection,
        PhaseName::ShareCollection,
        PhaseName::Upload,
    ] {
        for lost in 0..5 {
            complete_without(&Shape::masked(5, 4), &[lost], phase);
        }
    }
}

#[test]
fn one_of_five_drops_after_its_upload() {
    // Of five parties with one that may collude four must vote: the attempt of the vote still has them.
    for phase in [PhaseName::SurvivorVote, PhaseName::Unmasking] {
        complete_without(&Shape::masked(5, 4), &[1], phase);
    }
}

#[test]
fn with_shares_a_party_drops_that_is_no_aggregator() {
    for phase in [
        PhaseName::KeyCollection,
        PhaseName::Upload,
        PhaseName::SurvivorVote,
    ] {
        complete_without(&Shape::shares(5, 4), &[4], phase);
    }
}

#[test]
fn with_shares_two_of_sixteen_drop() {
    complete_without(&Shape::shares(16, 14), &[2, 9], PhaseName::Upload);
}

fn failure(shape: &Shape, lost: &[u32], phase: PhaseName) -> RunFailure {
    let mut world = World::new(shape, 3);
    world.run_until(|world| world.phase() == Some(phase));
    for number in lost {
        world.crash_party(&party(*number), 0, None);
    }
    world.run_to_the_end();
    oracle::common(&world);
    match world.ended.take() {
        Some(Err(failure)) => failure,
        other => panic!("the run should have failed: {other:?}"),
    }
}

#[test]
fn below_the_minimum_a_run_fails_and_names_who_is_missing() {
    for shape in [Shape::masked(5, 4), Shape::shares(5, 4)] {
        let failure = failure(&shape, &[2, 4], PhaseName::Upload);
        let RunFailure::TooFew {
            phase: PhaseName::Upload,
            answered: 3,
            needed: 4,
            missing,
            ..
        } = &failure
        else {
            panic!("{failure}");
        };
        let names: Vec<_> = missing.iter().map(|missing| missing.party.clone()).collect();
        assert_eq!(names, [party(2), party(4)]);
        assert!(
            missing
                .iter()
                .all(|missing| matches!(missing.why, Absence::Disconnected { .. }))
        );
        let text = failure.to_string();
        assert!(
            text.contains("upload of round 0.0") && text.contains("p02 (disconnected for"),
            "{text}"
        );
    }
}

#[test]
fn a_run_that_too_few_join_names_those_who_never_came() {
    let mut world = World::new(&Shape::masked(5, 4), 4);
    for number in [0, 1] {
        world.crash_party(&party(number), 0, None);
    }
    world.run_to_the_end();
    let text = match &world.ended {
        Some(Err(failure)) => failure.to_string(),
        other => panic!("the run should have failed: {other:?}"),
    };
    assert_eq!(
        text,
        "the run failed in enrolment: 3 of at least 4 parties answered; missing: p00 (never connected), p01 (never connected)"
    );
}

#[test]
fn without_an_aggregator_a_run_with_shares_fails_and_names_it() {
    for phase in [PhaseName::KeyCollection, PhaseName::Upload, PhaseName::Unmasking] {
        let failure = failure(&Shape::shares(5, 4), &[1], phase);
        let RunFailure::AggregatorMissing { missing, .. } = &failure else {
            panic!("{phase}: {failure}")
        };
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].party, party(1));
    }
}

#[test]
fn one_party_that_comes_back_is_counted_again() {
    let mut world = World::new(&Shape::masked(5, 4), 5);
    world.run_until(|world| world.phase() == Some(PhaseName::Upload));
    // Longer than the grace period: out of the first round, back for the second.
    world.crash_party(&party(3), 0, Some(5_500));
    world.run_to_the_end();
    oracle::complete_and_exact(&world);
    let Some(Ok(outcome)) = &world.ended else {
        unreachable!("complete")
    };
    assert!(!outcome.rounds[0].survivors.contains(&party(3)));
}

#[test]
fn a_vector_that_comes_after_the_survivors_are_fixed_is_not_counted() {
    for phase in [PhaseName::SurvivorVote, PhaseName::Unmasking] {
        let mut world = World::new(&Shape::masked(5, 4), 9);
        world.hold = Some((party(4), Kind::Masked));
        world.run_until(|world| world.phase() == Some(PhaseName::Upload));
        // It has said everything, and is away for longer than the grace period.
        world.run_for(1_000);
        world.cut(&party(4), 6_000);
        world.run_until(|world| world.phase() == Some(phase));
        world.let_go();
        world.run_to_the_end();
        oracle::complete_and_exact(&world);
        at_the_first_attempt(&world);
        let Some(Ok(outcome)) = &world.ended else {
            unreachable!("complete")
        };
        assert!(!outcome.rounds[0].survivors.contains(&party(4)));
    }
}

#[test]
fn a_lost_vote_starts_a_new_attempt_with_fresh_keys() {
    let mut world = World::new(&Shape::masked(5, 4), 6);
    world.run_until(|world| world.phase() == Some(PhaseName::SurvivorVote));
    for number in [0, 1] {
        // Longer than the grace period of the vote, and back within that of the next attempt.
        world.cut(&party(number), 8_000);
    }
    world.run_to_the_end();
    oracle::complete_and_exact(&world);
    let Some(Ok(outcome)) = &world.ended else {
        unreachable!("complete")
    };
    assert_eq!(outcome.rounds[0].id.attempt, 1);
    assert!(world.witness.uploads() >= 10);
}

#[test]
fn a_coordinator_dies_between_any_two_outputs() {
    for shape in [Shape::masked(3, 3), Shape::shares(3, 3)] {
        let mut whole = World::new(&shape, 7);
        whole.run_to_the_end();
        let outputs = whole.progress.len() * 3;
        for after in 0..outputs as u32 {
            let mut world = World::new(&shape, 7);
            world.crash_coordinator(after, 1_000);
            world.run_to_the_end();
            oracle::complete_and_exact(&world);
        }
    }
}

#[test]
fn a_party_dies_between_any_two_outputs() {
    for shape in [
        Shape::masked(3, 3),
        Shape::shares(3, 3),
        Shape {
            epsilon: Some(1.0),
            ..Shape::masked(3, 3)
        },
    ] {
        for after in 0..40 {
            let mut world = World::new(&shape, 8);
            world.crash_party(&party(1), after, Some(1_000));
            world.run_to_the_end();
            oracle::complete_and_exact(&world);
        }
    }
}
