//! The coordinator's journal: every prefix is a run that can go on, anything else is named.

use hedgerow_protocol::coordinator::{CoordinatorMachine, Output, PhaseName, RestoreError};
use hedgerow_protocol::time::Millis;
use hedgerow_tests::deployment::{Deployment, Shape};

use crate::world::{TIMEOUTS, World};

fn restore(shape: &Shape, records: &[Vec<u8>]) -> Result<CoordinatorMachine, RestoreError> {
    let Deployment { config, verifier, .. } = Deployment::new(shape);
    CoordinatorMachine::restore(config, verifier, TIMEOUTS, records, Millis(0))
}

fn whole(shape: &Shape) -> Vec<Vec<u8>> {
    let mut world = World::new(shape, 30);
    world.run_to_the_end();
    world.coordinator_journal().to_vec()
}

#[test]
fn every_prefix_is_a_run_that_can_go_on() {
    for shape in [Shape::masked(3, 3), Shape::shares(3, 3)] {
        let records = whole(&shape);
        let mut phases = Vec::new();
        for length in 0..=records.len() {
            let mut machine = restore(&shape, &records[..length]).expect("a prefix");
            phases.push(machine.phase());
            let finished = std::iter::from_fn(|| machine.poll_output())
                .filter(|output| matches!(output, Output::Finished(_)))
                .count();
            assert_eq!(finished, usize::from(machine.phase() == PhaseName::Done));
        }
        assert!(
            phases.is_sorted_by(|a, b| a <= b || *b == PhaseName::KeyCollection),
            "{phases:?}"
        );
        assert_eq!(phases.last(), Some(&PhaseName::Done));
    }
}

#[test]
fn a_journal_of_another_run_is_refused() {
    let error =
        restore(&Shape::masked(4, 3), &whole(&Shape::masked(3, 3))).expect_err("another configuration");
    assert!(matches!(error, RestoreError::OtherConfig { .. }), "{error}");
}

#[test]
fn a_journal_with_a_hole_is_refused_and_the_place_is_named() {
    let shape = Shape::masked(3, 3);
    let records = whole(&shape);
    // Without the last two, which a run may miss: a confirmation, and the end.
    for hole in 0..records.len() - 5 {
        let mut holed = records.clone();
        holed.remove(hole);
        match restore(&shape, &holed) {
            Err(RestoreError::OutOfOrder { index, .. }) => assert_eq!(index, hole),
            other => panic!("without record {hole}: {other:?}"),
        }
    }
}

#[test]
fn a_damaged_record_is_refused_and_the_place_is_named() {
    let shape = Shape::masked(3, 3);
    let mut records = whole(&shape);
    records[2].truncate(5);
    assert_eq!(
        restore(&shape, &records).err(),
        Some(RestoreError::Unreadable { index: 2, length: 5 })
    );
}
