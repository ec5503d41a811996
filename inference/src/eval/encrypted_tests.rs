//! Encrypted models over the clear scheme, the simulation and the real one.

use super::tests::{NETWORKS, images};
use super::{EncryptedModel, Prepared, decode, encode, weight_levels, weights};
use crate::graph::Graph;
use crate::linear::Layout;
use crate::plan::{Asked, NodeShape, Plan, StepKind, plan};
use crate::scheme::tests::{encrypt, pair};
use crate::scheme::{Noop, Scheme};

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
    for (bytes, batch) in [
        (NETWORKS[0], 1),
        (NETWORKS[0], 16),
        (NETWORKS[1], 1),
        (NETWORKS[2], 1),
    ] {
        let graph = Graph::from_onnx(bytes).unwrap().simplify().unwrap();
        let plan = plan(&graph, &hidden(batch)).unwrap();
        plan.check().unwrap();
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
            .map(|(level, slots)| scheme.encrypt(level, || slots).unwrap())
            .collect();
        let model = EncryptedModel::new(&scheme, &plan, cts.clone()).unwrap();
        let samples = images(batch);
        let inputs: Vec<_> = encode(&plan, &samples)
            .unwrap()
            .into_iter()
            .map(|slots| scheme.encrypt(plan.ring.levels, || slots).unwrap())
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

/// The whole way with an encrypted model, at 128 bits of security.
#[test]
fn the_real_scheme_runs_an_encrypted_model() {
    const IMAGES: &[u8] = include_bytes!("../../../examples/data/networks/mnist-100.bin");
    let graph = Graph::from_onnx(NETWORKS[0]).unwrap().simplify().unwrap();
    let plan = plan(&graph, &hidden(1)).unwrap();
    let params = plan.ring.params().unwrap();
    let (client, server) = pair(&params, plan.keys());
    let cts: Vec<_> = weights(&graph, &plan)
        .unwrap()
        .map(|(level, slots)| encrypt(&client, &params, level, &slots))
        .collect();
    let model = EncryptedModel::new(&server, &plan, cts).unwrap();
    for image in IMAGES.chunks_exact(785).take(2) {
        let pixels: Vec<f64> = image[1..].iter().map(|&p| f64::from(p) / 255.0).collect();
        let slots = encode(&plan, std::slice::from_ref(&pixels)).unwrap();
        let inputs: Vec<_> = slots
            .iter()
            .map(|slots| encrypt(&client, &params, plan.ring.levels, slots))
            .collect();
        let before = server.tally();
        let outputs = model.run(&server, &inputs).unwrap();
        assert_eq!(server.tally().since(&before), plan.tally);
        let opened: Vec<_> = outputs.iter().map(|ct| client.decrypt(ct).unwrap()).collect();
        let expected = graph.evaluate(&pixels).unwrap();
        let far = decode(&plan, &opened, 1)[0]
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f64::max);
        assert!(far < 2f64.powi(-4), "error 2^{:.1}", far.log2());
    }
}
