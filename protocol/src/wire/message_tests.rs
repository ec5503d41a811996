//! Every message survives its frame; no frame makes the decoder panic.

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::Signature;
use hedgerow_crypto::mask::pairwise::MaskPublic;
use hedgerow_crypto::seal::SealingPublic;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::check::CheckId;
use crate::wire::{Header, Limits};

fn party() -> impl Strategy<Value = PartyId> {
    "[A-Za-z0-9._-]{1,64}".prop_map(|id| PartyId::new(id).unwrap())
}

fn round() -> impl Strategy<Value = RoundId> {
    (any::<u32>(), any::<u32>()).prop_map(|(step, attempt)| RoundId { step, attempt })
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(r, s)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Signature::from_bytes(bytes)
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..50)
}

fn sealed() -> impl Strategy<Value = Vec<(PartyId, Vec<u8>)>> {
    vec((party(), bytes()), 0..4)
}

fn sealing() -> impl Strategy<Value = Option<SealingPublic>> {
    prop::option::of(any::<[u8; 32]>().prop_map(SealingPublic::from_bytes))
}

fn channel() -> impl Strategy<Value = Channel> {
    prop_oneof![
        Just(Channel::Align),
        Just(Channel::Profiles),
        round().prop_map(Channel::Predicates),
        round().prop_map(Channel::Answers),
        Just(Channel::ScoreProfiles),
        any::<u64>().prop_map(Channel::Score),
    ]
}

fn keys() -> impl Strategy<Value = SignedRoundKeys> {
    (party(), any::<[u8; 32]>(), any::<[u8; 32]>(), signature()).prop_map(|(party, seal, mask, signature)| {
        SignedRoundKeys {
            party,
            seal: SealingPublic::from_bytes(seal),
            mask: MaskPublic::from_bytes(mask),
            signature,
        }
    })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        (0.0f64..9.0, 0.0f64..9.0).prop_map(|(asked, allowed)| Refusal::Epsilon { asked, allowed }),
        Just(Refusal::NoNoise),
        "\\PC{0,20}".prop_map(|column| Refusal::Column { column }),
        (
            any::<u16>(),
            prop::option::of(round()),
            prop::option::of(party()),
            "\\PC{0,20}"
        )
            .prop_map(|(check, round, culprit, detail)| Refusal::Check {
                check: CheckId(check),
                round,
                culprit,
                detail
            }),
        "\\PC{0,20}".prop_map(|detail| Refusal::Data { detail }),
    ]
}

fn to_party() -> impl Strategy<Value = ToParty> {
    let enrolment =
        (party(), bytes(), signature(), sealing()).prop_map(|(party, certificate, signature, channel)| {
            Enrolment {
                party,
                certificate,
                signature,
                channel,
            }
        });
    prop_oneof![
        (any::<u16>(), bytes()).prop_map(|(version, config)| ToParty::Welcome { version, config }),
        vec(enrolment, 0..4).prop_map(|enrolments| ToParty::Participants { enrolments }),
        (round(), digest(), digest()).prop_map(|(round, query, answers)| ToParty::RoundStart {
            round,
            query,
            answers
        }),
        (round(), vec(keys(), 0..4)).prop_map(|(round, keys)| ToParty::KeyList { round, keys }),
        (round(), sealed()).prop_map(|(round, sealed)| ToParty::ShareInbox { round, sealed }),
        (round(), vec(party(), 0..4)).prop_map(|(round, survivors)| ToParty::Survivors { round, survivors }),
        (round(), vec((party(), signature()), 0..4), sealed()).prop_map(|(round, signatures, seeds)| {
            ToParty::SurvivorProof {
                round,
                signatures,
                seeds,
            }
        }),
        (round(), vec(party(), 0..4), vec(any::<i64>(), 0..50)).prop_map(|(round, survivors, totals)| {
            ToParty::RoundResult {
                round,
                survivors,
                totals,
            }
        }),
        digest().prop_map(|model| ToParty::Finished { model }),
        "\\PC{0,50}".prop_map(|reason| ToParty::Failed { reason }),
        Just(ToParty::Align),
        vec(party(), 0..4).prop_map(|parties| ToParty::Joined { parties }),
        (party(), channel(), any::<u32>(), any::<bool>(), bytes()).prop_map(
            |(from, channel, seq, last, sealed)| ToParty::Relayed {
                from,
                channel,
                seq,
                last,
                sealed
            }
        ),
        (party(), channel(), any::<u32>(), any::<bool>()).prop_map(|(from, channel, next, again)| {
            ToParty::RelayAcked {
                from,
                channel,
                next,
                again,
            }
        }),
        (round(), vec(party(), 0..4)).prop_map(|(round, attributes)| ToParty::Fixed { round, attributes }),
        Just(ToParty::Closed),
    ]
}

fn to_coordinator() -> impl Strategy<Value = ToCoordinator> {
    let metrics = (any::<u64>(), 0.0f64..1.0).prop_map(|(rows, value)| PartyMetrics {
        rows,
        auprc: value,
        auroc: value,
        accuracy: value,
    });
    prop_oneof![
        (any::<(u16, u16)>(), prop::option::of(any::<[u8; 16]>())).prop_map(|(versions, run)| {
            ToCoordinator::Hello {
                versions,
                run: run.map(RunId),
            }
        }),
        (bytes(), signature(), sealing()).prop_map(|(certificate, signature, channel)| {
            ToCoordinator::Enrol {
                certificate,
                signature,
                channel,
            }
        }),
        refusal().prop_map(|reason| ToCoordinator::Refuse { reason }),
        (keys(), round()).prop_map(|(keys, round)| ToCoordinator::RoundKeys { keys, round }),
        (round(), sealed()).prop_map(|(round, sealed)| ToCoordinator::Shares { round, sealed }),
        (round(), bytes(), sealed(), prop::option::of(signature())).prop_map(
            |(round, vector, seeds, fixed)| ToCoordinator::Masked {
                round,
                vector,
                seeds,
                fixed
            }
        ),
        (round(), signature())
            .prop_map(|(round, signature)| ToCoordinator::SurvivorSignature { round, signature }),
        (round(), sealed(), sealed()).prop_map(|(round, self_mask, mask_key)| ToCoordinator::Unmask {
            round,
            self_mask,
            mask_key
        }),
        (round(), bytes()).prop_map(|(round, vector)| ToCoordinator::AggregatorSum { round, vector }),
        (digest(), prop::option::of(metrics))
            .prop_map(|(model, metrics)| ToCoordinator::Done { model, metrics }),
        vec((party(), any::<u64>()), 0..4).prop_map(|with| ToCoordinator::Aligned { with }),
        (party(), channel(), any::<u32>(), any::<bool>(), bytes()).prop_map(
            |(to, channel, seq, last, sealed)| ToCoordinator::Relay {
                to,
                channel,
                seq,
                last,
                sealed
            }
        ),
        (party(), channel(), any::<u32>(), any::<bool>()).prop_map(|(to, channel, next, again)| {
            ToCoordinator::RelayAck {
                to,
                channel,
                next,
                again,
            }
        }),
    ]
}

#[test]
fn a_payload_is_one_message_of_the_kind_that_the_header_says() {
    let message = ToParty::Failed { reason: "no".into() };
    let frame = message.to_frame();
    assert_eq!(ToParty::from_frame(&frame), Ok(message));
    let renamed = Frame::new(Kind::Finished, frame.payload().to_vec());
    assert_eq!(
        ToParty::from_frame(&renamed),
        Err(WireError::KindMismatch {
            header: Kind::Finished
        }),
        "CHK-049"
    );
    let longer = Frame::new(Kind::Failed, [frame.payload(), &[0]].concat());
    assert_eq!(
        ToParty::from_frame(&longer),
        Err(WireError::Payload {
            kind: Kind::Failed,
            length: 5
        }),
        "CHK-049"
    );
    let shorter = Frame::new(Kind::Failed, frame.payload()[..3].to_vec());
    assert_eq!(
        ToParty::from_frame(&shorter),
        Err(WireError::Payload {
            kind: Kind::Failed,
            length: 3
        })
    );
    // The other direction's message is none of ours.
    let hello = ToCoordinator::Hello {
        versions: (1, 1),
        run: None,
    }
    .to_frame();
    assert!(ToParty::from_frame(&hello).is_err());
}

#[test]
fn a_vector_costs_its_bytes_and_little_more() {
    let vector = vec![7; 8_000_000];
    let message = ToCoordinator::Masked {
        round: RoundId::first_of(0),
        vector,
        seeds: Vec::new(),
        fixed: None,
    };
    let sent = message.to_frame().encode().len();
    assert!(
        sent < 8_000_100,
        "at most 8 bytes per counter and 1 %, here {sent}"
    );
}

proptest! {
    #[test]
    fn messages_to_parties_survive(message in to_party()) {
        let bytes = message.to_frame().encode();
        let frame = Frame::decode(&bytes, &Limits::control());
        if let Ok(frame) = frame {
            prop_assert_eq!(ToParty::from_frame(&frame), Ok(message));
        } else {
            // Only vectors and chunks are beyond the limits of a connection without a run.
            prop_assert!(matches!(message.kind(), Kind::RoundResult | Kind::Relayed));
        }
    }

    #[test]
    fn messages_to_the_coordinator_survive(message in to_coordinator()) {
        let frame = message.to_frame();
        prop_assert_eq!(ToCoordinator::from_frame(&frame), Ok(message));
        let header = Header { kind: frame.kind(), length: frame.payload().len() };
        prop_assert_eq!(header.encode(), frame.header());
    }

    #[test]
    fn no_payload_makes_it_panic(kind in any::<prop::sample::Index>(), payload in vec(any::<u8>(), 0..300)) {
        let kind = Kind::ALL[kind.index(Kind::ALL.len())];
        let frame = Frame::new(kind, payload);
        let _ = ToParty::from_frame(&frame);
        let _ = ToCoordinator::from_frame(&frame);
    }
}
