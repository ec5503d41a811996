//! The party's machine against a coordinator by hand.

mod enrolment;
pub(crate) mod joined;
mod keys;
mod restoring;
mod results;
mod rounds;
mod sums;
pub(crate) mod support;
mod twisted;
mod world;

use crate::check::CheckId;
use crate::refusal::Refusal;

/// The check that a refusal names.
fn check_of(refusal: &Option<Refusal>) -> Option<CheckId> {
    match refusal {
        Some(Refusal::Check { check, .. } | Refusal::Config { check, .. }) => Some(*check),
        _ => None,
    }
}

/// The party has refused by this check, said so to the coordinator, and falls silent.
#[track_caller]
fn assert_refused(party: &mut support::Party, id: &str) {
    let check = check_of(&party.refused).map(|check| check.to_string());
    assert_eq!(check.as_deref(), Some(id), "{:?}", party.refused);
    assert!(matches!(
        party.sent.last(),
        Some(crate::wire::ToCoordinator::Refuse { .. })
    ));
    assert!(party.machine.is_over());
    assert!(party.secret.is_none(), "a party that refuses keeps no secret");
}
