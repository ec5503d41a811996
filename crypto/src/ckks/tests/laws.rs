use super::*;
use crate::ckks::evaluator::Rescale::{Lazy, Now};

fn sum(a: Complex, b: Complex) -> Complex {
    Complex::new(a.re + b.re, a.im + b.im)
}

fn rotated(a: &[Complex], step: i32) -> Vec<Complex> {
    let mut a = a.to_vec();
    let slots = a.len() as i32;
    a.rotate_left(step.rem_euclid(slots) as usize);
    a
}

#[test]
fn fresh_ciphertexts_open() {
    let mut setting = Setting::new(literal(8, 3, 2), |_| KeyPlan::default());
    let a = numbers(128, 1);
    for level in 0..=3 {
        let ciphertext = setting.encrypt(&a, level);
        assert_eq!(
            (ciphertext.level(), ciphertext.scale()),
            (level, setting.params.scale(level))
        );
        assert!(setting.error(&ciphertext, &a) < -30.0);
        let public = setting.secret.public_key(&mut setting.rng);
        let plaintext = setting
            .encoder
            .encode_complex(&a, setting.params.scale(level))
            .unwrap();
        let ciphertext = public.encrypt(&plaintext, level, &mut setting.rng).unwrap();
        let error = setting.error(&ciphertext, &a);
        assert!(error < -28.0, "{error}");
    }
}

#[test]
fn sums_products_and_numbers() {
    let mut s = Setting::new(literal(8, 4, 2), |_| KeyPlan::default().relinearization(4));
    let (a, b) = (numbers(128, 1), numbers(128, 2));
    let (x, y) = (s.encrypt(&a, 4), s.encrypt(&b, 4));
    let e = s.evaluator.clone();
    assert!(s.error(&e.add(&x, &y).unwrap(), &map(&a, &b, sum)) < -30.0);
    let difference = e.sub(&x, &y).unwrap();
    assert!(
        s.error(
            &difference,
            &map(&a, &b, |a, b| Complex::new(a.re - b.re, a.im - b.im))
        ) < -30.0
    );
    let mut negative = x.clone();
    e.neg_assign(&mut negative).unwrap();
    assert!(s.error(&negative, &map(&a, &a, |a, _| Complex::new(-a.re, -a.im))) < -30.0);

    let products = map(&a, &b, product);
    let z = e.mul(&x, &y, Now, &mut s.scratch).unwrap();
    assert_eq!((z.level(), z.scale()), (3, s.params.scale(3)));
    let error = s.error(&z, &products);
    assert!(error < -26.0, "{error}");
    let mut lazy = e.mul(&x, &y, Lazy, &mut s.scratch).unwrap();
    assert_eq!((lazy.level(), lazy.scale()), (4, x.scale() * y.scale()));
    assert!(s.error(&lazy, &products) < -26.0);
    e.rescale_assign(&mut lazy, &mut s.scratch).unwrap();
    assert!(s.error(&lazy, &products) < -26.0 && lazy.scale() == s.params.scale(3));
    // Three parts open too, and add up.
    let mut three = e.tensor(&x, &y).unwrap();
    assert!(s.error(&three, &products) < -26.0);
    e.add_assign(&mut three, &e.tensor(&y, &x).unwrap()).unwrap();
    let twice = e.relinearize(&three, Now, &mut s.scratch).unwrap();
    assert!(s.error(&twice, &map(&products, &products, sum)) < -25.0);
    let two = e.mul(&x, &y, Lazy, &mut s.scratch).unwrap();
    let mixed = e.add(&two, &e.tensor(&x, &y).unwrap()).unwrap();
    assert!(s.error(&mixed, &map(&products, &products, sum)) < -25.0);
    let mixed = e.sub(&two, &e.tensor(&x, &y).unwrap()).unwrap();
    assert!(s.error(&mixed, &[Complex::default(); 128]) < -25.0);

    let mut dot = e.empty();
    e.dot_into(&mut dot, &[&x, &y, &x], &[&y, &x, &x], Now, &mut s.scratch)
        .unwrap();
    assert_eq!((dot.level(), dot.scale()), (3, s.params.scale(3)));
    let squares = map(&a, &a, product);
    let expected = map(&map(&products, &products, sum), &squares, sum);
    assert!(s.error(&dot, &expected) < -25.0);
    let other = e.dot_into(&mut dot, &[&x], &[], Now, &mut s.scratch);
    assert!(matches!(other, Err(CkksError::Length { .. })));
    let mut copy = e.empty();
    e.copy_into(&mut copy, &x, 2).unwrap();
    assert!(copy.level() == 2 && s.error(&copy, &a) < -30.0);
    assert!(e.copy_into(&mut dot, &copy, 3).is_err());

    let plain = s.prepare(&b, 4);
    let mut product_plain = e.mul_plain(&x, &plain).unwrap();
    e.rescale_assign(&mut product_plain, &mut s.scratch).unwrap();
    assert_eq!(product_plain.scale(), s.params.scale(3));
    assert!(s.error(&product_plain, &products) < -26.0);
    let mut other = x.clone();
    e.add_plain_assign(&mut other, &plain).unwrap();
    assert!(s.error(&other, &map(&a, &b, sum)) < -29.0);
    e.add_scalar_assign(&mut other, -1.5).unwrap();
    e.mul_scalar_assign(&mut other, 0.3, Now, &mut s.scratch).unwrap();
    let expected = map(&a, &b, |a, b| {
        Complex::new(0.3 * (a.re + b.re - 1.5), 0.3 * (a.im + b.im))
    });
    assert!(s.error(&other, &expected) < -27.0 && other.scale() == s.params.scale(3));
    let mut turned = x.clone();
    e.mul_i_assign(&mut turned).unwrap();
    assert!(s.error(&turned, &map(&a, &a, |a, _| Complex::new(-a.im, a.re))) < -30.0);
    // A sum with a number at the scale of a product.
    let mut lazy = e.mul(&x, &y, Lazy, &mut s.scratch).unwrap();
    e.add_scalar_assign(&mut lazy, -0.75).unwrap();
    assert!(s.error(&lazy, &map(&products, &a, |p, _| Complex::new(p.re - 0.75, p.im))) < -26.0);
}

#[test]
fn the_whole_chain_keeps_the_canonical_scale() {
    let mut s = Setting::new(literal(8, 6, 3), |_| KeyPlan::default().relinearization(6));
    let mut expected = numbers(128, 3);
    let mut x = s.encrypt(&expected, 6);
    let fresh = x.clone();
    for level in (0..6).rev() {
        x = s.evaluator.clone().square(&x, Now, &mut s.scratch).unwrap();
        expected = map(&expected, &expected, product);
        assert_eq!((x.level(), x.scale()), (level, s.params.scale(level)));
        assert!(s.error(&x, &expected) < -24.0, "{level}");
        // What waited at the top joins here.
        let aligned = s.evaluator.clone().align(&fresh, level, &mut s.scratch).unwrap();
        let total = s.evaluator.add(&x, &aligned).unwrap();
        assert!(s.error(&total, &map(&expected, &numbers(128, 3), sum)) < -24.0);
    }
}

#[test]
fn rotations_by_every_way() {
    for dnum in [1, 2, 5] {
        let steps = [0, 1, -3, 17, 127];
        let mut s = Setting::new(literal(8, 4, dnum), |_| {
            KeyPlan::default().rotations(steps, 4).conjugation(4)
        });
        let a = numbers(128, 4);
        let e = s.evaluator.clone();
        for level in [4, 2, 0] {
            let x = s.encrypt(&a, level);
            let many = e.rotate_many(&x, &steps, &mut s.scratch).unwrap();
            for (step, hoisted) in steps.into_iter().zip(&many) {
                let one = e.rotate(&x, step, &mut s.scratch).unwrap();
                for ciphertext in [&one, hoisted] {
                    let error = s.error(ciphertext, &rotated(&a, step));
                    assert!(error < -26.0, "{dnum} {level} {step} {error}");
                }
            }
            let conjugate = e.conjugate(&x, &mut s.scratch).unwrap();
            assert!(s.error(&conjugate, &map(&a, &a, |a, _| Complex::new(a.re, -a.im))) < -26.0);
        }
    }
}

#[test]
fn sums_over_slots_and_dot_products() {
    let mut s = Setting::new(literal(8, 2, 1), |_| KeyPlan::default().rotations([4, 8, 16], 2));
    let e = s.evaluator.clone();
    let a = numbers(128, 5);
    let x = s.encrypt(&a, 2);
    let total = e.rotate_and_sum(&x, 8, 4, &mut s.scratch).unwrap();
    let expected: Vec<Complex> = (0..128)
        .map(|i| (0..8).fold(Complex::default(), |total, j| sum(total, a[(i + 4 * j) % 128])))
        .collect();
    assert!(s.error(&total, &expected) < -25.0);
    // More pairs than a sum of products takes without a reduction.
    let pairs: Vec<_> = (0..33)
        .map(|i| {
            let (a, b) = (numbers(128, i), numbers(128, 100 + i));
            (s.encrypt(&a, 2), s.prepare(&b, 2), map(&a, &b, product))
        })
        .collect();
    let ciphertexts: Vec<_> = pairs.iter().map(|pair| &pair.0).collect();
    let plaintexts: Vec<_> = pairs.iter().map(|pair| &pair.1).collect();
    for count in [1, 7, 33] {
        let dot = e.dot_plain(&ciphertexts[..count], &plaintexts[..count]).unwrap();
        let expected = pairs[..count]
            .iter()
            .fold(vec![Complex::default(); 128], |total, pair| {
                map(&total, &pair.2, sum)
            });
        assert!(s.error(&dot, &expected) < -24.0, "{count}");
    }
}

#[test]
fn linear_transforms() {
    let slots = 32;
    let dense = |row: usize, column: usize| {
        Complex::new(
            ((row * 7 + column * 3) as f64).sin(),
            (row as f64 - column as f64).cos(),
        )
    };
    let matrices = [
        Diagonals::of_matrix(slots, dense),
        Diagonals::new().with_real(0, &[0.5; 32]),
        Diagonals::new()
            .with_real(-1, &[0.5; 32])
            .with(9, numbers(32, 8))
            .with_real(0, &[1.0; 32]),
    ];
    for (matrix, diagonals) in matrices.iter().enumerate() {
        for level in [3, 1] {
            let plan = |params: &Params| PreparedDiagonals::plan(params, diagonals.steps(), level);
            let mut s = Setting::new(literal(6, 3, 2), plan);
            let e = s.evaluator.clone();
            let a = numbers(slots, 6);
            let x = s.encrypt(&a, level);
            let transform = PreparedDiagonals::new(&s.encoder, diagonals, level).unwrap();
            assert_eq!(transform.key_plan(), plan(&s.params));
            let mut expected = vec![Complex::default(); slots];
            for (step, numbers) in &diagonals_of(diagonals) {
                let moved = rotated(&a, *step);
                expected = map(&expected, &map(numbers, &moved, product), sum);
            }
            let result = e.linear_transform(&x, &transform, Now, &mut s.scratch).unwrap();
            assert_eq!(
                (result.level(), result.scale()),
                (level - 1, s.params.scale(level - 1))
            );
            let error = s.error(&result, &expected);
            assert!(error < -25.0, "{matrix} {level} {error}");
            let mut lazy = e.linear_transform(&x, &transform, Lazy, &mut s.scratch).unwrap();
            e.rescale_assign(&mut lazy, &mut s.scratch).unwrap();
            assert!(s.error(&lazy, &expected) < -25.0);
        }
    }
}

fn diagonals_of(diagonals: &Diagonals) -> Vec<(i32, Vec<Complex>)> {
    diagonals
        .steps()
        .map(|step| (step, diagonals.get(step).unwrap().to_vec()))
        .collect()
}

#[test]
fn dense_matrices_take_few_rotations() {
    let params = INSECURE_ParamsLiteral(literal(8, 1, 1)).build().unwrap();
    let plan = PreparedDiagonals::plan(&params, 0..128, 1);
    // 15 baby and 7 giant steps.
    assert_eq!(plan.keys(), 22);
}

#[test]
fn chebyshev_polynomials_take_the_least_depth() {
    let mut s = Setting::new(literal(7, 7, 3), |_| KeyPlan::default().relinearization(7));
    let a: Vec<Complex> = (0..64)
        .map(|i| Complex::new(i as f64 / 32.0 - 1.0, 0.0))
        .collect();
    for (degree, level) in [
        (0, 7),
        (1, 7),
        (2, 7),
        (3, 7),
        (5, 7),
        (7, 6),
        (8, 6),
        (15, 7),
        (31, 7),
        (63, 7),
        (100, 7),
        (127, 7),
    ] {
        let coefficients = (0..=degree)
            .map(|k| (k as f64 * 1.1 + 0.3).cos() / (1.0 + k as f64))
            .collect();
        let polynomial = Chebyshev::new(coefficients).unwrap();
        let x = s.encrypt(&a, level);
        let y = s
            .evaluator
            .clone()
            .chebyshev(&x, &polynomial, &mut s.scratch)
            .unwrap();
        let depth = (degree + 1_usize).next_power_of_two().ilog2() as usize;
        assert_eq!(
            (y.level(), y.scale()),
            (level - depth, s.params.scale(level - depth)),
            "{degree}"
        );
        let expected: Vec<Complex> = a
            .iter()
            .map(|x| Complex::new(polynomial.evaluate(x.re), 0.0))
            .collect();
        let error = s.error(&y, &expected);
        assert!(error < -20.0, "{degree} {error}");
    }
}

#[test]
fn functions_on_an_interval() {
    let mut s = Setting::new(literal(7, 6, 2), |_| KeyPlan::default().relinearization(6));
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let polynomial = Chebyshev::interpolate(23, -6.0, 6.0, sigmoid).unwrap();
    let a: Vec<Complex> = (0..64)
        .map(|i| Complex::new(i as f64 * 12.0 / 63.0 - 6.0, 0.0))
        .collect();
    let x = s.encrypt(&a, 6);
    let e = s.evaluator.clone();
    let x = e.normalize(&x, -6.0, 6.0, &mut s.scratch).unwrap();
    let y = e.chebyshev(&x, &polynomial, &mut s.scratch).unwrap();
    let expected: Vec<Complex> = a.iter().map(|x| Complex::new(sigmoid(x.re), 0.0)).collect();
    assert_eq!(y.level(), 0);
    assert!(s.error(&y, &expected) < -10.0);
    // T_2, T_3, T_4, T_8 and four splits.
    let full = Chebyshev::new((1..=16).map(|k| 1.0 / f64::from(k)).collect()).unwrap();
    assert_eq!((full.products(), full.depth()), (8, 4));
}

#[test]
fn signs_and_inverses() {
    let mut s = Setting::new(literal(7, 12, 4), |_| KeyPlan::default().relinearization(12));
    let e = s.evaluator.clone();
    let a: Vec<Complex> = (0..64)
        .map(|i| Complex::new(if i < 32 { 0.05 } else { -1.0 } + (i % 32) as f64 * 0.03, 0.0))
        .collect();
    let x = s.encrypt(&a, 12);
    let steps = functions::sign(2, 2);
    let y = e.composite(&x, &steps, &mut s.scratch).unwrap();
    assert_eq!(y.level(), 0);
    let expected: Vec<Complex> = a.iter().map(|x| Complex::new(x.re.signum(), 0.0)).collect();
    assert!(s.error(&y, &expected) < -12.0, "{}", s.error(&y, &expected));
    let a: Vec<Complex> = (0..64)
        .map(|i| Complex::new(0.1 + i as f64 * 1.8 / 63.0, 0.0))
        .collect();
    let x = s.encrypt(&a, 12);
    let y = e.inverse(&x, 7, &mut s.scratch).unwrap();
    assert_eq!((y.level(), y.scale()), (4, s.params.scale(4)));
    let expected: Vec<Complex> = a.iter().map(|x| Complex::new(1.0 / x.re, 0.0)).collect();
    assert!(s.error(&y, &expected) < -24.0, "{}", s.error(&y, &expected));
}

/// At real sizes and 128 bits of security: once.
#[test]
fn a_real_ring() {
    let params = Params::new(ParamsLiteral::new(13, 40, 2, 3)).unwrap();
    let mut rng = Seed::from_bytes([5; 32]).rng();
    let secret = SecretKey::generate(&params, &Seed::from_bytes([6; 32]));
    let keys = secret
        .eval_keys(&KeyPlan::default().relinearization(2).rotation(-100, 1), &mut rng)
        .unwrap();
    let evaluator = Evaluator::new(&params, Arc::new(keys)).unwrap();
    let (encoder, mut scratch) = (Encoder::new(&params), evaluator.scratch());
    let a: Vec<f64> = (0..4096).map(|i| (i as f64).cos()).collect();
    let plaintext = encoder.encode_real(&a, params.scale(2)).unwrap();
    let x = secret
        .encrypt(&plaintext, 2, &mut rng)
        .unwrap()
        .expand(&params)
        .unwrap();
    let y = evaluator.square(&x, Now, &mut scratch).unwrap();
    let y = evaluator.rotate(&y, -100, &mut scratch).unwrap();
    let numbers = encoder.decode_real(&secret.decrypt(&y).unwrap());
    for (i, number) in numbers.iter().enumerate() {
        let error = number - a[(i + 4096 - 100) % 4096].powi(2);
        assert!(error.abs() < 2_f64.powi(-20), "{i} {error}");
    }
}
