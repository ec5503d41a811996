//! The bytes of version 2, pinned: each message against an annotated file that was not written by this code.
//!
//! `vectors/wire/*.hex` holds hexadecimal, one field to a line, with the field's name behind `#`. A change here is a
//! change of the protocol: it needs a new version, not a new file.

mod vectors;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use hedgerow_crypto::hash::Digest;
use hedgerow_crypto::identity::Signature;
use hedgerow_crypto::mask::modulus::Modulus;
use hedgerow_crypto::mask::pairwise::MaskPublic;
use hedgerow_crypto::seal::SealingPublic;
use hedgerow_dp::Noise;
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::schema::{Column, Label, Schema};
use hedgerow_protocol::config::{
    Aggregation, Alignment, AttributeParty, Join, LinkConfig, LinkParty, Partition, Prediction,
    PrivacyParams, RunConfig, RunConfigLiteral, ScoreBudget, TestSplit, Unit,
};
use hedgerow_protocol::ids::{PartyId, RoundId, RunId};
use hedgerow_protocol::refusal::Refusal;
use hedgerow_protocol::wire::{
    Channel, Enrolment, Frame, Kind, Limits, Message, PartyMetrics, SignedRoundKeys, ToCoordinator, ToParty,
    vector,
};

const ROUND: RoundId = RoundId {
    step: 1,
    attempt: 300,
};

fn id(name: &str) -> PartyId {
    PartyId::new(name).unwrap()
}

fn signature(byte: u8) -> Signature {
    Signature::from_bytes([byte; 64])
}

fn keys(name: &str, byte: u8) -> SignedRoundKeys {
    SignedRoundKeys {
        party: id(name),
        seal: SealingPublic::from_bytes([byte; 32]),
        mask: MaskPublic::from_bytes([byte + 1; 32]),
        signature: signature(byte + 2),
    }
}

fn to_party() -> Vec<ToParty> {
    let round = ROUND;
    vec![
        ToParty::Welcome {
            version: 2,
            config: vec![0xc0, 0xff, 0xee],
        },
        ToParty::Participants {
            enrolments: vec![Enrolment {
                party: id("alpha"),
                certificate: vec![0x30, 0x82],
                signature: signature(0x11),
                channel: Some(SealingPublic::from_bytes([0x2a; 32])),
            }],
        },
        ToParty::RoundStart {
            round,
            query: Digest([0x21; 32]),
            answers: Digest([0x22; 32]),
        },
        ToParty::KeyList {
            round,
            keys: vec![keys("alpha", 0x31), keys("beta", 0x41)],
        },
        ToParty::ShareInbox {
            round,
            sealed: vec![(id("alpha"), vec![]), (id("beta"), vec![1, 2])],
        },
        ToParty::Survivors {
            round,
            survivors: vec![id("alpha"), id("beta")],
        },
        ToParty::SurvivorProof {
            round,
            signatures: vec![(id("alpha"), signature(0x51))],
            seeds: vec![(id("beta"), vec![0xaa])],
        },
        ToParty::RoundResult {
            round,
            survivors: vec![id("alpha")],
            totals: vec![0, -1, 150, -(1 << 40)],
        },
        ToParty::Finished {
            model: Digest([0x61; 32]),
        },
        ToParty::Failed {
            reason: "beta is missing".to_owned(),
        },
        ToParty::Align,
        ToParty::Joined {
            parties: vec![id("alpha"), id("beta")],
        },
        ToParty::Relayed {
            from: id("alpha"),
            channel: Channel::Answers(round),
            seq: 128,
            last: true,
            sealed: vec![0xc1, 0xc2],
        },
        ToParty::RelayAcked {
            from: id("beta"),
            channel: Channel::Align,
            next: 129,
            again: true,
        },
        ToParty::Fixed {
            round,
            attributes: vec![id("beta"), id("gamma")],
        },
        ToParty::Closed,
    ]
}

fn to_coordinator() -> Vec<ToCoordinator> {
    let round = ROUND;
    let words = [1, u64::MAX];
    let small = [1, u64::from(u32::MAX) - 1];
    vec![
        ToCoordinator::Hello {
            versions: (1, 3),
            run: Some(RunId([0x71; 16])),
        },
        ToCoordinator::Enrol {
            certificate: vec![0x30, 0x82],
            signature: signature(0x81),
            channel: Some(SealingPublic::from_bytes([0x2a; 32])),
        },
        ToCoordinator::Refuse {
            reason: Refusal::Epsilon {
                asked: 3.0,
                allowed: 1.0,
            },
        },
        ToCoordinator::RoundKeys {
            keys: keys("alpha", 0x31),
            round,
        },
        ToCoordinator::Shares {
            round,
            sealed: vec![(id("beta"), vec![1, 2])],
        },
        ToCoordinator::Masked {
            round,
            vector: vector::pack(&words, Modulus::TWO_TO_64).unwrap(),
            seeds: vec![(id("beta"), vec![0xbb])],
            fixed: Some(signature(0xe1)),
        },
        ToCoordinator::SurvivorSignature {
            round,
            signature: signature(0x91),
        },
        ToCoordinator::Unmask {
            round,
            self_mask: vec![(id("alpha"), vec![0xa1])],
            mask_key: vec![(id("beta"), vec![0xb2])],
        },
        ToCoordinator::AggregatorSum {
            round,
            vector: vector::pack(&small, Modulus::power_of_two(32).unwrap()).unwrap(),
        },
        ToCoordinator::Done {
            model: Digest([0xa1; 32]),
            metrics: Some(PartyMetrics {
                rows: 1000,
                auprc: 0.75,
                auroc: 0.875,
                accuracy: 0.5,
            }),
        },
        ToCoordinator::Aligned {
            with: vec![(id("beta"), 1_000_000)],
        },
        ToCoordinator::Relay {
            to: id("beta"),
            channel: Channel::Score(300),
            seq: 0,
            last: false,
            sealed: vec![0xd1],
        },
        ToCoordinator::RelayAck {
            to: id("alpha"),
            channel: Channel::Profiles,
            next: 16,
            again: false,
        },
    ]
}

/// `SurvivorProof` as `survivor_proof.hex`.
fn file_of(kind: Kind) -> PathBuf {
    let mut name = String::new();
    for letter in kind.to_string().chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    vectors::folder("wire").join(name).with_extension("hex")
}

/// The limits of a run with vectors and relayed chunks.
fn limits() -> Limits {
    Limits::for_run(&RunConfig::new(mixed()).unwrap())
}

fn check<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    let pinned = vectors::read(&file_of(message.kind())).bytes;
    let frame = message.to_frame();
    assert_eq!(
        vectors::hex(&frame.encode()),
        vectors::hex(&pinned),
        "{}",
        message.kind()
    );
    assert_eq!(frame.header(), pinned[..12]);
    let read = Frame::decode(&pinned, &limits()).unwrap();
    assert_eq!(M::from_frame(&read).unwrap(), *message);
}

#[test]
fn every_message_has_the_pinned_bytes() {
    to_party().iter().for_each(check);
    to_coordinator().iter().for_each(check);
}

#[test]
fn every_kind_is_pinned_and_nothing_else() {
    let made: BTreeSet<Kind> = to_party()
        .iter()
        .map(Message::kind)
        .chain(to_coordinator().iter().map(Message::kind))
        .collect();
    assert_eq!(made, Kind::ALL.iter().copied().collect());
    let expected: BTreeSet<PathBuf> = Kind::ALL.iter().copied().map(file_of).collect();
    let found: BTreeSet<PathBuf> = fs::read_dir(vectors::folder("wire"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(found, expected);
}

/// What every party signs the hash of.
#[test]
fn a_configuration_has_the_pinned_bytes() {
    check_config("run.hex", horizontal());
    check_config("mixed.hex", mixed());
}

fn check_config(file: &str, literal: RunConfigLiteral) {
    let config = RunConfig::new(literal).unwrap();
    let pinned = vectors::read(&vectors::folder("config").join(file)).bytes;
    assert_eq!(vectors::hex(&config.to_bytes()), vectors::hex(&pinned));
    assert_eq!(RunConfig::from_bytes(&pinned).unwrap(), config);
}

fn mixed() -> RunConfigLiteral {
    let serving = |party: &str, values: &[&str]| AttributeParty {
        party: id(party),
        serves: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    RunConfigLiteral {
        task: "anomaly".to_owned(),
        partition: Partition::Mixed(Join {
            links: vec![LinkConfig {
                name: "ordering".to_owned(),
                party: LinkParty::Column("Bank".to_owned()),
                key_columns: vec!["Branch".to_owned(), "Account".to_owned()],
            }],
            attribute_parties: vec![serving("gamma", &["B3"]), serving("beta", &["B2", "B1"])],
            alignment: Alignment::Private {
                minimum: 100,
                pad: 2048,
            },
            segments: 16,
            prediction: Some(Prediction {
                rows: 1000,
                per_entity: 3,
                budget: Some(ScoreBudget {
                    epsilon: 0.5,
                    delta: 1e-7,
                }),
            }),
        }),
        schema: Schema {
            features: vec![
                Column::numeric("Amount", 0.0, 1000.0),
                Column::numeric("Age", 0.0, 8.0).read_through("ordering"),
                Column::categorical("Flags", ["00", "01"]).read_through("ordering"),
                Column::known("ordering"),
            ],
            label: Label {
                name: "label".to_owned(),
                positive: "1".to_owned(),
            },
        },
        forest: ForestParams {
            trees: 50,
            ..horizontal().forest
        },
        privacy: Some(PrivacyParams {
            epsilon: 1.0,
            delta: 1e-6,
            unit: Unit::Entity { rows: 4 },
            mechanism: Noise::Skellam,
        }),
        aggregation: Aggregation::Masked,
        modulus: Modulus::power_of_two(30).unwrap(),
        max_rows: 3_000_000,
        test: TestSplit {
            fraction: 0.0,
            seed: 0,
        },
        release_metrics: false,
        ..horizontal()
    }
}

fn horizontal() -> RunConfigLiteral {
    RunConfigLiteral {
        run: RunId([1; 16]),
        name: "pinned".to_owned(),
        task: "income".to_owned(),
        partition: Partition::Horizontal,
        schema: Schema {
            features: vec![
                Column::numeric("age", 17.0, 90.0),
                Column::categorical("sex", ["f", "m"]),
            ],
            label: Label {
                name: "label".to_owned(),
                positive: ">50K".to_owned(),
            },
        },
        forest: ForestParams::new(200, 6, 64, Growth::Random),
        privacy: Some(PrivacyParams {
            epsilon: 1.0,
            delta: 1e-6,
            unit: Unit::Row,
            mechanism: Noise::DiscreteGaussian,
        }),
        aggregation: Aggregation::Shares {
            aggregators: vec![id("alpha"), id("beta")],
        },
        parties: vec![id("alpha"), id("beta"), id("gamma")],
        min_parties: 3,
        collusion: 1,
        shamir_threshold: 3,
        modulus: Modulus::power_of_two(48).unwrap(),
        max_rows: 1_000_000,
        test: TestSplit {
            fraction: 0.25,
            seed: 7,
        },
        seed: [42; 32],
        release_metrics: true,
    }
}

/// A flipped bit is another message or none; it is never taken for the same.
#[test]
fn no_bit_is_without_meaning() {
    fn flip<M: Message + PartialEq + std::fmt::Debug>(message: &M, limits: &Limits) {
        let good = message.to_frame().encode();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = Frame::decode(&bytes, limits).and_then(|frame| M::from_frame(&frame)) {
                assert_ne!(read, *message, "bit {bit} of {}", message.kind());
            }
        }
    }
    let limits = limits();
    to_party().iter().for_each(|message| flip(message, &limits));
    to_coordinator().iter().for_each(|message| flip(message, &limits));
}
