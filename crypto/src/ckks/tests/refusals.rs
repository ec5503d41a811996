use super::*;
use crate::ckks::evaluator::Rescale::{Lazy, Now};

#[test]
fn scales_levels_and_parts_that_differ() {
    let mut s = Setting::new(literal(6, 2, 1), |_| {
        KeyPlan::default().relinearization(1).rotation(1, 1)
    });
    let a = numbers(32, 1);
    let (x, low) = (s.encrypt(&a, 2), s.encrypt(&a, 1));
    let e = s.evaluator.clone();
    let text = |error: CkksError| error.to_string();
    assert_eq!(
        text(e.add(&x, &low).unwrap_err()),
        "the second operand at level 1, expected 2"
    );
    let mut half = x.clone();
    half.set_scale(x.scale() / 2.0);
    let error = text(e.add(&x, &half).unwrap_err());
    assert_eq!(
        error,
        "a summand with a scale of 2^39.000000, expected 2^40.000000"
    );
    assert!(matches!(
        e.align(&half, 2, &mut s.scratch),
        Err(CkksError::Scale { .. })
    ));
    let plain = s.prepare(&a, 1);
    assert_eq!(
        text(e.mul_plain(&x, &plain).unwrap_err()),
        "a plaintext prepared at level 1, expected 2"
    );
    let three = e.tensor(&low, &low).unwrap();
    assert!(matches!(
        e.rotate(&three, 1, &mut s.scratch),
        Err(CkksError::Parts {
            actual: 3,
            expected: 2,
            ..
        })
    ));
    assert!(matches!(
        e.relinearize(&low, Now, &mut s.scratch),
        Err(CkksError::Parts {
            actual: 2,
            expected: 3,
            ..
        })
    ));
    assert!(matches!(
        e.drop_level(&mut low.clone(), 2),
        Err(CkksError::Level { .. })
    ));
    assert!(matches!(e.dot_plain(&[&x], &[]), Err(CkksError::Length { .. })));
    assert!(e.add_scalar_assign(&mut x.clone(), f64::NAN).is_err());
    assert!(e.rotate_and_sum(&low, 3, 1, &mut s.scratch).is_err());
}

#[test]
fn keys_that_are_not_there() {
    let mut s = Setting::new(literal(6, 2, 1), |_| {
        KeyPlan::default().relinearization(1).rotation(1, 1)
    });
    let a = numbers(32, 1);
    let (x, low) = (s.encrypt(&a, 2), s.encrypt(&a, 1));
    let e = s.evaluator.clone();
    let error = e.mul(&x, &x, Lazy, &mut s.scratch).unwrap_err().to_string();
    assert_eq!(
        error,
        "no relinearisation key up to level 2: put it into the plan of the evaluation keys"
    );
    assert!(e.mul(&low, &low, Lazy, &mut s.scratch).is_ok());
    let error = e.rotate(&low, 2, &mut s.scratch).unwrap_err().to_string();
    assert!(
        error.starts_with("no Galois key for a rotation by 2 up to level 1"),
        "{error}"
    );
    assert!(matches!(
        e.conjugate(&low, &mut s.scratch),
        Err(CkksError::MissingKey { .. })
    ));
    assert!(matches!(
        s.secret.eval_keys(&KeyPlan::default().rotation(1, 3), &mut s.rng),
        Err(CkksError::Level { .. })
    ));
}

#[test]
fn levels_that_are_used_up() {
    let mut s = Setting::new(literal(6, 1, 1), |_| KeyPlan::default().relinearization(1));
    let a = numbers(32, 1);
    let x = s.encrypt(&a, 0);
    let e = s.evaluator.clone();
    for result in [
        e.mul(&x, &x, Now, &mut s.scratch).map(|_| ()),
        e.rescale_assign(&mut x.clone(), &mut s.scratch),
        e.mul_scalar_assign(&mut x.clone(), 0.5, Now, &mut s.scratch),
        e.chebyshev(&x, &Chebyshev::new(vec![0.0, 1.0]).unwrap(), &mut s.scratch)
            .map(|_| ()),
    ] {
        assert!(
            matches!(
                result,
                Err(CkksError::LevelsExhausted {
                    actual: 0,
                    needed: 1,
                    ..
                })
            ),
            "{result:?}"
        );
    }
}

#[test]
fn other_keys_and_parameters() {
    let mut s = Setting::new(literal(6, 2, 1), |_| KeyPlan::default().relinearization(2));
    let a = numbers(32, 1);
    let x = s.encrypt(&a, 2);
    let other = SecretKey::generate(&s.params, &Seed::from_bytes([9; 32]));
    let plaintext = s.encoder.encode_complex(&a, s.params.scale(2)).unwrap();
    let theirs = other
        .encrypt(&plaintext, 2, &mut s.rng)
        .unwrap()
        .expand(&s.params)
        .unwrap();
    let error = s.evaluator.add(&x, &theirs).unwrap_err();
    assert_eq!(
        error,
        CkksError::Key {
            what: "a ciphertext",
            actual: other.id(),
            expected: s.secret.id()
        }
    );
    assert!(matches!(s.secret.decrypt(&theirs), Err(CkksError::Key { .. })));
    let params = INSECURE_ParamsLiteral(literal(6, 2, 2)).build().unwrap();
    let foreign = SecretKey::generate(&params, &Seed::from_bytes([6; 32]));
    let theirs = foreign.encrypt(&plaintext, 2, &mut s.rng).unwrap();
    assert!(matches!(
        theirs.expand(&s.params),
        Err(CkksError::Parameters { .. })
    ));
    let theirs = theirs.expand(&params).unwrap();
    assert!(matches!(
        s.evaluator.add(&x, &theirs),
        Err(CkksError::Parameters { .. })
    ));
    assert!(matches!(
        s.secret.decrypt(&theirs),
        Err(CkksError::Parameters { .. })
    ));
    let keys = Arc::new(EvalKeys::none(&params, foreign.id()));
    assert!(matches!(
        Evaluator::new(&s.params, keys),
        Err(CkksError::Parameters { .. })
    ));
    let prepared = Encoder::new(&params).prepare(&plaintext, 2).unwrap();
    assert!(matches!(
        s.evaluator.mul_plain(&x, &prepared),
        Err(CkksError::Parameters { .. })
    ));
}
