use prost::Message;

use super::*;
use crate::ensemble::{Float, Task};
use crate::onnx::{
    Attribute, Graph, Model, Node, Tensor, TensorShape, TensorType, Type, ValueInfo, data_type,
};

fn value(name: &str, elem_type: i32, columns: Option<i64>) -> ValueInfo {
    let dim = [None, columns].map(|dim_value| onnx::Dimension {
        dim_value,
        dim_param: None,
    });
    let shape = Some(TensorShape { dim: dim.to_vec() });
    ValueInfo {
        name: name.into(),
        r#type: Some(Type {
            tensor_type: Some(TensorType { elem_type, shape }),
        }),
    }
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: ints.to_vec(),
        ..Attribute::default()
    }
}

fn floats(name: &str, floats: &[f32]) -> Attribute {
    Attribute {
        name: name.into(),
        floats: floats.to_vec(),
        ..Attribute::default()
    }
}

fn texts(name: &str, texts: &[&str]) -> Attribute {
    let strings = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    Attribute {
        name: name.into(),
        strings,
        ..Attribute::default()
    }
}

fn node(domain: &str, op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<Attribute>) -> Node {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Node {
        input: owned(inputs),
        output: owned(outputs),
        name: String::new(),
        op_type: op.into(),
        attribute,
        domain: domain.into(),
    }
}

/// One test with two leaves, ids 10, 11 and 12 of tree 7.
fn stump() -> Vec<Attribute> {
    vec![
        ints("nodes_treeids", &[7, 7, 7]),
        ints("nodes_nodeids", &[10, 11, 12]),
        ints("nodes_featureids", &[1, 0, 0]),
        ints("nodes_truenodeids", &[11, 0, 0]),
        ints("nodes_falsenodeids", &[12, 0, 0]),
        texts("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"]),
        floats("nodes_values", &[0.5, 0.0, 0.0]),
        ints("target_treeids", &[7, 7]),
        ints("target_nodeids", &[11, 12]),
        ints("target_ids", &[0, 0]),
        floats("target_weights", &[1.0, 2.0]),
        Attribute {
            name: "n_targets".into(),
            i: Some(1),
            ..Attribute::default()
        },
    ]
}

fn model(change: impl FnOnce(&mut Graph)) -> Vec<u8> {
    let mut graph = Graph {
        node: vec![node(ML, "TreeEnsembleRegressor", &["X"], &["Y"], stump())],
        input: vec![value("X", data_type::FLOAT, Some(2))],
        output: vec![value("Y", data_type::FLOAT, Some(1))],
        ..Graph::default()
    };
    change(&mut graph);
    Model {
        graph: Some(graph),
        ..Model::default()
    }
    .encode_to_vec()
}

const ML: &str = crate::onnx::ML_DOMAIN;

fn set(graph: &mut Graph, attribute: Attribute) {
    let all = &mut graph.node[0].attribute;
    all.retain(|other| other.name != attribute.name);
    all.push(attribute);
}

fn error(change: impl FnOnce(&mut Graph)) -> String {
    ensemble(&model(change)).unwrap_err().to_string()
}

#[test]
fn files_with_trees_are_told_from_others() {
    assert!(has_trees(&model(|_| ())));
    assert!(!has_trees(&model(|graph| {
        for node in &mut graph.node {
            node.op_type = "Gemm".into();
        }
    })));
    assert!(!has_trees(b"something else"));
}

#[test]
fn a_stump_is_read() {
    let ensemble = ensemble(&model(|_| ())).unwrap();
    assert_eq!(ensemble.parts().task, Task::Regression { targets: 1 });
    let scores = ensemble
        .evaluate(&[0.0, 0.5, 0.0, 0.6, 0.0, f64::NAN])
        .unwrap()
        .scores;
    assert_eq!(scores, [1.0, 2.0, 2.0]);
    let open = super::ensemble(&model(|graph| {
        graph.input = vec![value("X", data_type::DOUBLE, None)]
    }))
    .unwrap();
    assert_eq!((open.features().len(), open.parts().arithmetic), (2, Float::F64));
}

#[test]
fn errors_name_operator_tree_and_node() {
    let after = |op: &'static str, domain: &'static str| {
        move |graph: &mut Graph| {
            graph.node.push(node(domain, op, &["Y"], &["Z"], vec![]));
            graph.output = vec![value("Z", data_type::FLOAT, Some(1))];
        }
    };
    let cases = [
        (
            error(|g| set(g, ints("nodes_truenodeids", &[10, 0, 0]))),
            "tree 7, node 10: a path from this node leads back",
        ),
        (
            error(|g| set(g, ints("nodes_falsenodeids", &[13, 0, 0]))),
            "node \"Y\" (ai.onnx.ml.TreeEnsembleRegressor): nodes_falsenodeids of node 10 in tree 7: expected a node of this tree, found 13",
        ),
        (
            error(|g| set(g, ints("nodes_falsenodeids", &[-1, 0, 0]))),
            "of node 10 in tree 7: expected a node of this tree, found -1",
        ),
        (
            error(|g| set(g, ints("nodes_featureids", &[2, 0, 0]))),
            "tree 7, node 10: feature: expected a feature below 2, found 2",
        ),
        (
            error(|g| set(g, ints("nodes_featureids", &[-1, 0, 0]))),
            "nodes_featureids of node 10 in tree 7: expected a number of 32 bits",
        ),
        (
            error(|g| set(g, floats("nodes_values", &[f32::NAN, 0.0, 0.0]))),
            "tree 7, node 10: value",
        ),
        (
            error(|g| set(g, floats("nodes_values", &[0.0]))),
            "nodes_values: expected 3 values, found 1",
        ),
        (
            error(|g| set(g, texts("nodes_modes", &["BRANCH_SO", "LEAF", "LEAF"]))),
            "nodes_modes of node 10 in tree 7: expected LEAF or BRANCH_",
        ),
        (
            error(|g| set(g, ints("nodes_nodeids", &[10, 11, 11]))),
            "expected every node once, found node 11 of tree 7 twice",
        ),
        (
            error(|g| set(g, ints("nodes_treeids", &[7, 8, 7]))),
            "expected the nodes of a tree together, found tree 7 in two places",
        ),
        (
            error(|g| set(g, ints("target_nodeids", &[11, 13]))),
            "expected a node that there is, found node 13 of tree 7",
        ),
        (
            error(|g| set(g, ints("target_nodeids", &[11, 11]))),
            "target_nodeids of node 12 in tree 7: expected at least one weight",
        ),
        (
            error(|g| set(g, ints("target_ids", &[0, 1]))),
            "tree 7, node 12: target: expected a target below 1, found 1",
        ),
        (
            error(|g| {
                set(
                    g,
                    Attribute {
                        name: "post_transform".into(),
                        s: Some(b"PROBIT".to_vec()),
                        ..Attribute::default()
                    },
                )
            }),
            "post_transform: expected NONE, LOGISTIC, SOFTMAX or SOFTMAX_ZERO (PROBIT is not supported",
        ),
        (
            error(|g| {
                set(
                    g,
                    Attribute {
                        name: "aggregate_function".into(),
                        s: Some(b"MAX".to_vec()),
                        ..Attribute::default()
                    },
                )
            }),
            "aggregate_function: expected SUM or AVERAGE",
        ),
        (
            error(|g| {
                set(
                    g,
                    Attribute {
                        name: "n_targets".into(),
                        i: Some(0),
                        ..Attribute::default()
                    },
                )
            }),
            "n_targets: expected at least 1, found 0",
        ),
        (
            error(after("Softplus", "")),
            "node \"Z\": operator Softplus is not supported; export the forest alone",
        ),
        (
            error(after("Mul", "com.other")),
            "node \"Z\": operator com.other.Mul is not supported",
        ),
        (
            error(after("Scaler", ML)),
            "operator ai.onnx.ml.Scaler is not supported; prepare the columns before",
        ),
        (
            error(|g| g.node.push(node("", "Neg", &["missing"], &["Z"], vec![]))),
            "input 0: expected a value computed before, found \"missing\"",
        ),
        (
            error(|g| g.node.push(node("", "Neg", &["X"], &["Z"], vec![]))),
            "operator Neg is not supported; it changes the columns",
        ),
        (
            error(|g| {
                let mut second = g.node[0].clone();
                second.output = vec!["Z".into()];
                g.node.push(second);
            }),
            "one tree operator per file is read",
        ),
        (
            error(|g| g.node.clear()),
            "expected a TreeEnsembleClassifier, TreeEnsembleRegressor or TreeEnsemble, found 0 nodes",
        ),
        (error(|g| g.output.clear()), "expected an output of scores"),
        (
            error(|g| g.output = vec![value("N", 1, None)]),
            "output \"N\": expected the output of a node",
        ),
        (
            error(|g| g.output = vec![value("X", 1, None)]),
            "output \"X\": expected scores or classes",
        ),
        (
            error(|g| g.input = vec![value("X", 9, None)]),
            "input \"X\": expected float, double",
        ),
        (
            error(|g| g.input = vec![value("X", data_type::STRING, Some(1))]),
            "texts of \"X\" without a LabelEncoder",
        ),
        (
            ensemble(b"PK\x03\x04 not a protobuf").unwrap_err().to_string(),
            "ONNX file: ",
        ),
        (ensemble(b"").unwrap_err().to_string(), "there is no graph in it"),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}\nwithout: {expected}");
    }
}

#[test]
fn operators_behind_the_trees() {
    let constant = |name: &str, values: &[f32]| Tensor {
        dims: vec![values.len() as i64],
        data_type: data_type::FLOAT,
        float_data: values.to_vec(),
        name: name.into(),
        ..Tensor::default()
    };
    let file = model(|graph| {
        graph.initializer = vec![constant("c", &[3.0]), constant("one", &[1.0])];
        graph.node.extend([
            node("", "Exp", &["Y"], &["unused"], vec![]),
            node("", "Sub", &["c", "Y"], &["a"], vec![]),
            node("", "Div", &["Y", "c"], &["b"], vec![]),
            node(
                "",
                "Concat",
                &["a", "b"],
                &["d"],
                vec![Attribute {
                    name: "axis".into(),
                    i: Some(1),
                    ..Attribute::default()
                }],
            ),
            node("", "Mul", &["d", "one"], &["e"], vec![]),
            node("", "ArgMax", &["d"], &["f"], vec![]),
            node("", "Cast", &["f"], &["g"], vec![]),
        ]);
        graph.output = vec![
            value("g", data_type::INT64, None),
            value("e", data_type::FLOAT, Some(2)),
        ];
    });
    let ensemble = ensemble(&file).unwrap();
    assert_eq!(ensemble.parts().steps.len(), 3, "the unused step is dropped");
    let out = ensemble.evaluate(&[0.0, 0.5]).unwrap();
    assert_eq!(out.scores, [2.0, f64::from(1.0f32 / 3.0)]);
    assert_eq!(out.classes, [0]);
}

proptest::proptest! {
    /// Whatever one byte is changed to, and wherever the file ends, reading does not panic.
    #[test]
    fn damaged_files_do_no_harm(position in 0usize..4096, byte: u8, end in 0usize..4096) {
        let mut file = model(|_| ());
        let length = file.len();
        file[position % length] = byte;
        if let Ok(ensemble) = ensemble(&file) {
            let row = vec![f64::NAN; ensemble.features().len()];
            proptest::prop_assert!(ensemble.evaluate(&row).is_ok());
        }
        let _ = super::ensemble(&file[..end % length]);
    }
}
