//! Messages that are not as they must be, and breaks.

use proptest::prelude::*;

use super::*;

/// A step in the middle of both transcripts: everything before message `number` of `from` has been carried.
fn up_to(from: usize, number: usize) -> Pair {
    let mut pair = Pair::new(&params(1, 0), &keys(0..9), &keys(5..20), [1, 2]);
    while pair.sent[from].len() < number {
        assert!(pair.step(from) || pair.step(1 - from), "both are stuck");
    }
    while pair.machines[from].message(number as u32).is_none() {
        assert!(pair.step(1 - from));
    }
    pair
}

type Spoil = fn(&mut Vec<u8>);
type Expect = fn(&AlignError) -> bool;

/// What can be done to any message, and the error that must answer it.
const SPOILS: [(Spoil, Expect); 8] = [
    (
        |bytes| bytes.clear(),
        |error| {
            matches!(
                error,
                AlignError::Length {
                    actual: 0,
                    expected: HEADER,
                    ..
                }
            )
        },
    ),
    (
        |bytes| bytes.truncate(HEADER - 1),
        |error| matches!(error, AlignError::Length { .. }),
    ),
    (
        |bytes| _ = bytes.pop(),
        |error| matches!(error, AlignError::Length { .. }),
    ),
    (
        |bytes| bytes.push(0),
        |error| matches!(error, AlignError::Length { .. }),
    ),
    (
        |bytes| bytes[0] = 2,
        |error| {
            matches!(
                error,
                AlignError::Version {
                    actual: 2,
                    expected: 1,
                    ..
                }
            )
        },
    ),
    (
        |bytes| bytes[1] ^= 1,
        |error| matches!(error, AlignError::Kind { .. }),
    ),
    (
        |bytes| bytes[2] ^= 1,
        |error| matches!(error, AlignError::Sequence { .. }),
    ),
    (
        |bytes| bytes[10..14].copy_from_slice(&u32::MAX.to_le_bytes()),
        |error| matches!(error, AlignError::Count { .. }),
    ),
];

/// What can be done to a message of group elements: the sorted stages find some of it by the order.
const SPOILED_ELEMENTS: [(Spoil, Expect); 4] = [
    (
        |bytes| bytes[HEADER..HEADER + 32].fill(0xff),
        |error| {
            matches!(
                error,
                AlignError::Element {
                    actual: "no canonical encoding",
                    index: 0,
                    ..
                } | AlignError::Order { .. }
            )
        },
    ),
    (
        |bytes| bytes[HEADER..HEADER + 32].fill(0),
        |error| {
            matches!(
                error,
                AlignError::Element {
                    actual: "the identity",
                    index: 0,
                    ..
                }
            )
        },
    ),
    (
        |bytes| bytes[6] ^= 16,
        |error| matches!(error, AlignError::Count { .. }),
    ),
    (
        |bytes| bytes.copy_within(HEADER..HEADER + 32, HEADER + 32),
        |error| {
            matches!(
                error,
                AlignError::Repeated { .. } | AlignError::Order { index: 1, .. }
            )
        },
    ),
];

#[test]
fn spoiled_messages_are_refused_and_leave_no_trace() {
    let whole = up_to(0, 0).run();
    for from in [0, 1] {
        for number in 0..whole.sent[from].len() {
            let mut pair = up_to(from, number);
            let good = pair.machines[from].message(number as u32).unwrap();
            assert_eq!(good, whole.sent[from][number]);
            let kind = kind(&good);
            let elements = ![Kind::Hello as u8, Kind::Union as u8].contains(&kind);
            let spoils = SPOILS.iter().chain(SPOILED_ELEMENTS.iter().filter(|_| elements));
            let to = &mut pair.machines[1 - from];
            for (index, (spoil, expect)) in spoils.enumerate() {
                // Tags are checked as pseudonyms, with the union.
                if kind == Kind::Tags as u8 && index == 11 {
                    continue;
                }
                let mut bytes = good.bytes.clone();
                spoil(&mut bytes);
                let error = to.receive(number as u32, &bytes).unwrap_err();
                assert!(expect(&error), "kind {kind}, spoil {index}: {error}");
                assert!(!error.to_string().is_empty());
            }
            for wrong in [number as u32 + 1, (number as u32).wrapping_sub(1)] {
                let error = to.receive(wrong, &good.bytes).unwrap_err();
                assert!(
                    matches!(error, AlignError::Sequence { .. } | AlignError::Finished { .. }),
                    "{error}"
                );
            }
            let pair = pair.run();
            assert_eq!(pair.results(), whole.results());
            assert_eq!(pair.sent, whole.sent);
        }
    }
}

#[test]
fn repeated_tags_and_a_union_without_own_pseudonyms_are_refused() {
    // The attribute side is the tagger here.
    let repeated = |sent: &mut Vec<u8>| sent.copy_within(HEADER..HEADER + 32, HEADER + 32);
    let mut pair = up_to(1, 2);
    let mut tags = pair.machines[1].message(2).unwrap().bytes;
    assert_eq!(tags[1], Kind::Tags as u8);
    repeated(&mut tags);
    pair.machines[0].receive(2, &tags).unwrap();
    pair.sent[1].push(pair.machines[1].message(2).unwrap());
    while pair.machines[1].message(4).is_none() || pair.sent[1].len() < 4 {
        assert!(pair.step(0) || pair.step(1), "both are stuck");
    }
    let union = pair.machines[1].message(4).unwrap().bytes;
    assert_eq!(
        pair.machines[0].receive(4, &union),
        Err(AlignError::NotInUnion {
            actual: 8,
            expected: 9
        })
    );

    let mut pair = up_to(1, 4);
    let mut union = pair.machines[1].message(4).unwrap().bytes;
    for byte in union[HEADER..].iter_mut().step_by(16).skip(1) {
        *byte |= 1;
    }
    assert!(matches!(
        pair.machines[0].receive(4, &union),
        Err(AlignError::NotInUnion { expected: 9, .. } | AlignError::Order { .. })
    ));
}

#[test]
fn messages_after_the_last_are_refused() {
    let mut pair = up_to(0, 0).run();
    for from in [0, 1] {
        let last = pair.sent[from].len() as u32 - 1;
        assert_eq!(pair.machines[from].message(last + 1), None);
        assert_eq!(
            pair.machines[1 - from].receive(last + 1, &[]),
            Err(AlignError::Finished {
                actual: last + 1,
                last
            })
        );
    }
}

#[test]
fn other_parameters_and_the_same_side_are_refused() {
    let mut machine = Align::new(Side::Row, &params(1, 0), &keys(0..5), &seed(1)).unwrap();
    for other in [params(2, 0), params(1, 2)] {
        let peer = Align::new(Side::Attribute, &other, &keys(0..5), &seed(1)).unwrap();
        assert_eq!(
            machine.receive(0, &peer.message(0).unwrap().bytes),
            Err(AlignError::Parameters {
                actual: *other.digest(),
                expected: *params(1, 0).digest()
            })
        );
    }
    let mirror = machine.message(0).unwrap();
    assert_eq!(
        machine.receive(0, &mirror.bytes),
        Err(AlignError::Side {
            actual: 0,
            expected: Side::Attribute
        })
    );
}

/// A side is lost after every possible number of messages that it took, and made anew from its seed and its keys, read in
/// another order: it sends the same bytes, and both end as if nothing had been.
#[test]
fn a_restarted_side_resends_the_same_bytes() {
    let params = params(1, 4);
    let (row, attribute) = (keys(0..9), keys(5..20));
    let whole = Pair::new(&params, &row, &attribute, [1, 2]).run();
    for lost in [0, 1] {
        for taken in 0..=whole.sent[1 - lost].len() {
            let mut again = keys(if lost == 0 { 0..9 } else { 5..20 });
            again.reverse();
            let side = [Side::Row, Side::Attribute][lost];
            let mut machine = Align::new(side, &params, &again, &seed(lost as u8 + 1)).unwrap();
            for (number, message) in (0..).zip(&whole.sent[1 - lost]).take(taken) {
                machine.receive(number, &message.bytes).unwrap();
            }
            let resent: Vec<_> = (0..).map_while(|number| machine.message(number)).collect();
            assert_eq!(resent, whole.sent[lost][..resent.len()]);
            if taken == whole.sent[1 - lost].len() {
                let mut expected = whole.results()[lost].clone();
                expected.positions.reverse();
                assert_eq!(machine.result(), Some(&expected));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever comes, at any time, is taken or refused; nothing panics, and a refusal changes nothing.
    #[test]
    fn arbitrary_bytes_do_no_harm(
        from in 0..2usize,
        number in 0..4usize,
        places in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        length in any::<proptest::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut pair = up_to(from, number);
        let good = pair.machines[from].message(number as u32).unwrap().bytes;
        let mut bytes = good.clone();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        let to = &mut pair.machines[1 - from];
        match to.receive(number as u32, &bytes) {
            Ok(()) => prop_assert_eq!(to.next(), number as u32 + 1),
            Err(_) => {
                prop_assert_eq!(to.next(), number as u32);
                to.receive(number as u32, &good).unwrap();
            }
        }
    }
}
