use num_bigint::BigInt;
use rand_core::Rng;

use super::fit::Fit;
use super::*;
use crate::exact::ExactError;
use crate::ring::Poly;
use crate::seed::Seed;

const P: u64 = 65_537;

fn rng(seed: u8) -> rand_chacha::ChaCha20Rng {
    Seed::from_bytes([seed; 32]).rng()
}

struct Case {
    params: ProductParams,
    key: ProductKey,
    evaluator: ProductEvaluator,
    rng: rand_chacha::ChaCha20Rng,
}

impl Case {
    fn new(params: &ProductParams, rotations: &[usize], seed: u8) -> Self {
        let params = ProductParams::new(params.literal().clone()).unwrap();
        let key = ProductKey::generate(&params, &Seed::from_bytes([seed; 32]));
        let evaluation = key.evaluation_bytes(rotations, &Seed::from_bytes([seed + 1; 32]));
        assert_eq!(evaluation.len(), params.evaluation_key_bytes(rotations));
        let public = key.public().to_bytes();
        assert_eq!(public.len(), params.public_key_bytes());
        let keys = ProductKeys::read(&params, &public, &evaluation, rotations).unwrap();
        Self {
            evaluator: keys.evaluator().unwrap(),
            params,
            key,
            rng: rng(seed),
        }
    }

    fn numbers(&mut self) -> Vec<u64> {
        (0..self.params.slots())
            .map(|_| self.rng.next_u64() % P)
            .collect()
    }

    fn encrypted(&mut self, numbers: &[u64]) -> ProductCiphertext {
        let bytes = self.key.encrypt(numbers, &mut self.rng).unwrap();
        assert_eq!(bytes.len(), self.params.input_bytes());
        self.evaluator.read(&bytes).unwrap()
    }

    /// The largest coefficient of the phase, and the square root of the mean square.
    fn measured(&self, ct: &ProductCiphertext) -> (f64, f64) {
        let body = ct.body().unwrap();
        let mut phase = body.c0.clone();
        let secret = self.key.secret().values().expose().truncated(body.c0.basis());
        phase.add_assign(&Poly::product(&body.c1, &secret));
        let phase = phase.into_coeff();
        let primes: Vec<BigInt> = body.c0.basis().primes().map(Into::into).collect();
        let product: BigInt = primes.iter().product();
        let shares: Vec<BigInt> = primes
            .iter()
            .map(|prime| {
                let others = &product / prime;
                others.modpow(&(prime - 2), prime) * others
            })
            .collect();
        let degree = self.params.slots();
        let (mut largest, mut squares) = (0.0_f64, 0.0);
        let places = (0..degree).step_by(degree / 512);
        for place in places.clone() {
            let mut number = BigInt::from(0);
            for (share, words) in shares.iter().zip(phase.words().chunks(degree)) {
                number += share * words[place];
            }
            number %= &product;
            if &number * 2 > product {
                number -= &product;
            }
            let number: f64 = number.to_string().parse().unwrap();
            largest = largest.max(number.abs());
            squares += number * number;
        }
        (largest, (squares / places.count() as f64).sqrt())
    }

    fn check(&self, what: &str, ct: &ProductCiphertext) {
        let (largest, deviation) = self.measured(ct);
        let noise = ct.noise();
        assert!(largest <= noise.bound, "{what}: {largest:e} above {noise:?}");
        let ratio = deviation / noise.variance.sqrt();
        assert!((0.5..2.0).contains(&ratio), "{what}: {ratio} of {noise:?}");
    }

    fn slots(&mut self, ct: &ProductCiphertext) -> Vec<u64> {
        let masks = vec![0; self.params.literal().cells];
        let answer = self.evaluator.answer(ct, &masks, &mut self.rng).unwrap();
        let bytes = answer.to_bytes();
        assert_eq!(bytes.len(), self.params.answer_bytes());
        let answer = self.params.read_answer(&bytes).unwrap();
        self.key.open_slots(&answer).unwrap().expose().clone()
    }
}

fn fit(degree: usize, drops: usize, cells: usize) -> Fit {
    Fit {
        degree,
        plaintext: P,
        drops,
        cells,
    }
}

/// `(a b) (c + 3) + a d`, the last two products summed before they are relinearised.
fn circuit(
    evaluator: &ProductEvaluator,
    [a, b, c, d]: [&ProductCiphertext; 4],
) -> Result<ProductCiphertext, ExactError> {
    let first = evaluator.mul(a, b)?;
    let mut second = c.clone();
    evaluator.add_number(&mut second, 3);
    let mut sum = evaluator.sum(first.level());
    evaluator.add_product(&mut sum, &first, &second)?;
    evaluator.add_product(&mut sum, a, d)?;
    evaluator.finish(sum, false)
}

fn params(degree: usize) -> ProductParams {
    let bounds = |evaluator: &ProductEvaluator| {
        let fresh = evaluator.fresh();
        circuit(evaluator, [&fresh; 4])
    };
    fit(degree, 1, degree).params(bounds).unwrap()
}

#[test]
fn a_circuit_opens_to_its_values_with_noise_as_predicted() {
    for degree in [8192, 16_384] {
        let params = params(degree);
        assert!(params.noise().flooding_bits() >= 40);
        let mut case = Case::new(&params, &[], 1);
        let [a, b, c, d] = [(); 4].map(|()| case.numbers());
        let [ea, eb, ec, ed] = [&a, &b, &c, &d].map(|numbers| case.encrypted(numbers));
        case.check("fresh", &ea);
        case.check("product", &case.evaluator.mul(&ea, &eb).unwrap());
        let mut lowered = case.evaluator.mul(&ea, &eb).unwrap();
        case.evaluator.lower(&mut lowered, 2);
        case.check("lowered", &lowered);
        let result = circuit(&case.evaluator, [&ea, &eb, &ec, &ed]).unwrap();
        case.check("circuit", &result);
        let expected: Vec<u64> = (0..degree)
            .map(|at| ((a[at] * b[at] % P) * ((c[at] + 3) % P) + a[at] * d[at]) % P)
            .collect();
        assert_eq!(case.slots(&result), expected, "{degree}");
    }
}

#[test]
fn weights_rotations_and_numbers_act_on_slots() {
    let bounds = |evaluator: &ProductEvaluator| {
        let fresh = evaluator.fresh();
        let turned = evaluator.rotate(&fresh, 5)?;
        let mut sum = evaluator.times_slots(&turned, &[])?;
        evaluator.add_scaled(&mut sum, &fresh, -7);
        evaluator.add_number(&mut sum, -9);
        Ok(sum)
    };
    let params = fit(8192, 0, 8192).params(bounds).unwrap();
    let mut case = Case::new(&params, &[5], 3);
    let (a, weights) = (case.numbers(), case.numbers());
    let ct = case.encrypted(&a);
    let turned = case.evaluator.rotate(&ct, 5).unwrap();
    case.check("rotation", &turned);
    let mut sum = case.evaluator.times_slots(&turned, &weights).unwrap();
    case.evaluator.add_scaled(&mut sum, &ct, -7);
    case.evaluator.add_number(&mut sum, -9);
    let half = a.len() / 2;
    let expected: Vec<u64> = (0..a.len())
        .map(|at| {
            let turned = a[at / half * half + (at % half + 5) % half];
            (turned * weights[at] + 7 * (P - a[at]) + P - 9) % P
        })
        .collect();
    assert_eq!(case.slots(&sum), expected);
    assert!(case.evaluator.rotate(&ct, 6).is_err());
    let constant = case.evaluator.constant(-4);
    let mut sum = ct.clone();
    case.evaluator.add_scaled(&mut sum, &constant, 2);
    let expected: Vec<u64> = a.iter().map(|a| (a + P - 8) % P).collect();
    assert_eq!(case.slots(&sum), expected);
}

/// The constant coefficient is the sum of all slots over `N`; only it is opened, masked.
#[test]
fn the_sum_of_slots_is_the_constant_coefficient() {
    let bounds = |evaluator: &ProductEvaluator| evaluator.times_slots(&evaluator.fresh(), &[]);
    let params = fit(8192, 0, 1).params(bounds).unwrap();
    let mut case = Case::new(&params, &[], 5);
    let (a, weights) = (case.numbers(), case.numbers());
    let public = ProductPublic::read(&params, &case.key.public().to_bytes()).unwrap();
    let bytes = public.encrypt(&a, &mut case.rng).unwrap();
    assert_eq!(bytes.len(), ProductPublic::bytes(&params));
    let theirs = public.read_ciphertext(&bytes).unwrap();
    case.check("public", &theirs);
    assert!(public.read_ciphertext(&bytes[1..]).is_err());
    let ct = case.encrypted(&a);
    let product = case.evaluator.times_slots(&ct, &weights).unwrap();
    let answer = case.evaluator.answer(&product, &[77], &mut case.rng).unwrap();
    let opened = case.key.open(&answer).unwrap().expose()[0];
    let sum = a.iter().zip(&weights).fold(0, |sum, (a, w)| (sum + a * w) % P);
    assert_eq!((opened + P - 77) * 8192 % P, sum);
    assert!(case.key.open_slots(&answer).is_err());
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = params(8192).literal().clone();
    let refused = |change: fn(&mut ProductLiteral)| {
        let mut literal = good.clone();
        change(&mut literal);
        ProductParams::new(literal).unwrap_err()
    };
    assert!(matches!(
        refused(|l| l.hidden_bits += 20),
        ExactError::Flooding { .. }
    ));
    assert!(matches!(
        refused(|l| l.hidden_bits = 1 << 20),
        ExactError::Flooding { .. }
    ));
    assert!(matches!(refused(|l| l.chain.push(50)), ExactError::Ring(_)));
    assert!(matches!(
        refused(|l| l.plaintext = 65_539),
        ExactError::Plaintext { .. }
    ));
    assert!(matches!(
        refused(|l| l.plaintext = 12_289),
        ExactError::Plaintext { .. }
    ));
    assert!(matches!(
        refused(|l| l.degree = 4096),
        ExactError::Plaintext { .. }
    ));
    assert!(matches!(
        refused(|l| l.chain = vec![50; 9]),
        ExactError::Length { .. }
    ));
    assert!(matches!(refused(|l| l.chain[0] = 20), ExactError::Length { .. }));
    assert!(matches!(
        refused(|l| l.answer_primes = 0),
        ExactError::Length { .. }
    ));
    assert!(matches!(refused(|l| l.cells = 3), ExactError::Cells { .. }));
    // Three products deep do not fit the smaller ring.
    let deep = |evaluator: &ProductEvaluator| {
        let mut product = evaluator.fresh();
        for _ in 0..3 {
            product = evaluator.mul(&product, &product)?;
        }
        let mut sum = evaluator.sum(product.level());
        evaluator.add_product(&mut sum, &product, &product)?;
        evaluator.finish(sum, false)
    };
    assert!(fit(8192, 3, 8192).params(deep).is_err());
    assert!(fit(16_384, 3, 8192).params(deep).is_ok());
}

#[test]
fn wrong_keys_bytes_and_levels_are_refused() {
    let params = params(8192);
    let mut case = Case::new(&params, &[], 7);
    let mut other = Case::new(&params, &[], 9);
    let bytes = case.key.encrypt(&[1, 2], &mut case.rng).unwrap();
    assert!(matches!(
        other.evaluator.read(&bytes),
        Err(ExactError::Key { .. })
    ));
    for wrong in [
        &bytes[1..],
        &bytes[..bytes.len() - 1],
        &[&bytes[..], &[0]].concat(),
    ] {
        assert!(case.evaluator.read(wrong).is_err());
    }
    assert!(case.key.encrypt(&[P], &mut case.rng).is_err());
    assert!(case.key.encrypt(&vec![0; 8193], &mut case.rng).is_err());
    let ct = case.evaluator.read(&bytes).unwrap();
    // Not yet where answers are.
    assert!(case.evaluator.answer(&ct, &vec![0; 8192], &mut case.rng).is_err());
    let mut last = ct.clone();
    case.evaluator.lower(&mut last, 1);
    assert!(case.evaluator.mul(&last, &last).is_err());
    let mut sum = case.evaluator.sum(2);
    assert!(case.evaluator.add_product(&mut sum, &last, &ct).is_err());
    let product = circuit(&case.evaluator, [&ct; 4]).unwrap();
    assert!(case.evaluator.answer(&product, &[0], &mut case.rng).is_err());
    let answer = case
        .evaluator
        .answer(&product, &vec![0; 8192], &mut case.rng)
        .unwrap();
    assert!(matches!(other.key.open(&answer), Err(ExactError::Key { .. })));
    let evaluation = other.key.evaluation_bytes(&[], &Seed::from_bytes([1; 32]));
    let public = case.key.public().to_bytes();
    assert!(ProductKeys::read(&params, &public, &evaluation, &[]).is_err());
    let noisy = other.numbers();
    assert!(other.key.encrypt(&noisy, &mut other.rng).unwrap() != bytes);
}

/// What an answer's noise is does not depend on what was computed.
#[test]
fn noise_that_is_opened_is_that_of_the_flooding() {
    let params = params(8192);
    for seed in [11, 13] {
        let mut case = Case::new(&params, &[], seed);
        let numbers = if seed == 11 { vec![0; 8192] } else { case.numbers() };
        let ct = case.encrypted(&numbers);
        let product = circuit(&case.evaluator, [&ct; 4]).unwrap();
        let answer = case
            .evaluator
            .answer(&product, &vec![0; 8192], &mut case.rng)
            .unwrap();
        let residuals = case.key.residuals(&answer).unwrap();
        // Uniform in -1..1: a mean square of 1/3, whose standard error over n cells is sqrt(4/45 / n).
        let mean = residuals.iter().map(|x| x * x).sum::<f64>() / residuals.len() as f64;
        let error = (4.0 / 45.0 / residuals.len() as f64).sqrt();
        assert!((mean - 1.0 / 3.0).abs() < 5.0 * error, "{mean}");
    }
}
