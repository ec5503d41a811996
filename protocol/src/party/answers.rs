//! Requests of a round that have been accepted, with the answers that go out whenever they come again.

use hedgerow_crypto::hash::{Digest, hash};

use crate::wire::{self, Kind, Message, ToCoordinator, ToParty};

/// H(request).
pub(super) fn digest(request: &ToParty) -> Digest {
    hash("hedgerow/protocol/request/1", &[&wire::to_bytes(request)])
}

/// One accepted request.
struct Accepted {
    kind: Kind,
    request: Digest,
    /// None yet while the answer waits for counts.
    response: Option<ToCoordinator>,
}

/// Everything that one party has accepted and said in one round.
#[derive(Default)]
pub(super) struct Answers(Vec<Accepted>);

/// What is known of a request.
pub(super) enum Known<'a> {
    /// Nothing of its kind has been accepted.
    New,
    /// The very same, with its answer if there is one.
    Same(Option<&'a ToCoordinator>),
    /// Another of its kind.
    Different(Option<&'a ToCoordinator>),
}

impl Answers {
    pub(super) fn look_up(&self, request: &ToParty) -> Known<'_> {
        let kind = request.kind();
        match self.0.iter().find(|accepted| accepted.kind == kind) {
            None => Known::New,
            Some(accepted) if accepted.request == digest(request) => Known::Same(accepted.response.as_ref()),
            Some(accepted) => Known::Different(accepted.response.as_ref()),
        }
    }

    /// Accepts a request, or completes an accepted one with its answer.
    pub(super) fn insert(&mut self, request: &ToParty, response: Option<ToCoordinator>) {
        let kind = request.kind();
        match self.0.iter_mut().find(|accepted| accepted.kind == kind) {
            Some(accepted) => accepted.response = response,
            None => self.0.push(Accepted {
                kind,
                request: digest(request),
                response,
            }),
        }
    }

    /// The answer of some kind, if it was given.
    pub(super) fn given(&self, kind: Kind) -> Option<&ToCoordinator> {
        self.0
            .iter()
            .filter_map(|accepted| accepted.response.as_ref())
            .find(|response| response.kind() == kind)
    }
}
