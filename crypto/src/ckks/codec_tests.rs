use crate::ckks::tests::{Setting, literal, numbers};
use crate::ckks::*;
use crate::hash::hash;
use crate::rlwe::CodecError;

fn setting() -> Setting {
    Setting::new(literal(6, 2, 2), |_| {
        KeyPlan::default()
            .relinearization(2)
            .rotation(3, 1)
            .conjugation(0)
    })
}

#[test]
fn bytes_come_back_and_compute() {
    let mut s = setting();
    let a = numbers(32, 1);
    let params = s.params.clone();
    let plaintext = s.encoder.encode_complex(&a, params.scale(1)).unwrap();
    let fresh = s.secret.encrypt(&plaintext, 1, &mut s.rng).unwrap();
    let bytes = fresh.to_bytes();
    assert_eq!(bytes.len(), params.seeded_bytes(1));
    let back = SeededCiphertext::from_bytes(&params, &bytes).unwrap();
    assert_eq!(back.to_bytes(), bytes);
    let x = back.expand(&params).unwrap();
    let bytes = x.to_bytes();
    assert_eq!(bytes.len(), params.ciphertext_bytes(1));
    let x = Ciphertext::from_bytes(&params, &bytes).unwrap();
    assert!(x.to_bytes() == bytes && s.error(&x, &a) < -30.0);
    let public = s.secret.public_key(&mut s.rng);
    let bytes = public.to_bytes();
    let public = PublicKey::from_bytes(&params, &bytes).unwrap();
    assert_eq!(public.to_bytes(), bytes);
    let y = public.encrypt(&plaintext, 1, &mut s.rng).unwrap();
    assert!(s.error(&y, &a) < -28.0);
    let bytes = s.evaluator.keys().to_bytes(&params);
    let each = [2, 1, 0].map(|level| params.switching_key_bytes(level));
    assert_eq!(bytes.len(), codec::HEADER_BYTES + each.iter().sum::<usize>());
    let keys = EvalKeys::from_bytes(&params, &bytes, 1 << 20).unwrap();
    assert_eq!(keys.to_bytes(&params), bytes);
    let evaluator = Evaluator::new(&params, keys.into()).unwrap();
    let mut rotated = a.clone();
    rotated.rotate_left(3);
    let y = evaluator.rotate(&x, 3, &mut s.scratch).unwrap();
    assert!(s.error(&y, &rotated) < -26.0);
}

/// What is on the wire does not change by accident.
#[test]
fn bytes_are_pinned() {
    let mut s = setting();
    let plaintext = s.encoder.encode_scalar(0.5, s.params.scale(2)).unwrap();
    let fresh = s.secret.encrypt(&plaintext, 2, &mut s.rng).unwrap().to_bytes();
    let keys = s.evaluator.keys().to_bytes(&s.params);
    let hashes = [&fresh, &keys].map(|bytes| hash("test", &[bytes]).to_string());
    assert_eq!(hashes, PINNED);
}

const PINNED: [&str; 2] = [
    "859caf1b20c2596d02d2dd254e15880988f9f278f076d5a426068948e0982874",
    "ddef05906114706bb350835b36a2bfde5419ce93550cc90775f757b4cd76a13b",
];

#[test]
fn bytes_that_are_wrong_are_refused() {
    let mut s = setting();
    let params = s.params.clone();
    let x = s.encrypt(&numbers(32, 1), 1);
    let good = x.to_bytes();
    let read = |bytes: &[u8]| Ciphertext::from_bytes(&params, bytes).unwrap_err();
    let length = good.len();
    for cut in [0, 1, codec::HEADER_BYTES - 1, codec::HEADER_BYTES, length - 1] {
        assert!(
            matches!(read(&good[..cut]), CkksError::Codec(CodecError::Length { .. })),
            "{cut}"
        );
    }
    assert_eq!(
        read(&good[..length - 1]).to_string(),
        format!("{} bytes, expected {length}", length - 1)
    );
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(read(&with(0, 66)).to_string(), "kind is 66, expected 65");
    assert_eq!(read(&with(1, 2)).to_string(), "version is 2, expected 1");
    assert!(matches!(
        read(&with(2, 9)),
        CkksError::Level {
            actual: 9,
            expected: 2,
            ..
        }
    ));
    assert!(matches!(
        read(&with(2, 0)),
        CkksError::Codec(CodecError::Length { .. })
    ));
    assert_eq!(read(&with(4, 4)).to_string(), "number of parts is 4, expected 2");
    assert!(matches!(
        read(&with(40, good[40] ^ 1)),
        CkksError::Parameters { .. }
    ));
    let mut nan = good.clone();
    nan[16..24].fill(0xff);
    assert!(matches!(read(&nan), CkksError::Scale { .. }));
    let mut large = good.clone();
    large[codec::HEADER_BYTES..codec::HEADER_BYTES + 8].fill(0xff);
    assert!(matches!(
        read(&large),
        CkksError::Codec(CodecError::NotReduced { index: 0, .. })
    ));

    let keys = s.evaluator.keys().to_bytes(&params);
    let read = |bytes: &[u8]| EvalKeys::from_bytes(&params, bytes, 1 << 20).unwrap_err();
    assert!(matches!(
        read(&keys[..keys.len() - 1]),
        CkksError::Codec(CodecError::Length { .. })
    ));
    let longer = [&keys[..], &[0]].concat();
    assert!(matches!(
        read(&longer),
        CkksError::Codec(CodecError::Length { .. })
    ));
    let mut even = keys.clone();
    even[codec::HEADER_BYTES] = 2;
    assert!(matches!(read(&even), CkksError::Range { actual: 2, .. }));
    let error = EvalKeys::from_bytes(&params, &keys, 1000).unwrap_err();
    assert!(matches!(error, CkksError::Length { expected: 1000, .. }));
    // Keys are in order, each once.
    let relinearization = params.switching_key_bytes(2);
    let (header, first) = keys.split_at(codec::HEADER_BYTES);
    let mut twice = header.to_vec();
    twice[4] = 2;
    twice.extend_from_slice(&first[..relinearization]);
    twice.extend_from_slice(&first[..relinearization]);
    assert!(read(&twice).to_string().contains("after smaller ones"));
}
