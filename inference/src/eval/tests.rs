use proptest::prelude::*;

use super::polynomial::evaluate;
use super::{Prepared, decode, depth, encode, encode_complex};
use crate::graph::{Graph, Operator, Polynomial, zoo};
use crate::plan::{Asked, Objective, Packing, Plan, plan};
use crate::scheme::tests::pair;
use crate::scheme::{Complex, Noop, Op, Scheme, SchemeError};

pub(super) const NETWORKS: [&[u8]; 3] = [
    include_bytes!("../../../examples/data/networks/mlp.onnx"),
    include_bytes!("../../../examples/data/networks/lola.onnx"),
    include_bytes!("../../../examples/data/networks/lenet5.onnx"),
];

pub(super) fn images(count: usize) -> Vec<Vec<f64>> {
    (0..count)
        .map(|k| {
            (0..784)
                .map(|i| f64::from(u8::from((i * 7 + k * 13) % 5 == 0)))
                .collect()
        })
        .collect()
}

/// Every network, alone and in batches, in the clear scheme: the same numbers as the oracle, and exactly the levels,
/// operations and keys that the plan predicts.
#[test]
fn plans_compute_what_the_graph_computes() {
    for bytes in NETWORKS {
        let graph = Graph::from_onnx(bytes).unwrap().simplify().unwrap();
        for (batch, objective) in [
            (1, Objective::Latency),
            (1, Objective::Memory),
            (16, Objective::Latency),
        ] {
            let asked = Asked {
                batch,
                objective,
                ..Asked::default()
            };
            let plan = plan(&graph, &asked).unwrap();
            let scheme = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(plan.keys().clone());
            let model = Prepared::new(&scheme, &graph, &plan).unwrap();
            let samples = images(batch);
            let packed = encode_complex(&plan, &samples).unwrap();
            let inputs: Vec<_> = packed
                .into_iter()
                .map(|slots| scheme.encrypt_complex(plan.ring.levels, || slots).unwrap())
                .collect();
            let mut levels = Vec::new();
            let outputs = model
                .run_traced(&scheme, &inputs, |_, trace| levels.push(trace.level))
                .unwrap();
            let planned = plan.steps.iter().map(|s| s.level);
            assert_eq!(levels, planned.collect::<Vec<_>>().repeat(plan.rounds));
            assert_eq!(scheme.tally(), plan.tally);
            let slots: Vec<_> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
            only_the_answer(&plan, &slots);
            // Nor if the client fills the slots as it likes.
            let filled = |seed: usize| {
                let number = |i: usize| ((i * 7 + seed) % 13) as f64;
                let imaginary = |i| if plan.paired { number(i + 5) } else { 0.0 };
                (0..plan.ring.slots())
                    .map(|i| Complex::new(number(i), imaginary(i)))
                    .collect()
            };
            let lies: Vec<_> = (0..inputs.len())
                .map(|seed| scheme.encrypt_complex(plan.ring.levels, || filled(seed)).unwrap())
                .collect();
            let outputs_of_lies = model.run(&scheme, &lies).unwrap();
            let slots_of_lies: Vec<_> = outputs_of_lies
                .iter()
                .map(|ct| scheme.decrypt(ct).clone())
                .collect();
            only_the_answer(&plan, &slots_of_lies);
            for (actual, sample) in decode(&plan, &slots, batch).iter().zip(&samples) {
                let expected = graph.evaluate(sample).unwrap();
                for (a, b) in actual.iter().zip(&expected) {
                    assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{actual:?}\n{expected:?}");
                }
            }
        }
    }
}

/// A batch whose input comes two in a ciphertext, over the real scheme at 128 bits: half the upload, one conjugation for each
/// ciphertext of the first layer's result.
#[test]
fn inputs_come_two_in_a_ciphertext() {
    let graph = Graph::from_onnx(NETWORKS[0]).unwrap().simplify().unwrap();
    for batch in [16, 40] {
        let asked = Asked {
            batch,
            objective: Objective::Client,
            ..Asked::default()
        };
        let plan = plan(&graph, &asked).unwrap();
        let tiles = plan.steps[0].layout.tiles(plan.positions());
        assert!(plan.paired && tiles > 1);
        assert_eq!(plan.input_ciphertexts(), plan.rounds * tiles.div_ceil(2));
        let first = plan.rounds * plan.steps[1].layout.tiles(plan.positions());
        assert_eq!(plan.tally.total(Op::Conjugate), first as u64);
        assert_eq!(
            plan.keys().conjugation,
            Some(plan.steps[0].level),
            "before the rescale"
        );
        let params = plan.ring.params().unwrap();
        let (client, server) = pair(&params, plan.keys());
        let model = Prepared::new(&server, &graph, &plan).unwrap();
        let samples = images(batch);
        let rng = &mut hedgerow_crypto::seed::Seed::from_bytes([9; 32]).rng();
        let fresh = encode_complex(&plan, &samples).unwrap();
        let inputs: Vec<_> = fresh
            .iter()
            .map(|slots| {
                let fresh = client.encrypt_complex(plan.ring.levels, slots, rng).unwrap();
                fresh.expand(&params).unwrap()
            })
            .collect();
        let outputs = model.run(&server, &inputs).unwrap();
        assert_eq!(server.tally(), plan.tally);
        let slots: Vec<_> = outputs.iter().map(|ct| client.decrypt(ct).unwrap()).collect();
        for (actual, sample) in decode(&plan, &slots, batch).iter().zip(&samples) {
            let expected = graph.evaluate(sample).unwrap();
            let size = expected.iter().fold(1.0, |most: f64, b| most.max(b.abs()));
            for (a, b) in actual.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-3 * size, "{a} {b}");
            }
        }
        let error = encode(&plan, &samples).unwrap_err().to_string();
        assert!(error.contains("encode_complex"), "{error}");
        // In three rounds: pairs are of one round, the last of an odd number alone.
        let rounds = Plan {
            rounds: 3,
            ..plan.clone()
        };
        let scheme = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(plan.keys().clone());
        let model = Prepared::new(&scheme, &graph, &rounds).unwrap();
        let samples = images(2 * plan.lanes + 3);
        let inputs: Vec<_> = encode_complex(&rounds, &samples)
            .unwrap()
            .into_iter()
            .map(|slots| scheme.encrypt_complex(plan.ring.levels, || slots).unwrap())
            .collect();
        assert_eq!(inputs.len(), 3 * tiles.div_ceil(2));
        let outputs = model.run(&scheme, &inputs).unwrap();
        let slots: Vec<_> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
        for (actual, sample) in decode(&rounds, &slots, samples.len()).iter().zip(&samples) {
            for (a, b) in actual.iter().zip(&graph.evaluate(sample).unwrap()) {
                assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }
}

/// The whole way: plan, keys of the plan, encryption, evaluation, decryption, at 128 bits of security.
#[test]
fn the_real_scheme_runs_the_plan() {
    const IMAGES: &[u8] = include_bytes!("../../../examples/data/networks/mnist-100.bin");
    let runs = [
        (NETWORKS[0], Packing::ALL.to_vec()),
        (NETWORKS[1], vec![Packing::Plain]),
        (NETWORKS[1], vec![Packing::Interleaved]),
        (NETWORKS[1], vec![Packing::Windows]),
    ];
    for (bytes, packings) in runs {
        let graph = Graph::from_onnx(bytes).unwrap().simplify().unwrap();
        let asked = Asked {
            packings,
            ..Asked::default()
        };
        let plan = plan(&graph, &asked).unwrap();
        let params = plan.ring.params().unwrap();
        assert_eq!(plan.ring.log_degree, 13);
        assert!(
            params.log2_qp() <= 214.0,
            "the security table, with the special primes' slack"
        );
        let (client, server) = pair(&params, plan.keys());
        let model = Prepared::new(&server, &graph, &plan).unwrap();
        let before = server.tally();
        for (n, image) in IMAGES.chunks_exact(785).take(3).enumerate() {
            let pixels: Vec<f64> = image[1..].iter().map(|&p| f64::from(p) / 255.0).collect();
            let slots = encode_complex(&plan, std::slice::from_ref(&pixels)).unwrap();
            let rng = &mut hedgerow_crypto::seed::Seed::from_bytes([9; 32]).rng();
            let inputs: Vec<_> = slots
                .iter()
                .map(|slots| {
                    let fresh = client.encrypt_complex(plan.ring.levels, slots, rng).unwrap();
                    fresh.expand(&params).unwrap()
                })
                .collect();
            let outputs = model.run(&server, &inputs).unwrap();
            if n == 0 {
                assert_eq!(
                    server.tally().since(&before),
                    plan.tally,
                    "operations, levels and keys as planned"
                );
            }
            assert_eq!(server.level(&outputs[0]), 0);
            let opened: Vec<_> = outputs.iter().map(|ct| client.decrypt(ct).unwrap()).collect();
            let actual = &decode(&plan, &opened, 1)[0];
            let expected = graph.evaluate(&pixels).unwrap();
            let worst = actual
                .iter()
                .zip(&expected)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f64::max);
            assert!(
                worst < 2f64.powi(-5),
                "error 2^{:.1} of logits like {:?}",
                worst.log2(),
                expected
            );
            let top = |v: &[f64]| (0..10).max_by(|&a, &b| v[a].total_cmp(&v[b])).unwrap();
            assert_eq!((top(actual), top(&expected)), (image[0].into(), image[0].into()));
        }
    }
}

/// What a server sends is the result and zeros: partial sums would tell about the weights.
pub(super) fn only_the_answer(plan: &Plan, slots: &[Vec<f64>]) {
    let layout = &plan.steps.last().unwrap().layout;
    let ones = vec![vec![1.0; layout.size()]; plan.lanes];
    for (tile, used) in slots.iter().zip(layout.pack(&ones, plan.grid())) {
        let beside = tile.iter().zip(used).filter(|(_, used)| *used == 0.0);
        assert!(beside.into_iter().all(|(slot, _)| *slot == 0.0), "{plan}");
    }
}

/// A network that ends in a polynomial ends in a map under encryption.
#[test]
fn an_answer_after_a_polynomial_is_masked() {
    let bytes = zoo::onnx("lenet5", zoo::Weights::Random(3)).unwrap();
    let graph = Graph::from_onnx(&bytes).unwrap().simplify().unwrap();
    let mut graph = graph.first(2);
    assert!(matches!(
        graph.nodes().last().unwrap().operator,
        Operator::Affine(_) | Operator::Polynomial(_)
    ));
    if matches!(graph.nodes().last().unwrap().operator, Operator::Affine(_)) {
        graph = graph.first(1);
    }
    let plan = plan(&graph, &Asked::default()).unwrap();
    assert_eq!(plan.steps.len(), graph.answering().nodes().len());
    let scheme = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(plan.keys().clone());
    let model = Prepared::new(&scheme, &graph, &plan).unwrap();
    let sample = vec![0.5; graph.inputs()];
    let inputs = encode_complex(&plan, std::slice::from_ref(&sample)).unwrap();
    let inputs: Vec<_> = inputs
        .into_iter()
        .map(|slots| scheme.encrypt_complex(plan.ring.levels, || slots).unwrap())
        .collect();
    let outputs = model.run(&scheme, &inputs).unwrap();
    assert_eq!(scheme.tally(), plan.tally);
    let slots: Vec<_> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
    only_the_answer(&plan, &slots);
    let expected = graph.evaluate(&sample).unwrap();
    for (a, b) in decode(&plan, &slots, 1)[0].iter().zip(&expected) {
        assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()));
    }
}

#[test]
fn refuses_what_the_plan_is_not_for() {
    let graphs: Vec<Graph> = NETWORKS
        .iter()
        .map(|b| Graph::from_onnx(b).unwrap().simplify().unwrap())
        .collect();
    let plan = plan(&graphs[0], &Asked::default()).unwrap();
    let scheme = Noop::new(plan.ring.slots(), plan.ring.levels);
    let error = Prepared::new(&scheme, &graphs[1], &plan)
        .err()
        .unwrap()
        .to_string();
    assert!(error.starts_with("the plan is for model"), "{error}");
    let small = Noop::new(plan.ring.slots() / 2, plan.ring.levels);
    assert!(
        Prepared::new(&small, &graphs[0], &plan)
            .err()
            .unwrap()
            .to_string()
            .contains("slots")
    );
    let model = Prepared::new(&scheme, &graphs[0], &plan).unwrap();
    assert!(
        model
            .run(&scheme, &[])
            .unwrap_err()
            .to_string()
            .contains("input ciphertexts, got 0")
    );
    assert!(encode(&plan, &images(2)).is_err());
    assert!(
        encode(&plan, &[vec![0.0; 783]])
            .unwrap_err()
            .to_string()
            .contains("expected 784, got 783")
    );
    // A client that sent too few keys, or a ciphertext without levels.
    let mut keys = plan.keys().clone();
    let (step, _) = keys.rotations.pop_last().unwrap();
    let poor = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(keys);
    let model = Prepared::new(&poor, &graphs[0], &plan).unwrap();
    let slots = encode(&plan, &images(1)).unwrap().pop().unwrap();
    let input = poor.encrypt(plan.ring.levels, || slots.clone()).unwrap();
    let error = model.run(&poor, &[input]).unwrap_err().to_string();
    assert!(error.contains(&format!("a rotation by {step}")), "{error}");
    let low = poor.encrypt(0, || slots).unwrap();
    assert!(model.run(&poor, &[low]).is_err());
}

proptest! {
    #[test]
    fn polynomials_of_any_degree(degree in 0usize..20, chebyshev: bool, unit: bool, seed in 1u64..1000) {
        let coefficient = |k: usize| ((seed as usize * (k + 3) * 7919) % 13) as f64 / 6.0 - 1.0;
        let coefficients: Vec<f64> = (0..=degree).map(coefficient).collect();
        let polynomial = if chebyshev {
            let (low, high) = if unit { (-1.0, 1.0) } else { (-2.0, 3.0) };
            Polynomial::Chebyshev { low, high, coefficients }
        } else {
            Polynomial::Powers(coefficients)
        };
        let scheme = Noop::new(8, 10);
        let values: Vec<f64> = (0..8).map(|i| -0.9 + 0.23 * f64::from(i)).collect();
        let x = scheme.encrypt(10, || values.clone()).unwrap();
        let y = evaluate(&scheme, &x, &polynomial).unwrap();
        prop_assert_eq!(scheme.level(&y), 10 - depth(&polynomial));
        for (actual, &x) in scheme.decrypt(&y).iter().zip(&values) {
            prop_assert!((actual - polynomial.at(x)).abs() < 1e-9, "{} at {}", actual, x);
        }
        let low = scheme.encrypt(depth(&polynomial) - usize::from(depth(&polynomial) > 0), || values).unwrap();
        if depth(&polynomial) > 0 {
            let exhausted = matches!(evaluate(&scheme, &low, &polynomial), Err(SchemeError::LevelExhausted { .. }));
            prop_assert!(exhausted);
        }
    }
}

#[test]
fn squares_are_squares() {
    let scheme = Noop::new(4, 1);
    let x = scheme.encrypt(1, || vec![1.0, -2.0, 3.0]).unwrap();
    let y = evaluate(&scheme, &x, &Polynomial::square()).unwrap();
    assert_eq!(scheme.decrypt(&y), &[1.0, 4.0, 9.0, 0.0]);
    assert_eq!(scheme.level(&y), 0);
}
