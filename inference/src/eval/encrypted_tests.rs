//! Encrypted models over the clear scheme, the simulation and the real one.

use proptest::prelude::*;

use super::tests::{NETWORKS, images};
use super::{EncryptedModel, Prepared, decode, encode_complex, weight_levels, weights};
use crate::graph::Graph;
use crate::linear::Layout;
use crate::plan::{Asked, NodeShape, Objective, Plan, StepKind, plan};
use crate::scheme::tests::pair;
use crate::scheme::{Complex, Noop, Scheme};

fn hidden(batch: usize) -> Asked {
    Asked {
        batch,
        encrypted_model: true,
        ..Asked::default()
    }
}

/// Encrypted models in the clear scheme: the numbers of the oracle, and the operations, levels and keys of the plan.
#[test]
fn encrypted_models_compute_what_the_graph_computes() {
    for (bytes, batch, most) in [
        (NETWORKS[0], 1, None),
        (NETWORKS[0], 16, None),
        (NETWORKS[1], 1, None),
        (NETWORKS[2], 1, None),
        // Sixteen samples of LeNet-5 beside each other would take 14 GB.
        (NETWORKS[2], 16, Some(8 << 30)),
    ] {
        let graph = Graph::from_onnx(bytes).unwrap().simplify().unwrap();
        let asked = Asked {
            max_memory: most,
            ..hidden(batch)
        };
        let plan = plan(&graph, &asked).unwrap();
        plan.check().unwrap();
        assert!(plan.batch() >= batch && plan.predicted.memory() <= most.unwrap_or(u64::MAX));
        assert_eq!(plan.rounds > 1, most.is_some(), "{plan}");
        assert!(plan.model.is_empty(), "nothing tells the server which weights");
        // What the server reads has no weights in it.
        let text = serde_json::to_string(&plan).unwrap();
        let plan: Plan = serde_json::from_str(&text).unwrap();
        plan.check().unwrap();
        let scheme = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(plan.keys().clone());
        let own: Vec<_> = weights(&graph, &plan).unwrap().collect();
        let levels: Vec<usize> = own.iter().map(|(level, _)| *level).collect();
        assert_eq!(levels, weight_levels(&plan).unwrap());
        let cts: Vec<_> = own
            .into_iter()
            .map(|(level, slots)| scheme.encrypt_complex(level, || slots).unwrap())
            .collect();
        let model = EncryptedModel::new(&scheme, &plan, cts.clone()).unwrap();
        let samples = images(batch);
        let inputs: Vec<_> = encode_complex(&plan, &samples)
            .unwrap()
            .into_iter()
            .map(|slots| scheme.encrypt_complex(plan.ring.levels, || slots).unwrap())
            .collect();
        let outputs = model.run(&scheme, &inputs).unwrap();
        assert_eq!(scheme.tally(), plan.tally);
        let slots: Vec<_> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
        for (actual, sample) in decode(&plan, &slots, batch).iter().zip(&samples) {
            for (a, b) in actual.iter().zip(&graph.evaluate(sample).unwrap()) {
                assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}");
            }
        }
        // Too few, too many, of another level; a model in the clear for this plan, another network.
        let new = |cts: Vec<_>| {
            EncryptedModel::new(&scheme, &plan, cts)
                .err()
                .unwrap()
                .to_string()
        };
        assert!(new(cts[1..].to_vec()).contains("level") || new(cts[1..].to_vec()).contains("missing"));
        let mut more = cts.clone();
        more.push(cts[0].clone());
        assert!(new(more).contains("more weights"));
        let mut low = cts;
        low[0] = scheme.encrypt(0, Vec::new).unwrap();
        assert!(new(low).contains("level 0"));
        let error = Prepared::new(&scheme, &graph, &plan).err().unwrap().to_string();
        assert!(error.contains("an encrypted model"), "{error}");
    }
}

#[test]
fn an_encrypted_plan_is_believed_only_if_it_fits_together() {
    let graph = Graph::from_onnx(NETWORKS[0]).unwrap().simplify().unwrap();
    let other = Graph::from_onnx(NETWORKS[1]).unwrap().simplify().unwrap();
    let good = plan(&graph, &hidden(1)).unwrap();
    assert!(weights(&other, &good).is_err());
    let clear = plan(&graph, &Asked::default()).unwrap();
    assert!(weights(&graph, &clear).is_err() && clear.check().is_err());
    let with = |change: fn(&mut Plan)| {
        let mut plan = good.clone();
        change(&mut plan);
        plan.check().unwrap_err().to_string()
    };
    assert!(with(|p| p.steps.clear()).contains("ring"));
    assert!(with(|p| p.lanes = 3).contains("ring"));
    assert!(with(|p| p.paired = true).contains("one input ciphertext"));
    assert!(with(|p| p.rounds = 0).contains("ring"));
    assert!(with(|p| p.rounds = 1 << 30).contains("ring"));
    assert!(with(|p| p.rounds = 2).contains("operations"));
    assert!(with(|p| p.ring.levels = 1000).contains("ring"));
    assert!(with(|p| p.steps[1].level = 0).contains("level"));
    assert!(with(|p| p.steps[1].kind = StepKind::Polynomial { source: 1 }).contains("operands"));
    assert!(
        with(|p| {
            p.structure.as_mut().unwrap().pop();
        })
        .contains("number of nodes")
    );
    assert!(
        with(|p| {
            p.tally.keys.rotations.pop_first();
        })
        .contains("keys")
    );
    assert!(
        with(|p| p.steps[0].layout = Layout::Dense {
            size: 1 << 30,
            period: 1,
            copies: 1
        })
        .contains("layout")
    );
    let drop_a_diagonal = |p: &mut Plan| {
        let Some(NodeShape::Linear { map, .. }) = p.structure.as_mut().unwrap().get_mut(1) else {
            return;
        };
        map.outputs[0].pop_first();
    };
    assert!(with(drop_a_diagonal).contains("operations"));
    let reach_outside = |p: &mut Plan| {
        let Some(NodeShape::Linear { map, .. }) = p.structure.as_mut().unwrap().get_mut(1) else {
            return;
        };
        map.outputs[0].values_mut().next().unwrap()[0].input = 7;
    };
    assert!(with(reach_outside).contains("diagonals"));
}

/// The whole way with an encrypted model, at 128 bits of security: alone, and in a batch whose inputs come two in a ciphertext.
#[test]
fn the_real_scheme_runs_an_encrypted_model() {
    const IMAGES: &[u8] = include_bytes!("../../../examples/data/networks/mnist-100.bin");
    let graph = Graph::from_onnx(NETWORKS[0]).unwrap().simplify().unwrap();
    for batch in [1, 16] {
        let plan = plan(&graph, &hidden(batch)).unwrap();
        assert_eq!(plan.paired, batch > 1, "{plan}");
        plan.check().unwrap();
        let params = plan.ring.params().unwrap();
        let (client, server) = pair(&params, plan.keys());
        let rng = &mut hedgerow_crypto::seed::Seed::from_bytes([9; 32]).rng();
        let mut encrypt = |level, slots: &[Complex]| {
            let fresh = client.encrypt_complex(level, slots, rng).unwrap();
            fresh.expand(&params).unwrap()
        };
        let cts: Vec<_> = weights(&graph, &plan)
            .unwrap()
            .map(|(level, slots)| encrypt(level, &slots))
            .collect();
        let model = EncryptedModel::new(&server, &plan, cts).unwrap();
        let images = IMAGES.chunks_exact(785).take(batch + 1 - batch / 2);
        let images: Vec<Vec<f64>> = images
            .map(|image| image[1..].iter().map(|&p| f64::from(p) / 255.0).collect())
            .collect();
        for samples in images.chunks(batch) {
            let slots = encode_complex(&plan, samples).unwrap();
            let inputs: Vec<_> = slots
                .iter()
                .map(|slots| encrypt(plan.ring.levels, slots))
                .collect();
            let before = server.tally();
            let outputs = model.run(&server, &inputs).unwrap();
            assert_eq!(server.tally().since(&before), plan.tally);
            let opened: Vec<_> = outputs.iter().map(|ct| client.decrypt(ct).unwrap()).collect();
            for (actual, pixels) in decode(&plan, &opened, samples.len()).iter().zip(samples) {
                let expected = graph.evaluate(pixels).unwrap();
                let far = actual.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                let far = far.fold(0.0, f64::max);
                assert!(far < 2f64.powi(-4), "error 2^{:.1}", far.log2());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Any batch, whole or not, for any objective and memory: within the memory, as the oracle computes, and with exactly the
    /// operations and keys that were predicted.
    #[test]
    fn batches_of_encrypted_models(batch in 1usize..40, missing in 0usize..8, objective in 0usize..4, room in 0.0f64..1.0) {
        let objective = [Objective::Latency, Objective::Throughput, Objective::Memory, Objective::Client][objective];
        let graph = Graph::from_onnx(NETWORKS[0]).unwrap().simplify().unwrap();
        let with = |objective, max_memory| plan(&graph, &Asked { objective, max_memory, ..hidden(batch) });
        let least = with(Objective::Memory, None).unwrap().predicted.memory();
        let most = least + ((1 << 30) as f64 * room) as u64;
        let plan = with(objective, Some(most)).unwrap();
        prop_assert!(plan.batch() >= batch && (plan.rounds - 1) * plan.lanes < batch, "{}", plan);
        let inputs = plan.input_ciphertexts() as u64 * plan.ring.fresh_bytes(plan.ring.levels);
        prop_assert!(plan.predicted.memory() <= most && plan.predicted.input_bytes == inputs);
        plan.check().unwrap();
        let scheme = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(plan.keys().clone());
        let encrypt = |level, slots: Vec<Complex>| scheme.encrypt_complex(level, || slots).unwrap();
        let weights = weights(&graph, &plan).unwrap().map(|(level, slots)| encrypt(level, slots));
        let model = EncryptedModel::new(&scheme, &plan, weights).unwrap();
        let samples = images(batch.saturating_sub(missing).max(1));
        let packed = encode_complex(&plan, &samples).unwrap();
        let inputs: Vec<_> = packed.into_iter().map(|slots| encrypt(plan.ring.levels, slots)).collect();
        prop_assert_eq!(inputs.len(), plan.input_ciphertexts());
        let outputs = model.run(&scheme, &inputs).unwrap();
        prop_assert_eq!(outputs.len(), plan.output_ciphertexts());
        prop_assert_eq!(scheme.tally(), plan.tally.clone());
        let slots: Vec<_> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
        let opened = decode(&plan, &slots, samples.len());
        prop_assert_eq!(opened.len(), samples.len());
        for (actual, sample) in opened.iter().zip(&samples) {
            for (a, b) in actual.iter().zip(&graph.evaluate(sample).unwrap()) {
                prop_assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{} {}", a, b);
            }
        }
    }
}
