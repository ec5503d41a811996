//! The committed networks and small models against tract, an independent implementation.

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use tract_onnx::prelude::*;

use super::{Activation, Graph, GraphError, Operator};

const NETWORKS: [(&str, &[u8]); 3] = [
    ("mlp", include_bytes!("../../../examples/data/networks/mlp.onnx")),
    (
        "lola",
        include_bytes!("../../../examples/data/networks/lola.onnx"),
    ),
    (
        "lenet5",
        include_bytes!("../../../examples/data/networks/lenet5.onnx"),
    ),
];

fn sample(size: usize, seed: u64) -> Vec<f64> {
    let mut state = seed | 1;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    std::iter::repeat_with(next).take(size).collect()
}

/// What tract computes.
fn tract(proto: &ModelProto, shape: &[usize], input: &[f64]) -> Vec<f64> {
    let mut full = vec![1];
    full.extend(shape);
    let parsed = tract_onnx::onnx().parse(proto, None).unwrap();
    let model = parsed.model.with_input_fact(0, f32::fact(&full).into()).unwrap();
    let model = model.into_typed().unwrap().into_runnable().unwrap();
    let values: Vec<f32> = input.iter().map(|&v| v as f32).collect();
    let tensor: tract_onnx::prelude::Tensor = tract_ndarray::ArrayD::from_shape_vec(full, values)
        .unwrap()
        .into();
    let result = model.run(tvec!(tensor.into())).unwrap();
    result[0]
        .to_plain_array_view::<f32>()
        .unwrap()
        .iter()
        .map(|&v| v.into())
        .collect()
}

fn agree(graph: &Graph, proto: &ModelProto, shape: &[usize], seed: u64) {
    let input = sample(graph.inputs(), seed);
    let expected = tract(proto, shape, &input);
    for graph in [graph.clone(), graph.simplify().unwrap()] {
        let actual = graph.evaluate(&input).unwrap();
        assert_eq!(actual.len(), expected.len());
        for (a, b) in actual.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{actual:?}\n{expected:?}");
        }
    }
}

#[test]
fn the_networks_compute_what_tract_computes() {
    for (name, bytes) in NETWORKS {
        let graph = Graph::from_onnx(bytes).unwrap();
        assert_eq!((graph.name(), graph.inputs(), graph.outputs()), (name, 784, 10));
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut std::io::Cursor::new(bytes))
            .unwrap();
        agree(&graph, &proto, &[1, 28, 28], 3);
        let maps = graph.simplify().unwrap();
        let linear = maps
            .nodes()
            .iter()
            .filter(|n| matches!(n.operator, Operator::Affine(_)))
            .count();
        assert_eq!(linear, if name == "lenet5" { 5 } else { 3 }, "{name}");
    }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        ints: ints.to_vec(),
        r#type: 7,
        ..Default::default()
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        i,
        r#type: 2,
        ..Default::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|&i| i.into()).collect(),
        output: vec![output.into()],
        name: format!("the {op}"),
        attribute,
        ..Default::default()
    }
}

fn floats(name: &str, dims: &[usize], seed: u64) -> TensorProto {
    let data = sample(dims.iter().product(), seed)
        .iter()
        .map(|&v| v as f32 - 0.3)
        .collect();
    TensorProto {
        name: name.into(),
        dims: dims.iter().map(|&d| d as i64).collect(),
        data_type: 1,
        float_data: data,
        ..Default::default()
    }
}

fn int64s(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: 7,
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

/// A model from `x` of this shape to `y`.
fn model(shape: &[usize], nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let dim = |value: i64| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(value)),
        ..Default::default()
    };
    let dims = std::iter::once(1)
        .chain(shape.iter().map(|&d| d as i64))
        .map(dim)
        .collect();
    let tensor = type_proto::Tensor {
        elem_type: 1,
        shape: Some(TensorShapeProto { dim: dims }),
    };
    let value = TypeProto {
        value: Some(type_proto::Value::TensorType(tensor)),
        ..Default::default()
    };
    let info = |name: &str, r#type| ValueInfoProto {
        name: name.into(),
        r#type,
        ..Default::default()
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 13,
        }],
        graph: Some(GraphProto {
            node: nodes,
            initializer,
            input: vec![info("x", Some(value))],
            output: vec![info("y", None)],
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn read(proto: &ModelProto) -> Result<Graph, GraphError> {
    let mut bytes = Vec::new();
    prost::Message::encode(proto, &mut bytes).unwrap();
    Graph::from_onnx(&bytes)
}

#[test]
fn every_linear_operator_computes_what_tract_computes() {
    let image = [2usize, 6, 5];
    let cases: Vec<(&str, Vec<NodeProto>, Vec<TensorProto>)> = vec![
        (
            "convolution with stride, padding and groups",
            vec![node(
                "Conv",
                &["x", "w", "b"],
                "y",
                vec![
                    ints("strides", &[2, 1]),
                    ints("pads", &[1, 0, 1, 2]),
                    int("group", 2),
                    ints("kernel_shape", &[3, 2]),
                ],
            )],
            vec![floats("w", &[4, 1, 3, 2], 1), floats("b", &[4], 2)],
        ),
        (
            "dilation",
            vec![node(
                "Conv",
                &["x", "w"],
                "y",
                vec![ints("dilations", &[2, 1]), ints("kernel_shape", &[2, 2])],
            )],
            vec![floats("w", &[3, 2, 2, 2], 1)],
        ),
        (
            "pooling without the padding",
            vec![node(
                "AveragePool",
                &["x"],
                "y",
                vec![ints("kernel_shape", &[2, 3]), ints("pads", &[1, 1, 0, 1])],
            )],
            vec![],
        ),
        (
            "global pooling",
            vec![node("GlobalAveragePool", &["x"], "y", vec![])],
            vec![],
        ),
        (
            "normalization",
            vec![node(
                "BatchNormalization",
                &["x", "s", "b", "m", "v"],
                "y",
                vec![],
            )],
            vec![
                floats("s", &[2], 1),
                floats("b", &[2], 2),
                floats("m", &[2], 3),
                TensorProto {
                    float_data: vec![0.5, 2.0],
                    ..floats("v", &[2], 4)
                },
            ],
        ),
        (
            "flatten, product with a matrix, bias",
            vec![
                node("Flatten", &["x"], "f", vec![]),
                node("MatMul", &["f", "w"], "p", vec![]),
                node("Add", &["p", "b"], "y", vec![]),
            ],
            vec![floats("w", &[60, 4], 1), floats("b", &[4], 2)],
        ),
        (
            "transposition, reshape, sum",
            vec![
                node("Transpose", &["x"], "t", vec![ints("perm", &[0, 2, 3, 1])]),
                node("Reshape", &["t", "to"], "r", vec![]),
                node("ReduceSum", &["r", "axes"], "y", vec![int("keepdims", 0)]),
            ],
            vec![int64s("to", &[1, 10, -1]), int64s("axes", &[-1])],
        ),
        (
            "padding, concatenation",
            vec![
                node("Pad", &["x", "pads"], "p", vec![]),
                node("Mul", &["p", "c"], "m", vec![]),
                node("Concat", &["p", "m"], "y", vec![int("axis", 1)]),
            ],
            vec![
                int64s("pads", &[0, 0, 1, 0, 0, 0, 0, 2]),
                floats("c", &[2, 1, 1], 5),
            ],
        ),
        (
            "mean, difference of branches, powers",
            vec![
                node("ReduceMean", &["x"], "m", vec![ints("axes", &[2, 3])]),
                node("Pow", &["m", "e"], "p", vec![]),
                node("Mul", &["p", "m"], "q", vec![]),
                node("Sub", &["q", "m"], "y", vec![]),
            ],
            vec![TensorProto {
                float_data: vec![3.0],
                dims: vec![],
                ..floats("e", &[1], 1)
            }],
        ),
    ];
    for (what, nodes, initializer) in cases {
        let proto = model(&image, nodes, initializer);
        let graph = read(&proto).unwrap_or_else(|e| panic!("{what}: {e}"));
        agree(&graph, &proto, &image, 11);
    }
}

#[test]
fn refusals_name_the_node_and_say_what_to_do() {
    let error = |nodes, constants| {
        read(&model(&[2, 4, 4], nodes, constants))
            .unwrap_err()
            .to_string()
    };
    let pool = error(vec![node("MaxPool", &["x"], "y", vec![])], vec![]);
    assert!(
        pool.contains("`the MaxPool`") && pool.contains("AveragePool instead"),
        "{pool}"
    );
    let unknown = error(vec![node("Wavelet", &["x"], "y", vec![])], vec![]);
    assert!(
        unknown.contains("operator Wavelet is not supported; supported are Conv"),
        "{unknown}"
    );
    let dangling = error(vec![node("Relu", &["z"], "y", vec![])], vec![]);
    assert!(dangling.contains("input `z` is neither"), "{dangling}");
    let channels = error(
        vec![node("Conv", &["x", "w"], "y", vec![])],
        vec![floats("w", &[1, 3, 2, 2], 1)],
    );
    assert!(
        channels.contains("channels of the weights is 3, expected 2 channels in 1 groups"),
        "{channels}"
    );
    assert!(matches!(
        Graph::from_onnx(b"no model"),
        Err(GraphError::Format(_) | GraphError::Missing(_))
    ));
    // Every prefix of a model is an error, never a panic.
    let bytes = NETWORKS[1].1;
    for end in [1, 100, 5_000, bytes.len() / 2, bytes.len() - 1] {
        assert!(Graph::from_onnx(&bytes[..end]).is_err(), "{end} bytes");
    }
}

#[test]
fn activations_become_polynomials_on_what_the_samples_show() {
    let proto = model(&[8], vec![node("Sigmoid", &["x"], "y", vec![])], vec![]);
    let graph = read(&proto).unwrap();
    let error = graph.evaluate(&[0.0; 8]).unwrap_err().to_string();
    assert!(
        error.contains("Sigmoid is not a polynomial; calibrate"),
        "{error}"
    );
    assert!(matches!(graph.calibrate(&[], 7, 1.0), Err(GraphError::NoSamples)));
    let samples = vec![vec![-4.0, 4.0, 0.0, 1.0, 2.0, 3.0, -1.0, -2.0]];
    let (fitted, report) = graph.calibrate(&samples, 15, 2.0).unwrap();
    // The table of reference/polynomial-networks.md, E10: sigmoid on [-8, 8], degree 15: 1.4e-3.
    assert_eq!(report[0].interval, (-8.0, 8.0));
    assert!((1.2e-3..1.6e-3).contains(&report[0].error), "{report:?}");
    let y = fitted.evaluate(&samples[0]).unwrap();
    assert!(
        y.iter()
            .zip(&samples[0])
            .all(|(y, &x)| (y - Activation::Sigmoid.at(x)).abs() <= report[0].error)
    );
    let outside = fitted.evaluate(&[9.0; 8]).unwrap_err().to_string();
    assert!(
        outside.contains("value 9.000 is outside [-8.000, 8.000]"),
        "{outside}"
    );
}

/// A map before an activation takes the change of interval: a level less, the same numbers.
#[test]
fn a_map_before_an_activation_brings_it_to_the_unit_interval() {
    let nodes = vec![
        node("MatMul", &["x", "w"], "h", vec![]),
        node("Tanh", &["h"], "y", vec![]),
    ];
    let graph = read(&model(&[3], nodes, vec![floats("w", &[3, 4], 1)])).unwrap();
    let samples = vec![vec![-1.0, 0.5, 2.0], vec![0.25, -2.0, 1.0]];
    let (fitted, report) = graph.calibrate(&samples, 15, 1.5).unwrap();
    let unit = |operator: &Operator| matches!(operator, Operator::Polynomial(super::Polynomial::Chebyshev { low, high, .. }) if (*low, *high) == (-1.0, 1.0));
    assert!(fitted.nodes().iter().any(|node| unit(&node.operator)));
    for sample in &samples {
        let (fitted, original) = (
            fitted.evaluate(sample).unwrap(),
            graph.evaluate_original(sample).unwrap(),
        );
        for (a, b) in fitted.iter().zip(&original) {
            assert!((a - b).abs() <= report[0].error + 1e-12, "{a} {b}");
        }
    }
}

#[test]
fn fits_are_as_good_as_the_literature_says() {
    let error = |activation: Activation, r: f64, degree| {
        let p = super::Polynomial::interpolate(|x| activation.at(x), -r, r, degree);
        (-4000..=4000)
            .map(|i| r * f64::from(i) / 4000.0)
            .map(|x| (p.at(x) - activation.at(x)).abs())
            .fold(0.0, f64::max)
    };
    for (activation, r, degree, published) in [
        (Activation::Gelu, 4.0, 15, 2.4e-4),
        (Activation::Gelu, 6.0, 31, 7.3e-7),
        (Activation::Silu, 6.0, 31, 4.2e-7),
        (Activation::Tanh, 8.0, 31, 2.5e-3),
        (Activation::Relu, 10.0, 31, 0.16),
    ] {
        let error = error(activation, r, degree);
        assert!(
            (0.7..1.3).contains(&(error / published)),
            "{activation:?} on {r}, degree {degree}: {error}"
        );
    }
}
