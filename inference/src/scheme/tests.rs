//! The same suite over the clear scheme, the simulation and the real one on a toy ring.

use std::sync::Arc;

use hedgerow_crypto::ckks::{Ciphertext, INSECURE_ParamsLiteral, Params, ParamsLiteral};
use hedgerow_crypto::seed::Seed;

use super::{
    Ckks, CkksClient, Complex, KeySet, Noop, PreparedMap, Rescale, Scheme, SchemeError, Sim, Tally, Term,
};

const TOP: usize = 4;

pub(crate) fn toy(log_degree: u32, levels: u32) -> Params {
    INSECURE_ParamsLiteral(ParamsLiteral::new(log_degree, 40, levels, 2))
        .build()
        .unwrap()
}

/// A client and a server with the keys of `keys`.
pub(crate) fn pair(params: &Params, keys: &KeySet) -> (CkksClient, Ckks) {
    let client = CkksClient::new(params, &Seed::from_bytes([7; 32]));
    let keys = client.keys(keys, &mut Seed::from_bytes([8; 32]).rng()).unwrap();
    (client, Ckks::new(params, Arc::new(keys)).unwrap())
}

pub(crate) fn encrypt(client: &CkksClient, params: &Params, level: usize, values: &[f64]) -> Ciphertext {
    let fresh = client
        .encrypt(level, values, &mut Seed::from_bytes([9; 32]).rng())
        .unwrap();
    fresh.expand(params).unwrap()
}

fn x(slots: usize) -> Vec<f64> {
    (0..slots).map(|i| (i as f64 * 0.37).sin()).collect()
}

fn y(slots: usize) -> Vec<f64> {
    (0..slots).map(|i| (i as f64 * 0.11).cos()).collect()
}

/// Every operation of the seam once; the results in order.
fn suite<S: Scheme>(s: &S, x: &S::Ciphertext, y: &S::Ciphertext) -> Result<Vec<S::Ciphertext>, SchemeError> {
    let slots = s.slots();
    let ramp = || (0..slots).map(|i| i as f64 / slots as f64).collect::<Vec<_>>();
    let prepared = s.prepare(TOP, ramp)?;
    let mut sum = x.clone();
    s.add(&mut sum, y)?;
    let mut difference = x.clone();
    s.sub(&mut difference, y)?;
    s.add_scalar(&mut difference, 0.5)?;
    let mut shifted = x.clone();
    s.add_plain(&mut shifted, &s.encode(TOP, ramp)?)?;
    let product = s.mul(x, y, Rescale::Now)?;
    let mut lazy = s.mul(x, y, Rescale::Lazy)?;
    s.add(&mut lazy, &s.mul(x, x, Rescale::Lazy)?)?;
    s.rescale(&mut lazy)?;
    let scaled = s.mul_scalar(x, -1.25, Rescale::Now)?;
    let masked = s.mul_plain(y, &prepared, Rescale::Now)?;
    let dot = s.dot_plain(&[x, y], &[&prepared, &prepared], Rescale::Now)?;
    let products = s.dot(&[x, y, x], &[y, y, x], Rescale::Now)?;
    let mut low = s.copy(x);
    s.align(&mut low, 1)?;
    let turned = s.rotate(x, -3)?;
    let mut results = vec![
        sum, difference, shifted, product, lazy, scaled, masked, dot, products, low, turned,
    ];
    results.extend(s.rotate_many(y, &[0, 5, 1, slots as i64 + 2])?);
    let mask = |k: usize| s.prepare(TOP, || (0..slots).map(|i| ((i + k) % 3) as f64).collect());
    let terms = |k| -> Result<Vec<Term<S::Prepared>>, SchemeError> {
        Ok(vec![
            Term {
                input: 0,
                baby: 1,
                mask: mask(k)?,
            },
            Term {
                input: 1,
                baby: 0,
                mask: mask(k + 1)?,
            },
        ])
    };
    let outputs = vec![[(0, terms(0)?), (5, terms(1)?)].into(), [(5, terms(2)?)].into()];
    results.extend(s.linear_transform(
        &[x.clone(), y.clone()],
        &PreparedMap {
            inputs: 2,
            outputs,
            folds: vec![5],
            real: false,
        },
    )?);
    // Diagonals that are encrypted too.
    let term = |input, baby, mask: &S::Ciphertext| Term {
        input,
        baby,
        mask: mask.clone(),
    };
    let outputs = vec![
        [(0, vec![term(0, 1, x), term(1, 0, y)]), (5, vec![term(0, 0, y)])].into(),
        [(-1, vec![term(1, 1, x)])].into(),
    ];
    let inputs = [x.clone(), y.clone()];
    results.extend(s.encrypted_transform(
        &inputs,
        &PreparedMap {
            inputs: 2,
            outputs,
            folds: vec![5],
            real: true,
        },
    )?);
    // Two reals in a slot.
    let joined = s.join(x, y)?;
    let (twice_x, twice_y) = s.split(&joined)?;
    let spiral = |count: usize| -> Vec<Complex> {
        (0..count)
            .map(|i| Complex::new((i as f64).cos(), 0.25 * (i % 5) as f64))
            .collect()
    };
    let mut moved = joined.clone();
    s.add_plain(&mut moved, &s.encode_complex(TOP, || spiral(slots - 1))?)?;
    s.mul_i(&mut moved)?;
    let conjugate = s.conjugate(&s.mul(&moved, &joined, Rescale::Now)?)?;
    let masked = s.mul_plain(&joined, &s.prepare_complex(TOP, || spiral(slots))?, Rescale::Now)?;
    let repeated = s.prepare_periodic_complex(TOP, 8, || spiral(7))?;
    // The real part of sums of products, with masks of either kind.
    for mask in [
        s.prepare_complex(TOP, || spiral(9))?,
        s.prepare_periodic_complex(TOP, 8, || spiral(8))?,
    ] {
        let term = Term {
            input: 0,
            baby: 1,
            mask,
        };
        let map = PreparedMap {
            inputs: 1,
            outputs: vec![[(5, vec![term])].into()],
            folds: vec![1],
            real: true,
        };
        results.extend(s.linear_transform(std::slice::from_ref(&joined), &map)?);
    }
    let mut lazy = s.dot_plain(&[&joined, x], &[&repeated, &repeated], Rescale::Lazy)?;
    s.mul_i(&mut lazy)?;
    s.rescale(&mut lazy)?;
    results.extend([joined, twice_x, twice_y, moved, conjugate, masked, lazy]);
    Ok(results)
}

fn noop(slots: usize) -> (Vec<Vec<Complex>>, Vec<usize>, Tally) {
    let scheme = Noop::new(slots, TOP);
    let (x, y) = (
        scheme.encrypt(TOP, || x(slots)).unwrap(),
        scheme.encrypt(TOP, || y(slots)).unwrap(),
    );
    let results = suite(&scheme, &x, &y).unwrap();
    let values = results.iter().map(|ct| scheme.decrypt_complex(ct)).collect();
    (
        values,
        results.iter().map(|ct| scheme.level(ct)).collect(),
        scheme.tally(),
    )
}

#[test]
fn all_schemes_keep_the_same_books() {
    let params = toy(8, TOP as u32);
    let slots = params.slots();
    let (expected, levels, tally) = noop(slots);
    let sim = Sim::new(slots, TOP);
    let fresh = || sim.encrypt(TOP, Vec::new).unwrap();
    let simulated = suite(&sim, &fresh(), &fresh()).unwrap();
    assert_eq!(
        simulated.iter().map(|ct| sim.level(ct)).collect::<Vec<_>>(),
        levels
    );
    assert_eq!(sim.tally(), tally);
    // The keys that the simulation names are all that the real run needs.
    for compact in [false, true] {
        let (client, server) = pair(&params, &tally.keys);
        let server = server.compact(compact);
        let a = encrypt(&client, &params, TOP, &x(slots));
        let b = encrypt(&client, &params, TOP, &y(slots));
        let real = suite(&server, &a, &b).unwrap();
        assert_eq!(real.iter().map(|ct| server.level(ct)).collect::<Vec<_>>(), levels);
        assert_eq!(server.tally(), tally);
        for (i, (ct, expected)) in real.iter().zip(&expected).enumerate() {
            let actual = client.decrypt_complex(ct).unwrap();
            let reals: Vec<f64> = actual.iter().map(|z| z.re).collect();
            assert_eq!(client.decrypt(ct).unwrap(), reals);
            let worst = actual
                .iter()
                .zip(expected)
                .map(|(a, b)| Complex::new(a.re - b.re, a.im - b.im).abs())
                .fold(0.0, f64::max);
            assert!(worst < 2f64.powi(-22), "result {i}: error 2^{:.1}", worst.log2());
        }
    }
}

#[test]
fn refusals_are_the_same() {
    let params = toy(8, 1);
    let slots = params.slots();
    let noop = Noop::new(slots, 1).with_keys(KeySet::default());
    let (client, server) = pair(&params, &KeySet::default());
    fn check<S: Scheme>(s: &S, high: &S::Ciphertext, low: &S::Ciphertext) {
        let mut sum = high.clone();
        assert!(matches!(
            s.add(&mut sum, low),
            Err(SchemeError::LevelMismatch {
                left: 1,
                right: 0,
                ..
            })
        ));
        assert!(matches!(
            s.mul(low, low, Rescale::Now),
            Err(SchemeError::LevelExhausted { .. })
        ));
        assert!(matches!(
            s.mul_scalar(low, 2.0, Rescale::Lazy),
            Err(SchemeError::LevelExhausted { .. })
        ));
        assert!(matches!(
            s.align(&mut low.clone(), 1),
            Err(SchemeError::LevelTooHigh {
                asked: 1,
                actual: 0,
                ..
            })
        ));
        assert!(matches!(
            s.prepare(2, Vec::new),
            Err(SchemeError::LevelTooHigh {
                asked: 2,
                actual: 1,
                ..
            })
        ));
        assert!(matches!(
            s.dot_plain(&[], &[], Rescale::Now),
            Err(SchemeError::Empty { .. })
        ));
        assert!(matches!(
            s.dot_plain(&[high], &[], Rescale::Now),
            Err(SchemeError::Lengths { .. })
        ));
        assert!(
            s.rotate(high, 1)
                .err()
                .unwrap()
                .to_string()
                .contains("rotation by 1")
        );
        assert!(s.split(high).err().unwrap().to_string().contains("conjugation"));
        assert!(
            s.prepare_complex(2, Vec::new).is_err() && s.prepare_periodic_complex(2, 8, Vec::new).is_err()
        );
        assert!(s.prepare_periodic_complex(1, 3, Vec::new).is_err());
        assert!(
            s.encode_complex(0, || vec![Complex::default(); s.slots() + 1])
                .is_err()
        );
        assert!(s.mul(high, high, Rescale::Now).is_err(), "no relinearization key");
        assert!(
            s.dot(&[high], &[high], Rescale::Now).is_err(),
            "no relinearization key"
        );
        assert!(matches!(
            s.dot(&[high], &[low], Rescale::Now),
            Err(SchemeError::LevelMismatch { .. })
        ));
        assert!(matches!(
            s.dot(&[low], &[low], Rescale::Now),
            Err(SchemeError::LevelExhausted { .. })
        ));
        assert!(s.encode(0, || vec![0.0; s.slots() + 1]).is_err());
    }
    check(
        &noop,
        &noop.encrypt(1, Vec::new).unwrap(),
        &noop.encrypt(0, Vec::new).unwrap(),
    );
    check(
        &server,
        &encrypt(&client, &params, 1, &[1.0]),
        &encrypt(&client, &params, 0, &[1.0]),
    );
    // Another client's ciphertext.
    let other = CkksClient::new(&params, &Seed::from_bytes([1; 32]));
    let foreign = encrypt(&other, &params, 1, &[1.0]);
    assert!(client.decrypt(&foreign).is_err());
    assert!(
        server
            .add(&mut encrypt(&client, &params, 1, &[1.0]), &foreign)
            .is_err()
    );
}
