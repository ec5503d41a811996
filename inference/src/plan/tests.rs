use super::{Asked, CostTable, Objective, PlanError, Ring, plan};
use crate::graph::Graph;

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
        matches!(error, PlanError::Constraints { least, .. } if least > 1000),
        "{error}"
    );
    let error = plan(
        &graph,
        &Asked {
            batch: 1 << 20,
            ..Asked::default()
        },
    )
    .unwrap_err();
    assert!(matches!(error, PlanError::Constraints { .. }), "{error}");
}

#[test]
fn cost_tables_are_read_strictly() {
    assert!(CostTable::parse("# comment\n13 1 2 3 4\n").is_ok());
    let error = CostTable::parse("13 1 2 3 4\n14 x\n").unwrap_err();
    assert_eq!((error.line, error.text.as_str()), (2, "14 x"));
    assert!(CostTable::parse("13 1 2 -3 4").is_err());
}
