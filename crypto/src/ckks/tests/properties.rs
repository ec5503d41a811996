//! Homomorphism laws for numbers, rings and levels of any kind.

use proptest::prelude::*;

use super::*;
use crate::ckks::evaluator::Rescale::{Lazy, Now};

fn slots(seed: &[(f64, f64)], count: usize) -> Vec<Complex> {
    (0..count)
        .map(|i| seed[i % seed.len()])
        .map(|(re, im)| Complex::new(re, im))
        .collect()
}

fn vector() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec((-1.0..1.0, -1.0..1.0), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Sums are below 4, which level 0 holds up to scales of 46 bits.
    /// `rot(a b + c p) = rot(a) rot(b) + rot(c) rot(p)`, for products of either kind, at any level, with any digits.
    #[test]
    fn rotations_commute_with_sums_of_products(
        log_degree in 5_u32..9, levels in 1_u32..5, dnum in 1_u32..5, scale_bits in 36_u32..=46, step in -40_i32..40,
        lower in 0_usize..4, a in vector(), b in vector(), c in vector(), p in vector(),
    ) {
        let literal = ParamsLiteral::new(log_degree, scale_bits, levels, dnum.min(levels + 1));
        let level = (levels as usize).saturating_sub(lower).max(1);
        let mut s = Setting::new(literal, |_| KeyPlan::default().relinearization(level).rotation(step, level));
        let [a, b, c, p] = [a, b, c, p].map(|seed| slots(&seed, s.params.slots()));
        let [x, y, z] = [&a, &b, &c].map(|numbers| s.encrypt(numbers, level));
        let plain = s.prepare(&p, level);
        let e = s.evaluator.clone();

        let mut sum = e.mul(&x, &y, Lazy, &mut s.scratch).unwrap();
        e.add_assign(&mut sum, &e.mul_plain(&z, &plain).unwrap()).unwrap();
        e.rescale_assign(&mut sum, &mut s.scratch).unwrap();
        let left = e.rotate(&sum, step, &mut s.scratch).unwrap();

        let [x, y, z] = [&x, &y, &z].map(|ciphertext| e.rotate(ciphertext, step, &mut s.scratch).unwrap());
        let mut moved = p.clone();
        moved.rotate_left(step.rem_euclid(p.len() as i32) as usize);
        let mut right = e.mul(&x, &y, Now, &mut s.scratch).unwrap();
        let mut other = e.mul_plain(&z, &s.prepare(&moved, level)).unwrap();
        e.rescale_assign(&mut other, &mut s.scratch).unwrap();
        e.add_assign(&mut right, &other).unwrap();

        let mut expected = map(&map(&a, &b, product), &map(&c, &p, product), |a, b| Complex::new(a.re + b.re, a.im + b.im));
        expected.rotate_left(step.rem_euclid(p.len() as i32) as usize);
        let bound = 16.0 - f64::from(scale_bits);
        let (left, right) = (s.error(&left, &expected), s.error(&right, &expected));
        prop_assert!(left < bound && right < bound, "{left} {right} {bound}");
    }

    /// Numbers that repeat: sums of products as with plaintexts that hold every repetition.
    #[test]
    fn numbers_that_repeat_combine_as_others_do(
        log_degree in 7_u32..10, log_period in 0_u32..6, lower in 0_usize..2, a in vector(), b in vector(),
        weights in prop::collection::vec(-1.0..1.0, 3 * 32),
    ) {
        let mut s = Setting::new(literal(log_degree, 2, 2), |_| KeyPlan::default());
        let (level, period) = (2 - lower, 1_usize << log_period);
        prop_assume!(s.encoder.has_period(period));
        let [a, b] = [a, b].map(|seed| slots(&seed, s.params.slots()));
        let [x, y] = [&a, &b].map(|numbers| s.encrypt(numbers, level));
        let parts: Vec<&[f64]> = weights.chunks(32).map(|part| &part[..period]).collect();
        let wide = |part: usize| -> Vec<Complex> {
            parts[part].iter().cycle().take(a.len()).map(|n| Complex::new(*n, 0.0)).collect()
        };
        let scale = s.params.scale(level);
        let short: Vec<_> = parts.iter().map(|part| s.encoder.prepare_periodic(part, scale, 2).unwrap()).collect();
        prop_assert!(short[0].bytes() == 3 * 8 * (2 * period).max(16) && short[0].level() == 2);
        let rows = [vec![(0, &short[0]), (1, &short[1])], vec![(1, &short[2])]];
        let outs = s.evaluator.combine(&[&x, &y], &rows).unwrap();
        let full: Vec<_> = (0..3).map(|part| s.prepare(&wide(part), level)).collect();
        let expected = [
            s.evaluator.dot_plain(&[&x, &y], &[&full[0], &full[1]]).unwrap(),
            s.evaluator.mul_plain(&y, &full[2]).unwrap(),
        ];
        for (out, expected) in outs.iter().zip(&expected) {
            prop_assert_eq!(out.scale(), expected.scale());
            let numbers = s.encoder.decode_complex(&s.secret.decrypt(expected).unwrap());
            let error = s.error(out, &numbers);
            prop_assert!(error < -25.0, "{error}");
        }
        prop_assert!(s.evaluator.combine(&[&x, &y], &[vec![(2, &short[0])]]).is_err());
        prop_assert!(s.evaluator.combine(&[&x, &y], &[vec![]]).is_err());
    }

    /// `conj(i (a b)) = -i conj(a) conj(b)`, for ciphertexts and for plaintexts of either kind, at any level, with any digits; the
    /// parts come apart as `z + conj z` and `-i (z - conj z)`.
    #[test]
    fn conjugation_is_a_homomorphism(
        log_degree in 7_u32..9, levels in 1_u32..5, dnum in 1_u32..5, lower in 0_usize..4, a in vector(), b in vector(),
        log_period in 0_u32..4,
    ) {
        let level = (levels as usize).saturating_sub(lower).max(1);
        let plan = |_: &Params| KeyPlan::default().relinearization(level).conjugation(level);
        let mut s = Setting::new(literal(log_degree, levels, dnum.min(levels + 1)), plan);
        // What repeats, so that it is a plaintext of any kind.
        let period = 1_usize << log_period;
        let b: Vec<(f64, f64)> = b.iter().copied().cycle().take(period).collect();
        let [a, b] = [a, b].map(|seed| slots(&seed, s.params.slots()));
        let [x, y] = [&a, &b].map(|numbers| s.encrypt(numbers, level));
        let e = s.evaluator.clone();
        let periodic = s.encoder.prepare_periodic_complex(&b[..period], s.params.scale(level), level).unwrap();
        let mut products = vec![e.mul(&x, &y, Lazy, &mut s.scratch).unwrap(), e.mul_plain(&x, &s.prepare(&b, level)).unwrap()];
        products.extend(e.combine(&[&x], &[vec![(0, &periodic)]]).unwrap());
        let [below, other] = [&x, &y].map(|z| e.conjugate(z, &mut s.scratch).unwrap());
        let mut right = e.mul(&below, &other, Now, &mut s.scratch).unwrap();
        (0..3).for_each(|_| e.mul_i_assign(&mut right).unwrap());
        let expected = map(&a, &b, |a, b| {
            let p = product(a, b);
            Complex::new(-p.im, -p.re)
        });
        let error = s.error(&right, &expected);
        prop_assert!(error < -24.0, "{error}");
        for mut left in products {
            let scale = left.scale();
            e.mul_i_assign(&mut left).unwrap();
            prop_assert!(left.scale() == scale && left.level() == level, "no level, no scale");
            e.rescale_assign(&mut left, &mut s.scratch).unwrap();
            // A level lower: the key serves it too.
            let left = e.conjugate(&left, &mut s.scratch).unwrap();
            let error = s.error(&left, &expected);
            prop_assert!(error < -24.0, "{error}");
        }
        let twice_real = e.add(&x, &below).unwrap();
        let mut twice_imaginary = e.sub(&x, &below).unwrap();
        (0..3).for_each(|_| e.mul_i_assign(&mut twice_imaginary).unwrap());
        let (real, imaginary): (Vec<_>, Vec<_>) =
            a.iter().map(|a| (Complex::new(2.0 * a.re, 0.0), Complex::new(2.0 * a.im, 0.0))).unzip();
        let errors = (s.error(&twice_real, &real), s.error(&twice_imaginary, &imaginary));
        prop_assert!(errors.0 < -26.0 && errors.1 < -26.0, "{errors:?}");
    }

    /// `(a + b) c = a c + b c`, and what is added and taken away again leaves nothing.
    #[test]
    fn products_distribute(a in vector(), b in vector(), c in vector(), number in -10.0..10.0) {
        let mut s = Setting::new(literal(6, 2, 2), |_| KeyPlan::default().relinearization(2));
        let [a, b, c] = [a, b, c].map(|seed| slots(&seed, 32));
        let [x, y, z] = [&a, &b, &c].map(|numbers| s.encrypt(numbers, 2));
        let e = s.evaluator.clone();
        let left = e.mul(&e.add(&x, &y).unwrap(), &z, Now, &mut s.scratch).unwrap();
        let mut right = e.tensor(&x, &z).unwrap();
        e.add_assign(&mut right, &e.tensor(&y, &z).unwrap()).unwrap();
        let right = e.relinearize(&right, Now, &mut s.scratch).unwrap();
        let mut difference = e.sub(&left, &right).unwrap();
        prop_assert!(s.error(&difference, &[Complex::default(); 32]) < -25.0);
        e.add_scalar_assign(&mut difference, number).unwrap();
        e.mul_scalar_assign(&mut difference, -0.5, Now, &mut s.scratch).unwrap();
        prop_assert!(s.error(&difference, &[Complex::new(-0.5 * number, 0.0); 32]) < -24.0);
    }
}
