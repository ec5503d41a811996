//! How long a party is awaited that a run cannot do without.

use super::script::*;
use crate::coordinator::PhaseName;
use crate::party::tests::support::{id, literal};

fn horizontal() -> Script {
    let mut script = Script::greeted(literal(4));
    for index in 0..4 {
        script.enrol(index, None);
    }
    script
}

#[test]
fn an_essential_party_is_awaited_for_the_grace_period_and_then_named() {
    // Three of four are needed.
    let mut script = horizontal();
    script.keys_of(&[0, 1]);
    script.wait(5_000);
    script.disconnect(2);
    script.disconnect(3);
    script.wait(TIMEOUTS.grace.0 - 1);
    assert!(script.failure.is_none());
    script.wait(1);
    assert_eq!(script.missing(), [id(2), id(3)]);
}

#[test]
fn each_phase_awaits_it_anew() {
    // Gone for long when the phase begins: it still has the grace period to come back.
    let mut script = horizontal();
    script.keys_of(&[0, 1, 2]);
    script.disconnect(2);
    script.disconnect(3);
    script.wait(TIMEOUTS.grace.0);
    assert_eq!(script.phase(), PhaseName::ShareCollection, "without party 3");
    script.wait(TIMEOUTS.grace.0 - 1);
    assert!(script.failure.is_none());
    script.connect(2);
    script.shares_of(&[0, 1, 2], &[0, 1, 2]);
    assert_eq!(script.phase(), PhaseName::Upload);
    script.lose(2);
    assert_eq!(script.missing(), [id(2), id(3)]);
}

#[test]
fn one_that_others_can_replace_is_not_awaited_anew() {
    let mut script = horizontal();
    script.keys_of(&[0, 1, 2]);
    script.lose(3);
    assert_eq!(script.phase(), PhaseName::ShareCollection);
    script.shares_of(&[0, 1, 2], &[0, 1, 2]);
    assert_eq!(script.phase(), PhaseName::Upload, "at once");
}
