use super::{Algorithm, Asked, CostTable, Objective, Plan, PlanError, Ring, StepKind, plan};
use crate::graph::{Graph, Operator, Outline, zoo};
use crate::linear::{Grid, Order, rotations};
use crate::scheme::Op;

fn mlp() -> Graph {
    let bytes = include_bytes!("../../../examples/data/networks/mlp.onnx");
    Graph::from_onnx(bytes).unwrap().simplify().unwrap()
}

#[test]
fn rings_are_within_the_security_table() {
    for levels in 1..12 {
        for ring in Ring::choices(levels, 40, 26) {
            let limit = [106, 214, 430, 868, 1747][ring.log_degree as usize - 12];
            assert!(ring.log2_qp() <= limit, "{ring}");
            assert!(ring.scale_bits >= 26 && ring.scale_bits <= 40, "{ring}");
        }
    }
    // Five levels fit N = 2^13, as in Orion's set, where HElayers takes N = 2^14.
    assert!(Ring::choices(5, 40, 26).iter().any(|r| r.log_degree == 13));
}

#[test]
fn the_mlp_takes_one_small_ciphertext() {
    let plan = plan(&mlp(), &Asked::default()).unwrap();
    assert_eq!(plan.input_ciphertexts(), 1);
    assert_eq!(plan.ring.levels, 5);
    assert!(
        plan.predicted.input_bytes < 500_000,
        "{}",
        plan.predicted.input_bytes
    );
    assert!(plan.candidates > 20, "{}", plan.candidates);
    assert!(
        plan.to_string()
            .contains(&format!("looked at {} candidates", plan.candidates))
    );
}

#[test]
fn objectives_are_best_at_what_they_say() {
    let graph = mlp();
    let with = |objective| {
        plan(
            &graph,
            &Asked {
                objective,
                ..Asked::default()
            },
        )
        .unwrap()
    };
    let (latency, memory, client) = (
        with(Objective::Latency),
        with(Objective::Memory),
        with(Objective::Client),
    );
    for other in [&memory, &client] {
        assert!(latency.predicted.seconds <= other.predicted.seconds);
    }
    assert!(memory.predicted.memory() <= latency.predicted.memory());
    let bytes = |p: &super::Plan| p.predicted.input_bytes + p.predicted.output_bytes;
    assert!(bytes(&client) <= bytes(&latency));
}

#[test]
fn plans_are_data() {
    let graph = mlp();
    let one = plan(&graph, &Asked::default()).unwrap();
    let again = plan(&graph, &Asked::default()).unwrap();
    assert_eq!(one, again, "the search is deterministic");
    assert_eq!(one.fingerprint(), again.fingerprint());
    assert!(one.diff(&again).is_empty());
    let text = serde_json::to_string(&one).unwrap();
    assert_eq!(serde_json::from_str::<super::Plan>(&text).unwrap(), one);
    let batch = plan(
        &graph,
        &Asked {
            batch: 64,
            ..Asked::default()
        },
    )
    .unwrap();
    assert_ne!(one.fingerprint(), batch.fingerprint());
    let diff = one.diff(&batch);
    assert!(diff.iter().any(|line| line == "lanes: 1 -> 64"), "{diff:?}");
}

#[test]
fn layers_say_what_every_algorithm_would_cost() {
    let bytes = include_bytes!("../../../examples/data/networks/lola.onnx");
    let graph = Graph::from_onnx(bytes).unwrap().simplify().unwrap();
    let found = plan(&graph, &Asked::default()).unwrap();
    let of = |name: &str| {
        let layer = found.compared.iter().filter(|one| one.node.contains(name));
        layer.map(|one| one.algorithm).collect::<Vec<_>>()
    };
    for algorithm in [
        Algorithm::Toeplitz,
        Algorithm::Interleaved,
        Algorithm::ImageToColumn,
    ] {
        assert!(of("conv_0").contains(&algorithm), "{found}");
    }
    assert!(of("dense_5").contains(&Algorithm::Diagonals), "{found}");
    assert!(found.candidates > 400, "{}", found.candidates);
    let linear = found
        .steps
        .iter()
        .filter(|step| matches!(step.kind, StepKind::Linear { .. }));
    assert_eq!(
        found.compared.iter().filter(|one| one.taken).count(),
        linear.count()
    );
    for one in &found.compared {
        assert!(
            one.nanoseconds > 0 && one.ciphertexts > 0 && one.candidates > 0,
            "{one:?}"
        );
    }
    assert!(found.to_string().contains("im2col"), "{found}");
}

#[test]
fn impossible_wishes_are_named() {
    let graph = mlp();
    let error = plan(
        &graph,
        &Asked {
            max_memory: Some(1000),
            ..Asked::default()
        },
    )
    .unwrap_err();
    assert!(
        matches!(error, PlanError::Constraints { least: Some(least), .. } if least > 1000),
        "{error}"
    );
    let error = plan(
        &graph,
        &Asked {
            batch: 1 << 30,
            ..Asked::default()
        },
    )
    .unwrap_err();
    assert!(matches!(error, PlanError::Constraints { .. }), "{error}");
}

#[test]
fn cost_tables_are_read_strictly() {
    let table = CostTable::parse("# comment\ncache 1000\nAdd 13 6 1 6 10 20\n").unwrap();
    assert_eq!(CostTable::parse(&table.text()).unwrap(), table);
    let error = CostTable::parse("Add 13 6 1 6 10 20\nMul x\n").unwrap_err();
    assert_eq!((error.line, error.text.as_str()), (2, "Mul x"));
    for wrong in [
        "Add 13 6 1 6 -3 4",
        "Ad 13 6 1 6 3 4",
        "Add 13 6 1 6 3",
        "Add 13 6.5 1 6 3 4",
        "cache -1",
        "cache",
    ] {
        assert!(CostTable::parse(wrong).is_err(), "{wrong}");
    }
    assert!(
        !CostTable::default().samples().is_empty(),
        "the shipped table is read"
    );
}

#[test]
fn costs_follow_what_was_measured() {
    let table = CostTable::parse("cache 1000\nAdd 13 6 1 6 10 30\nRotate 13 6 1 6 100 200\n").unwrap();
    let ring = Ring::choices(5, 40, 26)
        .into_iter()
        .find(|r| r.log_degree == 13 && r.dnum == 6)
        .unwrap();
    let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
    close(table.seconds(Op::Add, &ring, 5, 0.0), 10e-9);
    close(table.seconds(Op::Add, &ring, 5, 0.5), 20e-9);
    // Half the primes, half the time; twice the degree, twice the time.
    close(table.seconds(Op::Add, &ring, 2, 0.0), 5e-9);
    let larger = Ring {
        log_degree: 14,
        ..ring
    };
    close(table.seconds(Op::Add, &larger, 5, 0.0), 20e-9);
    assert!(
        table.seconds(Op::Rotate, &ring, 2, 0.0) < 40e-9,
        "key switches have fewer digits of fewer primes"
    );
    assert_eq!(
        [table.coldness(500), table.coldness(1500), table.coldness(9000)],
        [0.0, 0.5, 1.0]
    );
}

#[test]
fn measuring_gives_a_table() {
    let start = std::time::Instant::now();
    let table = super::measure(&[12], 1 << 16, &|| start.elapsed().as_secs_f64()).unwrap();
    for op in [
        Op::Add,
        Op::Mul,
        Op::Rotate,
        Op::HoistedRotate,
        Op::MulPlain,
        Op::MulPeriodic,
        Op::Rescale,
    ] {
        let samples: Vec<_> = table.samples().iter().filter(|s| s.op == op).collect();
        assert!(
            !samples.is_empty() && samples.iter().all(|s| s.warm > 0.0 && s.cold >= s.warm),
            "{op:?}"
        );
    }
    assert_eq!(
        CostTable::parse(&table.text()).unwrap().samples().len(),
        table.samples().len()
    );
}

#[test]
fn a_large_batch_lies_across_the_slots() {
    let plan = plan(
        &mlp(),
        &Asked {
            batch: 512,
            ..Asked::default()
        },
    )
    .unwrap();
    assert_eq!((plan.lanes, plan.order), (512, Order::BatchFirst));
    assert!(
        plan.predicted.model_bytes < 1 << 26,
        "{}",
        plan.predicted.model_bytes
    );
    assert!(plan.to_string().contains("[512/512, 784/8]"), "{plan}");
    // The input comes two in a ciphertext: half the upload, and half the products of the first layer.
    assert_eq!((plan.paired, plan.input_ciphertexts()), (true, 49));
    assert_eq!(
        plan.predicted.input_bytes,
        49 * plan.ring.fresh_bytes(plan.ring.levels)
    );
    assert!(plan.to_string().contains("two in a ciphertext"), "{plan}");
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    let apart = Plan {
        paired: false,
        ..plan.clone()
    };
    assert!(!serde_json::to_string(&apart).unwrap().contains("paired"));
    assert_ne!(apart.fingerprint(), plan.fingerprint());
    assert_eq!(plan.diff(&apart), ["two inputs in a ciphertext: true -> false"]);
}

/// Why encrypted models are not tried with the batch first: in any order a mask is a ciphertext, and there are as many.
#[test]
fn rotations_that_go_around_need_no_more_masks() {
    for batch in [16, 64, 512] {
        let graph = mlp();
        let found = plan(
            &graph,
            &Asked {
                batch,
                ..Asked::default()
            },
        )
        .unwrap();
        for (i, step) in found.steps.iter().enumerate() {
            let (StepKind::Linear { source, fold, .. }, Operator::Affine(map)) =
                (&step.kind, &graph.nodes()[i].operator)
            else {
                continue;
            };
            let count = |order| {
                let grid = Grid {
                    order,
                    ..found.grid()
                };
                let matrix = rotations(map, &found.steps[*source].layout, &step.layout, *fold, grid);
                matrix.blocks.values().map(|block| block.len()).sum::<usize>()
            };
            assert!(count(Order::BatchLast) <= count(Order::BatchFirst), "{found}");
        }
    }
}

/// A batch that does not fit beside each other is taken in rounds, for all objectives; what cannot be had says what could.
#[test]
fn a_batch_takes_the_memory_that_it_may() {
    let graph = mlp();
    let asked = Asked {
        batch: 512,
        encrypted_model: true,
        ..Asked::default()
    };
    let free = plan(&graph, &asked).unwrap();
    assert!(free.predicted.memory() > 1 << 30, "{free}");
    for objective in [
        Objective::Latency,
        Objective::Throughput,
        Objective::Memory,
        Objective::Client,
    ] {
        let max_memory = Some(1 << 30);
        let bound = plan(
            &graph,
            &Asked {
                objective,
                max_memory,
                ..asked.clone()
            },
        );
        let bound = bound.unwrap();
        assert!(
            bound.predicted.memory() <= 1 << 30 && bound.batch() == 512,
            "{bound}"
        );
        assert!(
            bound.rounds > 1 && bound.to_string().contains("rounds"),
            "{bound}"
        );
        assert!(bound.predicted.seconds >= free.predicted.seconds);
    }
    let error = plan(
        &graph,
        &Asked {
            max_memory: Some(100 << 20),
            ..asked
        },
    )
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("100 MiB of memory, where the smallest plan takes"),
        "{error}"
    );
}

#[test]
fn large_networks_are_planned_from_their_shapes() {
    for name in zoo::NAMES {
        let bytes = zoo::onnx(name, zoo::Weights::Declared).unwrap();
        let outline = Outline::from_onnx(&bytes).unwrap();
        assert_eq!(
            outline.parts.last().unwrap().size(),
            if matches!(name, "lenet5" | "cnn64") {
                10
            } else {
                1000
            }
        );
        let with = |objective| {
            super::outline(
                &outline,
                &Asked {
                    objective,
                    ..Asked::default()
                },
            )
            .unwrap()
        };
        let [latency, throughput, memory, client] = [
            Objective::Latency,
            Objective::Throughput,
            Objective::Memory,
            Objective::Client,
        ]
        .map(with);
        let time = |p: &super::OutlinePlan| p.predicted.seconds + p.refresh_seconds;
        let bytes = |p: &super::OutlinePlan| p.predicted.input_bytes + p.predicted.output_bytes;
        assert!(latency.candidates > 50, "{}", latency.candidates);
        for other in [&memory, &client] {
            assert!(time(&latency) <= time(other), "{name}");
        }
        assert!(memory.predicted.memory() <= latency.predicted.memory() && bytes(&client) <= bytes(&latency));
        assert!(time(&throughput) / throughput.lanes as f64 <= time(&latency) / latency.lanes as f64);
        // Levels are paid for, and refreshed where none is left.
        assert_eq!(
            latency.refreshed > 0,
            !matches!(name, "lenet5" | "cnn64" | "alexnet"),
            "{latency}"
        );
        assert!(latency.steps.iter().all(|step| step.level <= latency.usable));
        assert!(
            latency.missing.iter().any(|m| m.contains("weights")),
            "{:?}",
            latency.missing
        );
        assert_eq!(
            latency.refreshed > 0,
            latency.missing.iter().any(|m| m.contains("refresh"))
        );
        let encrypted = super::outline(
            &outline,
            &Asked {
                encrypted_model: true,
                ..Asked::default()
            },
        )
        .unwrap();
        assert!(time(&encrypted) > time(&latency), "{name}");
    }
    let squeezenet = Outline::from_onnx(&zoo::onnx("squeezenet", zoo::Weights::Declared).unwrap()).unwrap();
    let asked = Asked {
        max_memory: Some(1000),
        ..Asked::default()
    };
    assert!(
        matches!(super::outline(&squeezenet, &asked), Err(PlanError::Constraints { least: Some(least), .. }) if least > 1000)
    );
    assert!(zoo::onnx("nonsense", zoo::Weights::Declared).is_none());
}

/// What is known of the architectures: products of one image, and weights.
#[test]
fn the_zoo_has_the_published_sizes() {
    for (name, products, weights) in [
        ("alexnet", 0.71e9, 61.1e6),
        ("vgg16", 15.5e9, 138.4e6),
        ("resnet18", 1.82e9, 11.7e6),
        ("resnet50", 4.1e9, 25.5e6),
    ] {
        let outline = Outline::from_onnx(&zoo::onnx(name, zoo::Weights::Declared).unwrap()).unwrap();
        let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.03, "{name}: {a} {b}");
        near(outline.products() as f64, products);
        near(outline.weights as f64, weights);
    }
}

/// From shapes as from the maps themselves, where both can be had.
#[test]
fn estimates_are_near_what_is_counted() {
    let bytes = zoo::onnx("lenet5", zoo::Weights::Random(7)).unwrap();
    let graph = Graph::from_onnx(&bytes).unwrap();
    let counted = plan(&graph, &Asked::default()).unwrap().predicted.seconds;
    let outline = Outline::from_onnx(&bytes).unwrap();
    assert!(outline.complete);
    let estimated = super::outline(&outline, &Asked::default()).unwrap();
    assert!(estimated.missing.is_empty(), "{:?}", estimated.missing);
    let ratio = estimated.predicted.seconds / counted;
    assert!(
        (0.4..2.5).contains(&ratio),
        "{counted} s counted, {ratio} of it estimated\n{estimated}"
    );
}

#[test]
fn outlines_refuse_as_graphs_do() {
    let error = Outline::from_onnx(b"nonsense").unwrap_err();
    assert!(error.to_string().contains("not an ONNX model"), "{error}");
    let declared = zoo::onnx("alexnet", zoo::Weights::Declared).unwrap();
    let error = Graph::from_onnx(&declared).unwrap_err().to_string();
    assert!(
        error.contains("another file") && error.contains("weights_0"),
        "{error}"
    );
}
