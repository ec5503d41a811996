//! Small convolutional networks by every packing of their input: the numbers of the graph, and the operations of the plan.

use std::sync::Arc;

use proptest::prelude::*;

use super::tests::only_the_answer;
use super::{EncryptedModel, Prepared, decode, encode_complex, weights};
use crate::graph::{Affine, Graph, Node, Operator, Polynomial};
use crate::linear::Layout;
use crate::linear::image_tests::{Shape, shapes};
use crate::plan::{Algorithm, Asked, Objective, Packing, Plan, plan};
use crate::scheme::{Noop, Scheme};

fn node(name: &str, operator: Operator, inputs: &[usize], shape: &[usize]) -> Node {
    Node {
        name: name.to_owned(),
        operator,
        inputs: inputs.to_vec(),
        shape: shape.to_vec(),
    }
}

/// A convolution, its square, a convolution of that which may be added to it, and a dense layer.
fn network(shape: &Shape, stride: usize, residual: bool, seed: u64) -> Graph {
    let map = |map: Affine| Operator::Affine(Arc::new(map));
    let square = || Operator::Polynomial(Polynomial::square());
    let image = shape.windows().unwrap();
    let one = [shape.filters, image[0], image[1]];
    let second = Shape {
        channels: shape.filters,
        filters: if residual { shape.filters } else { 3 },
        image,
        kernel: [3, 3],
        stride: if residual { [1, 1] } else { [stride, stride] },
        pads: [1, 1],
    };
    let windows = second.windows().unwrap();
    let two = [second.filters, windows[0], windows[1]];
    let mut nodes = vec![
        node(
            "image",
            Operator::Input,
            &[],
            &[shape.channels, shape.image[0], shape.image[1]],
        ),
        node("conv_1", map(shape.map(seed)), &[0], &one),
        node("square_2", square(), &[1], &one),
        node("conv_3", map(second.map(seed / 3)), &[2], &two),
    ];
    if residual {
        nodes.push(node("add_4", Operator::Add, &[3, 2], &two));
    } else {
        nodes.push(node("square_4", square(), &[3], &two));
    }
    let size: usize = two.iter().product();
    let rows = (0..3).map(|r| {
        let weight = |c: u32| f64::from((c * 7 + r * 3 + seed as u32 % 5) % 5) - 2.0;
        ((0..size as u32).map(|c| (c, weight(c))).collect(), f64::from(r))
    });
    nodes.push(node(
        "dense_5",
        map(Affine::from_rows(size, rows).unwrap()),
        &[4],
        &[3],
    ));
    Graph::of("small", nodes)
}

fn samples(graph: &Graph, count: usize) -> Vec<Vec<f64>> {
    let value = |k: usize, i: usize| ((i * 7 + k * 5) % 9) as f64 / 8.0 - 0.5;
    (0..count)
        .map(|k| (0..graph.inputs()).map(|i| value(k, i)).collect())
        .collect()
}

/// The clear scheme computes what the graph does by this plan, and with its operations and keys.
fn check(graph: &Graph, plan: &Plan, batch: usize) {
    let text = serde_json::to_string(plan).unwrap();
    let plan = &serde_json::from_str::<Plan>(&text).unwrap();
    let scheme = Noop::new(plan.ring.slots(), plan.ring.levels).with_keys(plan.keys().clone());
    let samples = samples(graph, batch);
    let inputs: Vec<_> = encode_complex(plan, &samples)
        .unwrap()
        .into_iter()
        .map(|slots| scheme.encrypt_complex(plan.ring.levels, || slots).unwrap())
        .collect();
    let outputs = if plan.structure.is_some() {
        plan.check().unwrap();
        let own = weights(graph, plan).unwrap();
        let own: Vec<_> = own
            .map(|(level, slots)| scheme.encrypt_complex(level, || slots).unwrap())
            .collect();
        EncryptedModel::new(&scheme, plan, own)
            .unwrap()
            .run(&scheme, &inputs)
            .unwrap()
    } else {
        Prepared::new(&scheme, graph, plan)
            .unwrap()
            .run(&scheme, &inputs)
            .unwrap()
    };
    assert_eq!(scheme.tally(), plan.tally, "{plan}");
    let slots: Vec<_> = outputs.iter().map(|ct| scheme.decrypt(ct).clone()).collect();
    if plan.structure.is_none() {
        only_the_answer(plan, &slots);
    }
    for (actual, sample) in decode(plan, &slots, batch).iter().zip(&samples) {
        for (a, b) in actual.iter().zip(&graph.evaluate(sample).unwrap()) {
            assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{a} {b}\n{plan}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 8))]
    #[test]
    fn every_packing_computes_what_the_graph_computes(
        shape in shapes(), stride in 1usize..3, residual: bool, packing in 0usize..4, batch in 0u32..6, objective in 0usize..3,
        encrypted: bool, seed: u64,
    ) {
        let graph = network(&shape, stride, residual, seed);
        let batch = 1 << batch;
        let packings = Packing::ALL.get(packing).map_or(Packing::ALL.to_vec(), |&one| vec![one]);
        let objective = [Objective::Latency, Objective::Memory, Objective::Client][objective];
        let asked = Asked { objective, batch, packings, encrypted_model: encrypted, ..Asked::default() };
        // An image of one element, or windows as large as it, are packed plainly; nothing else has none.
        if let Ok(found) = plan(&graph, &asked) {
            check(&graph, &found, batch);
        } else {
            prop_assert!(packing < 3, "some packing does for every network");
        }
    }
}

/// Each algorithm is run where nothing else may be, and the cheapest of them where all may.
#[test]
fn the_cheapest_packing_is_taken() {
    let shape = Shape {
        channels: 3,
        filters: 4,
        image: [48, 48],
        kernel: [3, 3],
        stride: [1, 1],
        pads: [1, 1],
    };
    // 6912 elements: more than a ciphertext of 2^13 holds.
    let graph = network(&shape, 2, false, 5);
    let with = |packings: &[Packing]| {
        let asked = Asked {
            packings: packings.to_vec(),
            ..Asked::default()
        };
        let found = plan(&graph, &asked).unwrap();
        check(&graph, &found, 1);
        found
    };
    let seconds = |plan: &Plan| plan.predicted.seconds + plan.predicted.receive_seconds;
    let [plain, interleaved, windows] = Packing::ALL.map(|one| with(&[one]));
    assert!(
        matches!(interleaved.steps[0].layout, Layout::Interleaved(_)),
        "{interleaved}"
    );
    assert_eq!(interleaved.algorithm(1), Some(Algorithm::Interleaved));
    assert_eq!(windows.algorithm(1), Some(Algorithm::ImageToColumn));
    assert!(seconds(&interleaved) < seconds(&plain), "{interleaved}{plain}");
    let best = with(&Packing::ALL);
    for other in [&plain, &interleaved, &windows] {
        assert!(seconds(&best) <= 1.05 * seconds(other), "{best}{other}");
    }
}

/// What no window sees, no window has: a map that wants it is refused.
#[test]
fn windows_without_an_element_that_is_wanted_are_refused() {
    let shape = Shape {
        channels: 1,
        filters: 2,
        image: [6, 6],
        kernel: [2, 2],
        stride: [2, 2],
        pads: [0, 0],
    };
    let graph = network(&shape, 1, false, 3);
    let asked = Asked {
        packings: vec![Packing::Windows],
        ..Asked::default()
    };
    let mut found = plan(&graph, &asked).unwrap();
    let Layout::Windows(windows) = &mut found.steps[0].layout else {
        panic!("{found}");
    };
    windows.windows = [2, 3];
    let scheme = Noop::new(found.ring.slots(), found.ring.levels);
    let error = Prepared::new(&scheme, &graph, &found).err().unwrap().to_string();
    assert!(error.contains("element 24"), "{error}");
}
