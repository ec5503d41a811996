//! Rows of some parties and attributes of others: complete and exact, whoever is lost when, or ended by name.

use std::collections::BTreeSet;

use hedgerow_forest::tree::{Split, Tree};
use hedgerow_protocol::config::Alignment;
use hedgerow_protocol::coordinator::{PhaseName, RunFailure};
use hedgerow_tests::deployment::Shape;
use hedgerow_tests::joined;

use crate::oracle;
use crate::world::{World, party};

fn complete(shape: &Shape) -> World {
    let mut world = World::new(shape, 1);
    world.run_to_the_end();
    ended(&world);
    world
}

/// Complete and exact, and everybody who is there was told that it is over.
fn ended(world: &World) {
    oracle::complete_and_exact(world);
    for node in world
        .parties
        .values()
        .filter(|node| !world.gone.contains(&node.id))
    {
        assert!(node.has_ended(), "{}: {}", node.id, node.story());
    }
}

#[test]
fn one_party_with_rows_and_two_with_attributes() {
    complete(&Shape::mixed(1, 2, 3));
}

#[test]
fn one_party_with_rows_and_four_or_nine_with_attributes() {
    complete(&Shape::mixed(1, 4, 4));
    complete(&Shape::mixed(1, 9, 8));
}

#[test]
fn two_parties_with_rows_and_three_with_attributes() {
    complete(&Shape::mixed(2, 3, 4));
}

#[test]
fn columns_of_one_entity_at_three_parties() {
    complete(&Shape::vertical());
    let world = without(
        &Shape {
            min_parties: 2,
            collusion: 0,
            ..Shape::vertical()
        },
        &[2],
        PhaseName::Upload,
    );
    oracle::complete_and_exact(&world);
}

#[test]
fn columns_of_two_parties_in_one_tree() {
    let world = complete(&Shape::chained());
    // Else it shows no more than the test above.
    let Some(Ok(outcome)) = &world.ended else {
        unreachable!("complete")
    };
    let schema = &world.deployment.config.schema;
    let links = |tree: &Tree| {
        let of = |split: &Split| schema.features[usize::from(split.feature)].link.clone();
        tree.splits().iter().filter_map(of).collect::<BTreeSet<_>>().len()
    };
    let trees = &outcome.forest.trees;
    assert!(trees.iter().any(|tree| links(tree) == 2), "{trees:?}");
}

#[test]
fn a_party_of_a_tree_over_two_starts_again_in_any_phase() {
    for phase in PHASES {
        for number in 0..3 {
            let mut world = World::new(&Shape::chained(), 3);
            world.run_until(|world| world.phase() == Some(phase));
            assert_eq!(world.phase(), Some(phase));
            world.crash_party(&party(number), 0, Some(1_000));
            world.run_to_the_end();
            ended(&world);
        }
    }
}

#[test]
fn with_noise() {
    complete(&Shape {
        epsilon: Some(1.0),
        ..Shape::mixed(1, 3, 3)
    });
}

#[test]
fn aligned_in_the_open() {
    complete(&Shape {
        alignment: Alignment::Plain,
        ..Shape::mixed(2, 2, 4)
    });
}

#[test]
fn aligned_with_dummies() {
    complete(&Shape {
        alignment: Alignment::Private { minimum: 1, pad: 16 },
        ..Shape::mixed(1, 2, 3)
    });
}

/// These parties die for good when the coordinator is in `phase`.
fn without(shape: &Shape, lost: &[u32], phase: PhaseName) -> World {
    let mut world = World::new(shape, 2);
    world.run_until(|world| world.phase() == Some(phase));
    assert_eq!(world.phase(), Some(phase));
    for number in lost {
        world.crash_party(&party(*number), 0, None);
    }
    world.run_to_the_end();
    world
}

const PHASES: [PhaseName; 7] = [
    PhaseName::Aligning,
    PhaseName::KeyCollection,
    PhaseName::ShareCollection,
    PhaseName::Upload,
    PhaseName::RowUpload,
    PhaseName::SurvivorVote,
    PhaseName::Unmasking,
];

#[test]
fn one_of_four_attribute_parties_is_lost_in_any_phase() {
    for phase in PHASES {
        let world = without(&Shape::mixed(1, 4, 4), &[3], phase);
        ended(&world);
        let Some(Ok(outcome)) = &world.ended else {
            unreachable!("complete")
        };
        let counted = outcome.rounds[0].survivors.contains(&party(3));
        // Once its vector is in the sum it is counted, whatever becomes of it.
        assert_eq!(counted, phase >= PhaseName::RowUpload, "{phase}");
        assert_eq!(outcome.rounds[0].id.attempt, 0, "{phase}: {:#?}", world.progress);
    }
}

#[test]
fn one_of_nine_attribute_parties_is_lost() {
    for phase in [PhaseName::Aligning, PhaseName::Upload] {
        ended(&without(&Shape::mixed(1, 9, 8), &[7], phase));
    }
}

#[test]
fn one_of_two_attribute_parties_cannot_be_lost_and_is_named() {
    for phase in &PHASES[..4] {
        let world = without(&Shape::mixed(1, 2, 3), &[2], *phase);
        oracle::safe(&world);
        let Some(Err(failure)) = &world.ended else {
            panic!("{phase}: the run should have failed")
        };
        let names: Vec<_> = failure.missing().iter().map(|missing| &missing.party).collect();
        assert_eq!(names, [&party(2)], "{phase}: {failure}");
    }
}

#[test]
fn the_only_party_with_rows_cannot_be_lost_and_is_named() {
    for phase in &PHASES[..5] {
        let world = without(&Shape::mixed(1, 5, 4), &[0], *phase);
        oracle::safe(&world);
        let Some(Err(failure @ RunFailure::NoRows { missing, .. })) = &world.ended else {
            panic!("{phase}: {:?}", world.ended)
        };
        assert_eq!(missing.len(), 1, "{failure}");
        assert_eq!(missing[0].party, party(0));
    }
}

#[test]
fn one_of_two_parties_with_rows_is_lost_and_the_other_goes_on() {
    for phase in PHASES {
        let world = without(&Shape::mixed(2, 4, 4), &[1], phase);
        ended(&world);
        let Some(Ok(outcome)) = &world.ended else {
            unreachable!("complete")
        };
        let round = &outcome.rounds[0];
        let uploading = matches!(phase, PhaseName::Upload | PhaseName::RowUpload);
        assert_eq!(round.id.attempt, u32::from(uploading), "{phase}");
        assert_eq!(
            round.survivors.contains(&party(1)),
            phase > PhaseName::RowUpload,
            "{phase}"
        );
    }
}

#[test]
fn an_attribute_party_that_comes_back_in_time_is_counted() {
    for phase in &PHASES[..5] {
        let mut world = World::new(&Shape::mixed(1, 3, 3), 5);
        world.run_until(|world| world.phase() == Some(*phase));
        world.crash_party(&party(2), 0, Some(3_000));
        world.run_to_the_end();
        ended(&world);
        let Some(Ok(outcome)) = &world.ended else {
            unreachable!("complete")
        };
        assert!(outcome.rounds[0].survivors.contains(&party(2)), "{phase}");
    }
}

#[test]
fn a_coordinator_dies_between_any_two_outputs() {
    let shape = Shape::mixed(1, 2, 3);
    let mut whole = World::new(&shape, 7);
    whole.run_to_the_end();
    for after in (0..whole.coordinator_outputs()).step_by(3) {
        let mut world = World::new(&shape, 7);
        world.crash_coordinator(after, 1_000);
        world.run_to_the_end();
        ended(&world);
    }
}

#[test]
fn a_party_dies_between_any_two_outputs() {
    for number in [0, 1] {
        for after in 0..60 {
            let mut world = World::new(&Shape::mixed(1, 2, 3), 8);
            world.crash_party(&party(number), after, Some(1_000));
            world.run_to_the_end();
            ended(&world);
        }
    }
}

/// What goes to an attribute party is as long, and as much, whatever the rows are.
#[test]
fn answers_do_not_show_the_rows_by_their_sizes() {
    let traffic = |copies: u32| {
        let mut world = World::new(&Shape::mixed(1, 2, 3), 11);
        world.change_rows(|row| row.copies = copies);
        world.run_to_the_end();
        assert!(matches!(&world.ended, Some(Ok(_))), "{:?}", world.ended);
        world.witness.chunk_sizes(&party(0))
    };
    let sizes = traffic(1);
    assert!(sizes.len() > 10, "{sizes:?}");
    assert_eq!(sizes, traffic(100_000));
    // Not even rows of no weight at all are left out.
    assert_eq!(sizes, traffic(0));
}

fn scored(world: &World, number: u32) {
    let node = &world.parties[&party(number)];
    let forest = &node.outcome.as_ref().expect("a model").forest;
    let expected = joined::scores(&world.deployment, forest, &party(number));
    assert_eq!(node.scores.as_ref(), Some(&expected), "{}", node.story());
    assert!(
        expected.windows(2).any(|pair| pair[0] != pair[1]),
        "scores that differ: {expected:?}"
    );
}

#[test]
fn private_scores_are_those_of_the_joined_rows() {
    for shape in [Shape::mixed(1, 2, 3), Shape::mixed(2, 3, 4), Shape::vertical()] {
        let world = complete(&Shape {
            scores: true,
            ..shape
        });
        scored(&world, 0);
    }
}

#[test]
fn scores_survive_the_death_of_anybody() {
    let shape = Shape {
        scores: true,
        ..Shape::mixed(1, 2, 3)
    };
    for seed in 0..4 {
        for after in [0, 2, 5, 9] {
            for who in [None, Some(party(0)), Some(party(1))] {
                let mut world = World::new(&shape, seed);
                world.run_until(|world| world.phase() == Some(PhaseName::Publishing));
                match &who {
                    None => world.crash_coordinator(after, 1_000),
                    Some(party) => world.crash_party(party, after, Some(1_000)),
                }
                world.run_to_the_end();
                ended(&world);
                scored(&world, 0);
            }
        }
    }
}

#[test]
fn scores_are_served_until_the_operator_ends_it() {
    let shape = Shape {
        scores: true,
        serving: true,
        ..Shape::mixed(1, 2, 3)
    };
    let mut world = World::new(&shape, 3);
    world.run_until(|world| world.ended.is_some());
    scored(&world, 0);
    // Long after, and after the coordinator was started again.
    world.run_for(400_000);
    world.crash_coordinator(0, 1_000);
    world.run_for(10_000);
    assert!(!world.parties[&party(1)].has_ended());
    world.score(&party(0));
    world.run_for(10_000);
    scored(&world, 0);
    // And after the row party ended and came back, as `hedgerow query` does; one bank is started again meanwhile.
    world.crash_party(&party(0), 0, Some(1_000));
    world.crash_party(&party(1), 0, Some(2_000));
    world.run_for(10_000);
    world.score(&party(0));
    world.run_for(20_000);
    scored(&world, 0);
    world.close();
    world.run_to_the_end();
    ended(&world);
}
