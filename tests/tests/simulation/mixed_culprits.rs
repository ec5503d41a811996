//! Joined runs with a party that sends what no correct party sends: the run ends, or goes on, and names it.

use hedgerow_protocol::coordinator::{Absence, CoordinatorProgress, RunFailure};
use hedgerow_protocol::ids::PartyId;
use hedgerow_protocol::wire::{Channel, MAX_CHUNK_LEN, ToCoordinator};
use hedgerow_tests::deployment::Shape;

use crate::oracle;
use crate::world::{Tamper, World, party};

fn run(shape: &Shape, culprit: u32, tamper: Tamper) -> World {
    let mut world = World::new(shape, 20);
    world.dishonest = Some((party(culprit), tamper));
    world.gone.insert(party(culprit));
    world.run_to_the_end();
    world
}

/// Everybody who was left out, and why.
fn dropped(world: &World) -> Vec<(PartyId, String)> {
    let of = |progress: &CoordinatorProgress| match progress {
        CoordinatorProgress::Dropped { missing, .. } => {
            let why = match &missing.why {
                Absence::Malformed(what) | Absence::Refused(what) => what.clone(),
                other => other.to_string(),
            };
            Some((missing.party.clone(), why))
        }
        _ => None,
    };
    world.progress.iter().filter_map(of).collect()
}

/// The coordinator finds it out, and the others complete the run.
fn left_out(tamper: Tamper, what: &str) {
    let world = run(&Shape::mixed(1, 4, 4), 4, tamper);
    oracle::complete_and_exact(&world);
    let dropped = dropped(&world);
    assert!(
        matches!(&dropped[..], [(who, why)] if *who == party(4) && why.contains(what)),
        "{what}: {dropped:?}"
    );
}

/// A counterpart finds it out; it cannot go on, and says because of whom.
fn found_out_by_a_counterpart(culprit: u32, tamper: Tamper, what: &str) {
    let world = run(&Shape::mixed(1, 4, 4), culprit, tamper);
    oracle::safe(&world);
    let named = format!("culprit {}", party(culprit));
    let dropped = dropped(&world);
    assert!(
        dropped
            .iter()
            .any(|(_, why)| why.contains(what) && why.contains(&named)),
        "{what}: {dropped:?}"
    );
}

#[test]
fn chunks_for_one_who_is_no_counterpart() {
    left_out(
        |message| {
            if let ToCoordinator::Relay { to, .. } = message {
                *to = party(3);
            }
        },
        "no counterpart",
    );
}

#[test]
fn a_chunk_that_is_too_long() {
    // Frames have a limit of their own; this is within it.
    left_out(
        |message| {
            if let ToCoordinator::Relay { sealed, .. } = message {
                sealed.resize(MAX_CHUNK_LEN + 17, 0);
            }
        },
        "a relayed chunk",
    );
}

#[test]
fn a_report_about_one_who_is_no_counterpart() {
    left_out(
        |message| {
            if let ToCoordinator::Aligned { with } = message {
                with.iter_mut().for_each(|(other, _)| *other = party(3));
            }
        },
        "no counterpart",
    );
}

#[test]
fn a_chunk_with_a_flipped_bit() {
    for culprit in [0, 2] {
        found_out_by_a_counterpart(
            culprit,
            |message| {
                if let ToCoordinator::Relay { sealed, seq: 1, .. } = message
                    && let Some(byte) = sealed.last_mut()
                {
                    *byte ^= 1;
                }
            },
            "CHK-070",
        );
    }
}

#[test]
fn chunks_in_another_place() {
    found_out_by_a_counterpart(
        2,
        |message| {
            if let ToCoordinator::Relay { seq, .. } = message {
                *seq ^= 1;
            }
        },
        "CHK-070",
    );
}

#[test]
fn answers_with_a_flipped_bit() {
    found_out_by_a_counterpart(
        0,
        |message| {
            if let ToCoordinator::Relay {
                sealed,
                channel: Channel::Answers(_),
                ..
            } = message
            {
                sealed[0] ^= 1;
            }
        },
        "CHK-070",
    );
}

#[test]
fn a_row_party_that_completes_others_than_were_fixed() {
    let world = run(&Shape::mixed(2, 4, 4), 1, |message| {
        if let ToCoordinator::Masked { fixed, .. } = message {
            *fixed = None;
        }
    });
    oracle::complete_and_exact(&world);
    let Some(Ok(outcome)) = &world.ended else {
        unreachable!("complete")
    };
    assert_eq!(outcome.rounds[0].id.attempt, 1, "its masks are in all vectors");
    assert!(!outcome.rounds[0].survivors.contains(&party(1)));
    let dropped = dropped(&world);
    assert!(
        matches!(&dropped[..], [(who, why)] if *who == party(1) && why.contains("fixed")),
        "{dropped:?}"
    );
}

#[test]
fn a_union_of_another_size() {
    let world = run(&Shape::mixed(1, 3, 3), 2, |message| {
        if let ToCoordinator::Aligned { with } = message {
            with.iter_mut().for_each(|(_, union)| *union += 1);
        }
    });
    let Some(Err(RunFailure::AlignmentDiffers { row, attribute, .. })) = &world.ended else {
        panic!("{:?}", world.ended)
    };
    assert_eq!((row, attribute), (&party(0), &party(2)));
}

#[test]
fn a_key_for_chunks_that_nobody_signed() {
    let world = run(&Shape::mixed(1, 3, 3), 2, |message| {
        if let ToCoordinator::Enrol { channel, .. } = message {
            *channel = None;
        }
    });
    oracle::complete_and_exact(&world);
    let dropped = dropped(&world);
    assert!(
        matches!(&dropped[..], [(who, why), ..] if *who == party(2) && why.contains("CHK-077")),
        "{dropped:?}"
    );
}
