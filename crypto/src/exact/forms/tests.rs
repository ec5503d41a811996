use proptest::prelude::*;
use rand_core::Rng;

use super::*;
use crate::exact::ExactError;
use crate::seed::Seed;

fn public(forms: usize, window: usize) -> FormLiteral {
    FormLiteral {
        degree: 4096,
        primes: 2,
        window,
        inputs: 1,
        forms,
        max_entries: 700,
        max_weight: 1 << 14,
        min_plaintext: 1 << 24,
        packed: false,
    }
}

fn packed(forms: usize, window: usize, inputs: usize) -> FormLiteral {
    FormLiteral {
        degree: 8192,
        primes: 3,
        window,
        inputs,
        forms,
        max_entries: 12,
        max_weight: 1 << 24,
        min_plaintext: 1 << 20,
        packed: true,
    }
}

struct Case {
    params: FormParams,
    key: FormKey,
    evaluator: Evaluator,
    bits: Vec<bool>,
    forms: Vec<Form>,
    rng: rand_chacha::ChaCha20Rng,
}

impl Case {
    fn new(literal: FormLiteral, seed: u8) -> Self {
        let params = FormParams::new(literal).unwrap();
        let mut rng = Seed::from_bytes([seed; 32]).rng();
        let key = FormKey::generate(&params, &Seed::random(&mut rng));
        let public = params.read_public_key(&key.public().to_bytes()).unwrap();
        let galois = key.galois_bytes(&Seed::random(&mut rng));
        assert_eq!(galois.len(), params.galois_key_bytes());
        let evaluator = Evaluator::new(&params, public, params.read_galois_keys(&galois).unwrap()).unwrap();
        let count = literal.window * literal.inputs;
        let bits = (0..count).map(|_| rng.next_u32() & 1 == 1).collect();
        let plain = params.plaintext();
        let largest = literal.max_weight.min(plain / 2);
        let mut form = || Form {
            entries: (0..literal.max_entries)
                .map(|_| {
                    let place = rng.next_u32() % count as u32;
                    let weight = rng.next_u64() % (2 * largest + 1);
                    (place, (weight + plain - largest) % plain)
                })
                .collect(),
            constant: rng.next_u64() % plain,
        };
        let forms = (0..literal.forms).map(|_| form()).collect();
        Self {
            params,
            key,
            evaluator,
            bits,
            forms,
            rng,
        }
    }

    fn expected(&self) -> Vec<u64> {
        let plain = u128::from(self.params.plaintext());
        let value = |form: &Form| {
            let held = form
                .entries
                .iter()
                .filter(|(place, _)| self.bits[*place as usize]);
            let sum: u128 = held.map(|(_, weight)| u128::from(*weight)).sum();
            ((sum + u128::from(form.constant)) % plain) as u64
        };
        self.forms.iter().map(value).collect()
    }

    fn opened(&mut self) -> Vec<u64> {
        let request = self.key.encrypt(&self.bits, &mut self.rng).unwrap();
        assert_eq!(request.len(), self.params.request_bytes());
        let request = self.params.read_request(&request).unwrap();
        let answers = self
            .evaluator
            .answer(&request, &self.forms, &mut self.rng)
            .unwrap();
        let bytes: Vec<u8> = answers.iter().flat_map(|answer| answer.to_bytes()).collect();
        assert_eq!(bytes.len(), self.params.answer_bytes());
        let answers = self.params.read_answers(&bytes).unwrap();
        self.key.open(&answers).unwrap().expose().clone()
    }
}

#[test]
fn forms_open_to_their_values() {
    for (index, literal) in [
        public(1, 256),
        public(3, 2048),
        public(5, 4096),
        packed(1, 64, 1),
        packed(5, 2048, 1),
        packed(320, 2048, 1),
        packed(100, 8192, 2),
        packed(9000, 1024, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let mut case = Case::new(literal, index as u8);
        let expected = case.expected();
        assert_eq!(case.opened(), expected, "{literal:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn of_any_sizes(forms in 1_usize..200, log_window in 4_u32..14, inputs in 1_usize..3, seed: u8) {
        let mut case = Case::new(packed(forms, 1 << log_window, inputs), seed);
        let expected = case.expected();
        prop_assert_eq!(case.opened(), expected);
    }
}

/// Noise before the flooding, on the cells of an answer: within its bound, and within 2x of what is predicted.
#[test]
fn noise_is_as_predicted() {
    for literal in [public(2, 2048), packed(320, 2048, 1), packed(3200, 2048, 1)] {
        let mut case = Case::new(literal, 9);
        let request = case.key.encrypt(&case.bits, &mut case.rng).unwrap();
        let request = case.params.read_request(&request).unwrap();
        let product = case.evaluator.evaluate(&request, &case.forms).unwrap().remove(0);
        let phase = product.expose().phase(case.key.secret());
        let scheme = case.params.scheme();
        let values: Vec<u64> = case
            .expected()
            .iter()
            .zip(&case.forms)
            .map(|(value, form)| (value + case.params.plaintext() - form.constant) % case.params.plaintext())
            .collect();
        let mut cells = vec![0; scheme.cells];
        for (form, value) in values.iter().enumerate() {
            let (answer, cell) = case.params.layout().place(form);
            if answer == 0 {
                cells[cell] = *value;
            }
        }
        let encoded = crate::exact::scale::encoded(&scheme.scale, scheme.ring.basis(), &cells, scheme.step());
        let mut error = phase.expose().clone();
        error.sub_assign(encoded.expose());
        let primes: Vec<num_bigint::BigInt> = scheme.ring.basis().primes().map(Into::into).collect();
        let product: num_bigint::BigInt = primes.iter().product();
        let mut sum = 0.0;
        let used: Vec<usize> = (0..literal.forms)
            .map(|form| case.params.layout().place(form))
            .filter(|(answer, _)| *answer == 0)
            .map(|(_, cell)| cell * scheme.step())
            .collect();
        for place in &used {
            let mut number = num_bigint::BigInt::from(0);
            for ((_, words), prime) in error.limbs().zip(&primes) {
                let others = &product / prime;
                let inverse = others.modpow(&(prime - 2), prime);
                number += words[*place] * inverse * others;
            }
            number %= &product;
            if &number * 2 > product {
                number -= &product;
            }
            let number: f64 = number.to_string().parse().unwrap();
            assert!(number.abs().log2() < case.params.noise().hidden_log2());
            sum += number * number;
        }
        let measured = (sum / used.len() as f64).log2() / 2.0;
        let weight = if literal.packed {
            case.params.plaintext() as f64
        } else {
            2.0 * literal.max_weight as f64
        };
        let squares = literal.max_entries as f64 * weight * weight / 12.0;
        let predicted = case.params.form_deviation_log2(squares);
        assert!(
            (measured - predicted).abs() < 1.0 || used.len() < 8,
            "{literal:?}: measured {measured}, predicted {predicted}"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let flooding = FormLiteral {
        max_entries: 1 << 50,
        ..public(1, 256)
    };
    assert!(matches!(
        FormParams::new(flooding),
        Err(ExactError::Flooding { .. })
    ));
    let too_large = FormLiteral {
        min_plaintext: 1 << 40,
        ..public(1, 256)
    };
    assert!(matches!(
        FormParams::new(too_large),
        Err(ExactError::Plaintext { .. })
    ));
    let insecure = FormLiteral {
        primes: 4,
        ..packed(1, 64, 1)
    };
    assert!(matches!(FormParams::new(insecure), Err(ExactError::Ring(_))));
    for literal in [
        FormLiteral {
            window: 100,
            ..public(1, 256)
        },
        FormLiteral {
            inputs: 0,
            ..public(1, 256)
        },
        FormLiteral {
            forms: 1 << 30,
            ..public(1, 256)
        },
    ] {
        assert!(FormParams::new(literal).is_err(), "{literal:?}");
    }
}

#[test]
fn wrong_keys_bytes_and_weights_are_refused() {
    let mut case = Case::new(packed(5, 4096, 1), 3);
    let other = Case::new(packed(5, 4096, 1), 4);
    let request = case.key.encrypt(&case.bits, &mut case.rng).unwrap();
    let blocks = case.params.read_request(&request).unwrap();
    assert!(matches!(
        other.evaluator.answer(&blocks, &case.forms, &mut case.rng),
        Err(ExactError::Key { .. })
    ));
    assert!(
        Evaluator::new(
            &case.params,
            other.key.public().clone(),
            case.evaluator.galois.clone()
        )
        .is_err()
    );
    assert!(Evaluator::new(&case.params, case.key.public().clone(), None).is_err());
    for bytes in [
        &request[1..],
        &request[..request.len() - 1],
        &[&request[..], &[0]].concat(),
    ] {
        assert!(case.params.read_request(bytes).is_err());
    }
    let answers = case
        .evaluator
        .answer(&blocks, &case.forms, &mut case.rng)
        .unwrap();
    assert!(matches!(other.key.open(&answers), Err(ExactError::Key { .. })));
    assert!(case.key.encrypt(&[true; 4097], &mut case.rng).is_err());
    let too_many = Form {
        entries: vec![(0, 1); 13],
        constant: 0,
    };
    let far = Form {
        entries: vec![(4096, 1)],
        constant: 0,
    };
    for form in [too_many, far] {
        let mut forms = case.forms.clone();
        forms[2] = form;
        assert!(case.evaluator.answer(&blocks, &forms, &mut case.rng).is_err());
    }
    assert!(
        case.evaluator
            .answer(&blocks, &case.forms[1..], &mut case.rng)
            .is_err()
    );
}

/// What an answer's noise is does not depend on the forms: that of forms of zeros is as that of others.
#[test]
fn noise_that_is_opened_is_that_of_the_flooding() {
    for zero in [false, true] {
        let mut case = Case::new(packed(2000, 1024, 1), 5);
        if zero {
            case.forms.fill(Form::default());
        }
        let request = case.key.encrypt(&case.bits, &mut case.rng).unwrap();
        let request = case.params.read_request(&request).unwrap();
        let answers = case
            .evaluator
            .answer(&request, &case.forms, &mut case.rng)
            .unwrap();
        let residuals = case.key.residuals(&answers[0]).unwrap();
        // Uniform in -1..1: a mean square of 1/3, whose standard error over n cells is sqrt(4/45 / n).
        let mean = residuals.iter().map(|x| x * x).sum::<f64>() / residuals.len() as f64;
        let error = (4.0 / 45.0 / residuals.len() as f64).sqrt();
        assert!((mean - 1.0 / 3.0).abs() < 5.0 * error, "{mean}");
    }
}

/// Forms as samples: their phases are the forms' values, with noise as predicted, and their signs can be told.
#[test]
fn samples_hold_the_forms_and_have_signs() {
    let literal = FormLiteral {
        min_plaintext: 1 << 20,
        max_weight: 1 << 9,
        ..public(3, 1024)
    };
    let mut case = Case::new(literal, 9);
    assert_eq!(case.params.plaintext(), 1 << 20);
    let request = case.key.encrypt(&case.bits, &mut case.rng).unwrap();
    let request = case.params.read_request(&request).unwrap();
    let samples = case.evaluator.samples(&request, &case.forms).unwrap();
    let ternary = case.key.secret().ternary();
    let squares = 700.0 * f64::from(1 << 18) / 3.0;
    let deviation = case.params.sample_deviation(squares);
    for (sample, expected) in samples.iter().zip(case.expected()) {
        let products = sample.mask.iter().zip(ternary.expose());
        let phase = products.fold(i128::from(sample.body), |sum, (a, s)| {
            sum + i128::from(*a) * i128::from(*s)
        });
        let modulus = f64::from(1 << 25).powi(2);
        let off = phase.rem_euclid(i128::from(sample.modulus)) as f64 / sample.modulus as f64
            - expected as f64 / f64::from(1 << 20);
        assert!(
            off.abs() < 6.0 * deviation,
            "{} {}",
            off * modulus,
            deviation * modulus
        );
    }
    let params = crate::sign::SignParams::new(crate::sign::SignLiteral {
        dimension: 4096,
        precision: 20,
    });
    let key = crate::sign::SignKey::generate(&params.unwrap(), &Seed::from_bytes([3; 32]));
    let keys = crate::sign::SignKeys::read(key.params(), &case.key.sign_bytes(&key).unwrap()).unwrap();
    for (sample, expected) in samples.iter().zip(case.expected()) {
        // The threshold itself is not below it.
        for more in [0, 1] {
            let threshold = expected as i64 + more;
            let answer = keys
                .is_below(sample, deviation, threshold, &mut case.rng)
                .unwrap();
            assert_eq!(key.open(&answer).unwrap(), more == 1, "{expected} {threshold}");
        }
    }
}
