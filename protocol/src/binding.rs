//! What is hashed and what is signed, in one place for both sides.

use hedgerow_crypto::hash::{Digest, hash};
use hedgerow_crypto::identity::{SignatureError, VerifyingIdentity};
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::pairwise::MaskPublic;
use hedgerow_crypto::mask::transcript::RoundTranscript;
use hedgerow_crypto::seal::SealingPublic;

use crate::config::RunConfig;
use crate::ids::{PartyId, RoundId, RunId};
use crate::wire::{self, Enrolment, SignedRoundKeys};

/// Domain of the signature under an enrolment.
pub const SIGN_ENROLMENT: &str = "hedgerow/protocol/sign/enrolment/1";
/// Domain of the signature under the keys of a round.
pub const SIGN_ROUND_KEYS: &str = "hedgerow/protocol/sign/round-keys/1";
/// Domain of the signature under the survivors of a round.
pub const SIGN_SURVIVORS: &str = "hedgerow/protocol/sign/survivors/1";
/// Domain of a row party's signature under the attribute parties of a round.
pub const SIGN_FIXED: &str = "hedgerow/protocol/sign/fixed/1";

const CONFIG: &str = "hedgerow/protocol/config/1";
const PARTICIPANTS: &str = "hedgerow/protocol/participants/1";
const KEYS: &str = "hedgerow/protocol/keys/1";
const ANSWERS: &str = "hedgerow/protocol/answers/1";
const RELAY: &str = "hedgerow/protocol/relay/1";
const MASKED_SET: &str = "hedgerow/protocol/masked-set/1";

/// H(config).
#[must_use]
pub fn config_digest(bytes: &[u8]) -> Digest {
    hash(CONFIG, &[bytes])
}

/// What a party signs when it enrols.
#[must_use]
pub fn enrolment_message(config: &Digest, party: &PartyId, channel: Option<&SealingPublic>) -> Vec<u8> {
    wire::to_bytes(&(config, party, channel))
}

/// H(participants): run, names, certificates, signatures, in order.
#[must_use]
pub fn participants_digest(run: RunId, enrolments: &[Enrolment]) -> Digest {
    hash(PARTICIPANTS, &[&run.0, &wire::to_bytes(&enrolments)])
}

/// What a party signs under its two keys of a round.
#[must_use]
pub fn keys_message(
    run: RunId,
    round: RoundId,
    participants: &Digest,
    party: &PartyId,
    seal: &SealingPublic,
    mask: &MaskPublic,
) -> Vec<u8> {
    wire::to_bytes(&(run, round, participants, party, seal, mask))
}

/// H(keys of the round), U1 in order.
#[must_use]
pub fn key_list_digest(keys: &[SignedRoundKeys]) -> Digest {
    hash(KEYS, &[&wire::to_bytes(&keys)])
}

/// What a survivor signs: these survivors of this round with these keys (U1). Whoever is shown other keys signs
/// something else.
#[must_use]
pub fn survivors_message(
    config: &Digest,
    run: RunId,
    round: RoundId,
    keys: &Digest,
    survivors: &[PartyId],
) -> Vec<u8> {
    wire::to_bytes(&(config, run, round, keys, survivors))
}

/// What a row party signs with its upload: the attribute parties whose answers its vector completes.
#[must_use]
pub fn fixed_message(
    config: &Digest,
    run: RunId,
    round: RoundId,
    keys: &Digest,
    attributes: &[PartyId],
) -> Vec<u8> {
    wire::to_bytes(&(config, run, round, keys, attributes))
}

/// What the key of two parties for relayed chunks is bound to, the same on both sides.
#[must_use]
pub fn relay_context(run: RunId, config: &Digest, a: &PartyId, b: &PartyId) -> Vec<u8> {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    wire::to_bytes(&(RELAY, run, config, low, high))
}

/// Whether a party's two keys of a round carry its signature for this run, round and list of participants.
///
/// # Errors
/// [`SignatureError`].
pub fn verify_round_keys(
    identity: &VerifyingIdentity,
    config: &RunConfig,
    participants: &Digest,
    round: RoundId,
    keys: &SignedRoundKeys,
) -> Result<(), SignatureError> {
    let message = keys_message(
        config.run,
        round,
        participants,
        &keys.party,
        &keys.seal,
        &keys.mask,
    );
    identity.verify(SIGN_ROUND_KEYS, &message, &keys.signature)
}

/// H(answers) before the first answer.
#[must_use]
pub fn no_answers(config: &Digest) -> Digest {
    hash(ANSWERS, &[config.as_bytes()])
}

/// H(answers) with one more: step, survivors, totals.
#[must_use]
pub fn answers_with(answers: &Digest, step: u32, survivors: &[PartyId], totals: &[i64]) -> Digest {
    let mut cells = Vec::with_capacity(totals.len().saturating_mul(8));
    for total in totals {
        cells.extend_from_slice(&total.to_le_bytes());
    }
    hash(
        ANSWERS,
        &[
            answers.as_bytes(),
            &step.to_be_bytes(),
            &wire::to_bytes(&survivors),
            &cells,
        ],
    )
}

/// Everything that a pairwise mask of a round is bound to. Whoever is shown another configuration, other
/// answers, other keys or another set of masks makes masks that fit nobody's.
#[must_use]
pub fn round_transcript(view: &RoundView<'_>) -> Digest {
    let participants = hash(
        MASKED_SET,
        &[
            view.participants.as_bytes(),
            view.keys.as_bytes(),
            &wire::to_bytes(&view.members),
        ],
    );
    RoundTranscript {
        run: view.run.0,
        step: view.round.step,
        attempt: view.round.attempt,
        config: *view.config,
        model: *view.answers,
        participants,
        modulus: view.modulus,
        length: view.cells as u64,
    }
    .digest()
}

/// What sealed shares and seeds of a round are bound to, besides the two keys.
#[must_use]
pub fn sealing_context(
    config: &Digest,
    round: RoundId,
    participants: &Digest,
    answers: &Digest,
    keys: &Digest,
) -> Vec<u8> {
    wire::to_bytes(&(config, round, participants, answers, keys))
}

/// One side's view of a round at the moment of masking.
#[derive(Clone, Copy, Debug)]
pub struct RoundView<'a> {
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub round: RoundId,
    /// H(config).
    pub config: &'a Digest,
    /// H(answers released so far).
    pub answers: &'a Digest,
    /// H(participants).
    pub participants: &'a Digest,
    /// H(keys of the round), U1.
    pub keys: &'a Digest,
    /// Whose masks are in the vectors (U2), sorted; in shares mode U1.
    pub members: &'a [PartyId],
    /// Modulus of the sum.
    pub modulus: Modulus,
    /// Cells of the query.
    pub cells: usize,
}
