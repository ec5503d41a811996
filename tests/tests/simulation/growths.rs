//! Growths that ask several tables, each after the one before: complete and exact in all partitions, whoever is lost
//! between two of them and whoever starts again there.

use hedgerow_dp::{Cost, Noise};
use hedgerow_forest::params::Growth;
use hedgerow_protocol::coordinator::{CoordinatorOutcome, CoordinatorProgress};
use hedgerow_tests::deployment::Shape;

use crate::oracle;
use crate::world::{World, party};

/// Those that look at data before the leaves.
const GROWTHS: [Growth; 3] = [Growth::Quantile, Growth::Greedy, Growth::Boosted];
/// Those of them that can be joined.
const JOINED: [Growth; 2] = [Growth::Quantile, Growth::Greedy];

fn complete(shape: Shape, growth: Growth) -> CoordinatorOutcome {
    let mut world = World::new(&shape.grown(growth), 1);
    world.run_to_the_end();
    exact(&world)
}

/// Every table and the model are those of the rows of its survivors, and more than one table was asked.
fn exact(world: &World) -> CoordinatorOutcome {
    oracle::complete_and_exact(world);
    let Some(Ok(outcome)) = &world.ended else {
        unreachable!("complete")
    };
    assert!(outcome.rounds.len() > 1, "{:?}", outcome.rounds);
    (**outcome).clone()
}

/// Those that a growth can have.
fn shapes(growth: Growth, all: impl IntoIterator<Item = Shape>) -> Vec<Shape> {
    let can = |shape: &Shape| shape.attributes == 0 || JOINED.contains(&growth);
    all.into_iter().filter(can).collect()
}

/// Goes on until this step is open.
fn until_step(world: &mut World, step: u32) {
    world.run_until(|world| opened(world) >= Some(step));
    assert_eq!(opened(world), Some(step), "{:#?}", world.progress);
}

fn opened(world: &World) -> Option<u32> {
    let steps = world.progress.iter().filter_map(|progress| match progress {
        CoordinatorProgress::Phase {
            round: Some(round), ..
        } => Some(round.step),
        _ => None,
    });
    steps.max()
}

#[test]
fn two_four_and_nine_parties_with_rows() {
    for growth in GROWTHS {
        complete(Shape::masked(2, 2), growth);
        complete(Shape::masked(4, 3), growth);
        complete(Shape::masked(9, 8), growth);
        complete(Shape::shares(4, 3), growth);
    }
}

#[test]
fn two_four_and_nine_parties_with_attributes() {
    for growth in JOINED {
        complete(Shape::mixed(1, 2, 3), growth);
        complete(Shape::mixed(1, 4, 4), growth);
        complete(Shape::mixed(1, 9, 8), growth);
    }
}

#[test]
fn columns_of_one_entity_at_three_parties() {
    for growth in JOINED {
        complete(Shape::vertical(), growth);
    }
}

#[test]
fn with_noise_every_party_pays_for_every_table_once() {
    for growth in GROWTHS {
        for shape in shapes(growth, [Shape::masked(4, 3), Shape::mixed(1, 3, 3)]) {
            let noisy = Shape {
                epsilon: Some(1.0),
                ..shape
            };
            let mut world = World::new(&noisy.grown(growth), 3);
            world.run_to_the_end();
            let outcome = exact(&world);
            for node in world.parties.values() {
                assert_eq!(node.ledger.len(), outcome.rounds.len(), "{}", node.story());
            }
        }
    }
}

#[test]
fn every_mechanism_is_paid_for_at_its_own_price() {
    for mechanism in [Noise::Skellam, Noise::DiscreteLaplace] {
        for (growth, shape) in [
            (Growth::Random, Shape::masked(4, 3)),
            (Growth::Boosted, Shape::masked(4, 3)),
            (Growth::Greedy, Shape::mixed(1, 3, 3)),
        ] {
            let noisy = Shape {
                epsilon: Some(1.0),
                mechanism,
                ..shape
            };
            let mut world = World::new(&noisy.grown(growth), 7);
            world.run_to_the_end();
            oracle::complete_and_exact(&world);
            for node in world.parties.values() {
                assert!(!node.ledger.is_empty());
                for entry in &node.ledger {
                    let is_own = matches!(
                        (mechanism, entry.cost()),
                        (Noise::Skellam, Cost::Skellam { .. })
                            | (Noise::DiscreteLaplace, Cost::Laplace { .. })
                    );
                    assert!(is_own, "{entry:?}");
                }
            }
        }
    }
}

#[test]
fn a_party_is_lost_between_two_tables() {
    for growth in GROWTHS {
        for shape in shapes(growth, [Shape::masked(9, 8), Shape::mixed(1, 4, 4)]) {
            let lost = 3;
            let mut world = World::new(&shape.grown(growth), 4);
            until_step(&mut world, 1);
            world.crash_party(&party(lost), 0, None);
            world.run_to_the_end();
            let outcome = exact(&world);
            let counted = |step: usize| outcome.rounds[step].survivors.contains(&party(lost));
            assert!(counted(0) && !counted(outcome.rounds.len() - 1), "{growth:?}");
        }
    }
}

#[test]
fn everybody_starts_again_between_two_tables() {
    for growth in GROWTHS {
        for shape in shapes(
            growth,
            [Shape::masked(4, 3), Shape::mixed(1, 2, 3), Shape::vertical()],
        ) {
            let undisturbed = complete(shape.clone(), growth);
            for step in 1..undisturbed.rounds.len() as u32 {
                let mut world = World::new(&shape.clone().grown(growth), 5);
                until_step(&mut world, step);
                for number in 0..shape.parties {
                    world.crash_party(&party(number), 1, Some(300));
                }
                world.crash_coordinator(1, 700);
                world.run_to_the_end();
                let outcome = exact(&world);
                assert_eq!(
                    outcome.forest.to_json().ok(),
                    undisturbed.forest.to_json().ok(),
                    "{growth:?}, step {step}"
                );
            }
        }
    }
}
