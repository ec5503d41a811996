//! The steps of one attempt, from the keys to what is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::phase::{Circle, Keyed, Masking, Phase, ShareCollection, SurvivorVote, Unmasking, Upload};
use super::record::Record;
use super::uploads::Uploads;
use crate::config::Role;
use crate::ids::PartyId;
use crate::roster::strictly_sorted;

/// The phase after this record. `Err` if the record is not the next one.
pub(super) fn within_round(
    before: Phase,
    record: Record,
    circle: &Circle,
    uploads: impl FnOnce() -> Uploads,
) -> Result<Phase, ()> {
    match (before, record) {
        (Phase::KeyCollection(phase), Record::Keys { round, keys }) if phase.round == round => {
            let keys: BTreeMap<_, _> = keys.into_iter().map(|keys| (keys.party.clone(), keys)).collect();
            let known = keys.keys().all(|party| circle.participants.contains_key(party));
            let keyed = Keyed {
                round,
                keys: Arc::new(keys),
            };
            match (known, &circle.aggregators) {
                (false, _) => Err(()),
                (true, None) => Ok(Phase::ShareCollection(ShareCollection {
                    keyed,
                    shares: BTreeMap::new(),
                })),
                (true, Some(_)) => {
                    let inboxes = keyed
                        .keys
                        .keys()
                        .map(|party| (party.clone(), Vec::new()))
                        .collect();
                    Ok(Phase::Upload(Upload {
                        masking: Masking {
                            keyed,
                            inboxes,
                            fixed: None,
                        },
                        uploads: uploads(),
                    }))
                }
            }
        }
        (Phase::ShareCollection(phase), Record::Inboxes { round, inboxes }) if phase.keyed.round == round => {
            let inboxes: BTreeMap<_, _> = inboxes.into_iter().collect();
            let masking = Masking {
                keyed: phase.keyed,
                inboxes,
                fixed: None,
            };
            let known = masking
                .members()
                .all(|party| masking.keyed.keys.contains_key(party));
            if known {
                Ok(Phase::Upload(Upload {
                    masking,
                    uploads: uploads(),
                }))
            } else {
                Err(())
            }
        }
        (Phase::Upload(mut phase), Record::Fixed { round, attributes })
            if phase.masking.round() == round && circle.is_joined_run() =>
        {
            let known = strictly_sorted(&attributes)
                && attributes
                    .iter()
                    .all(|party| phase.masking.is_member(party) && circle.role(party) == Role::Attributes);
            phase.masking.fixed = Some(attributes);
            if known {
                Ok(Phase::RowUpload(phase))
            } else {
                Err(())
            }
        }
        (Phase::RowUpload(phase), Record::Survivors { round, survivors })
            if phase.masking.round() == round && phase.masking.summed(circle) == survivors =>
        {
            Ok(voting(phase, survivors))
        }
        (Phase::Upload(phase), Record::Survivors { round, survivors })
            if phase.masking.round() == round && !circle.is_joined_run() =>
        {
            let distinct: BTreeSet<&PartyId> = survivors.iter().collect();
            if !distinct.iter().copied().eq(&survivors)
                || !survivors.iter().all(|party| phase.masking.is_member(party))
            {
                return Err(());
            }
            Ok(voting(phase, survivors))
        }
        (Phase::SurvivorVote(phase), Record::Proof { round, signatures })
            if phase.masking.round() == round =>
        {
            let SurvivorVote {
                masking,
                uploads,
                survivors,
                ..
            } = phase;
            let (opened, sums) = (BTreeMap::new(), BTreeMap::new());
            Ok(Phase::Unmasking(Unmasking {
                masking,
                uploads,
                survivors,
                proof: signatures,
                opened,
                sums,
            }))
        }
        _ => Err(()),
    }
}

fn voting(upload: Upload, survivors: Vec<PartyId>) -> Phase {
    let Upload { masking, uploads } = upload;
    Phase::SurvivorVote(SurvivorVote {
        masking,
        uploads,
        survivors,
        signatures: BTreeMap::new(),
    })
}
