//! Measured variances within a factor of two of the predicted ones; none where an operation is exact.

use super::*;
use crate::ckks::evaluator::Rescale::{Lazy, Now};
use crate::ckks::noise;

/// The mean square of the differences of coefficients.
fn variance(actual: &[f64], expected: &[f64]) -> f64 {
    let squares = actual.iter().zip(expected).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>() / actual.len() as f64
}

fn check(what: &str, measured: f64, predicted: f64) {
    let ratio = measured / predicted;
    assert!(
        (0.5..2.0).contains(&ratio),
        "{what}: measured {measured}, predicted {predicted}, ratio {ratio}"
    );
}

/// The product modulo `X^N + 1`.
fn negacyclic(a: &[f64], b: &[f64]) -> Vec<f64> {
    let degree = a.len();
    let mut product = vec![0.0; degree];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            let sign = if i + j < degree { 1.0 } else { -1.0 };
            product[(i + j) % degree] += sign * a * b;
        }
    }
    product
}

fn image(a: &[f64], exponent: usize) -> Vec<f64> {
    let degree = a.len();
    let mut image = vec![0.0; degree];
    for (index, number) in a.iter().enumerate() {
        let to = index * exponent % (2 * degree);
        image[to % degree] = if to < degree { *number } else { -number };
    }
    image
}

#[test]
fn variances_are_as_predicted() {
    for (levels, dnum) in [(5, 2), (5, 6), (3, 1)] {
        let plan = |_: &Params| {
            KeyPlan::default()
                .relinearization(5.min(levels as usize))
                .rotation(1, levels as usize)
                .conjugation(levels as usize)
        };
        let mut s = Setting::new(ParamsLiteral::new(10, 40, levels, dnum), plan);
        let params = s.params.clone();
        let top = params.levels();
        let a = numbers(params.slots(), 1);
        let plaintext = s.encoder.encode_complex(&a, params.scale(top)).unwrap();
        let clear: Vec<f64> = plaintext
            .coefficients()
            .iter()
            .map(|number| *number as f64)
            .collect();
        let x = s.encrypt(&a, top);
        let open = |s: &Setting, ciphertext: &Ciphertext| {
            s.secret
                .decrypt(ciphertext)
                .unwrap()
                .coefficients
                .expose()
                .clone()
        };
        let opened = open(&s, &x);
        check("fresh", variance(&opened, &clear), noise::fresh());
        let public = s
            .secret
            .public_key(&mut s.rng)
            .encrypt(&plaintext, top, &mut s.rng)
            .unwrap();
        check(
            "public",
            variance(&open(&s, &public), &clear),
            noise::public(&params),
        );

        let e = s.evaluator.clone();
        for level in [top, top - 1, 1] {
            let mut lower = x.clone();
            e.drop_level(&mut lower, level).unwrap();
            let exponent = params.tables().automorphisms.rotation_exponent(1);
            let rotated = e.rotate(&lower, 1, &mut s.scratch).unwrap();
            check(
                "rotation",
                variance(&open(&s, &rotated), &image(&opened, exponent)),
                noise::key_switch(&params, level),
            );
            let conjugate = e.conjugate(&lower, &mut s.scratch).unwrap();
            check(
                "conjugation",
                variance(&open(&s, &conjugate), &image(&opened, 2 * params.degree() - 1)),
                noise::key_switch(&params, level),
            );
            // A product by i only moves coefficients: no noise at all.
            let mut turned = lower.clone();
            e.mul_i_assign(&mut turned).unwrap();
            let (low, high) = opened.split_at(params.slots());
            let moved: Vec<f64> = high.iter().map(|n| -n).chain(low.iter().copied()).collect();
            assert_eq!(open(&s, &turned), moved);
            let hoisted = e.rotate_many(&lower, &[1], &mut s.scratch).unwrap();
            check(
                "hoisted",
                variance(&open(&s, &hoisted[0]), &image(&opened, exponent)),
                noise::key_switch(&params, level),
            );
        }
        let mut rescaled = x.clone();
        e.rescale_assign(&mut rescaled, &mut s.scratch).unwrap();
        let divided: Vec<f64> = opened
            .iter()
            .map(|number| number / params.prime(top) as f64)
            .collect();
        check(
            "rescale",
            variance(&open(&s, &rescaled), &divided),
            noise::rescale(&params),
        );

        // Of the product with itself, whose noise counts twice.
        let squared: Vec<f64> = negacyclic(&clear, &clear)
            .iter()
            .map(|number| number / params.prime(top) as f64)
            .collect();
        let mean = a.iter().map(|number| number.abs().powi(2)).sum::<f64>() / a.len() as f64;
        let message = noise::message(&params, mean, params.scale(top));
        let prime = params.prime(top) as f64;
        let tensor = 2.0 * noise::product(&params, (message, noise::fresh()), (message, noise::fresh()))
            / prime.powi(2);
        let product = e.square(&x, Now, &mut s.scratch).unwrap();
        let predicted = tensor + noise::key_switch_rescaled(&params, top);
        check("product", variance(&open(&s, &product), &squared), predicted);
        let mut product = e.square(&x, Lazy, &mut s.scratch).unwrap();
        e.rescale_assign(&mut product, &mut s.scratch).unwrap();
        let predicted = tensor + noise::key_switch(&params, top) / prime.powi(2) + noise::rescale(&params);
        check(
            "product, rescaled afterwards",
            variance(&open(&s, &product), &squared),
            predicted,
        );
        // And so a slot's error.
        let error = s.error(&product, &map(&a, &a, super::product));
        let typical = noise::slot_log2(&params, predicted + noise::encoding(), product.scale());
        assert!((typical..typical + 3.0).contains(&error), "{error} {typical}");
    }
}
