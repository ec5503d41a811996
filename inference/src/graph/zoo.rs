//! Well-known networks as ONNX files, to plan without training anything: random weights, or weights declared and left out.
//!
//! They are the published architectures (Krizhevsky et al. 2012, Simonyan and Zisserman 2014, He et al. 2015, Iandola et
//! al. 2016) with average pooling where those take the maximum, which is no polynomial, and without local response
//! normalisation; batch normalisation is taken as folded into the convolutions.

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, tensor_proto::DataLocation, tensor_shape_proto,
    type_proto,
};

/// The networks that there are.
pub const NAMES: [&str; 7] = [
    "lenet5",
    "cnn64",
    "alexnet",
    "vgg16",
    "resnet18",
    "resnet50",
    "squeezenet",
];

/// What the file holds of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Their shapes: data in another file, which there is not. It can be planned, not run.
    Declared,
    /// Small random numbers from a seed.
    Random(u64),
}

/// The bytes of an ONNX file; nothing for a name that is not among [`NAMES`].
pub fn onnx(name: &str, weights: Weights) -> Option<Vec<u8>> {
    let mut net = Net::new(
        weights,
        match name {
            "lenet5" => [1, 28, 28],
            "cnn64" => [3, 64, 64],
            _ => [3, 224, 224],
        },
    );
    match name {
        "lenet5" => lenet5(&mut net),
        "cnn64" => cnn64(&mut net),
        "alexnet" => alexnet(&mut net),
        "vgg16" => vgg16(&mut net),
        "resnet18" => resnet(&mut net, [2, 2, 2, 2], false),
        "resnet50" => resnet(&mut net, [3, 4, 6, 3], true),
        "squeezenet" => squeezenet(&mut net),
        _ => return None,
    }
    Some(net.model(name).encode_to_vec())
}

fn lenet5(net: &mut Net) {
    for filters in [6, 16] {
        net.conv(filters, 5, 1, if filters == 6 { 2 } else { 0 });
        net.square();
        net.pool(2, 2, 0);
    }
    net.flatten();
    for outputs in [120, 84] {
        net.dense(outputs);
        net.square();
    }
    net.dense(10);
}

/// No published one: two convolutions of an image that exceeds a ciphertext, and two dense layers.
fn cnn64(net: &mut Net) {
    net.conv(8, 5, 2, 2);
    net.square();
    net.conv(16, 3, 2, 1);
    net.square();
    net.pool(2, 2, 0);
    net.flatten();
    net.dense(64);
    net.square();
    net.dense(10);
}

fn alexnet(net: &mut Net) {
    for (filters, kernel, stride, pad, pool) in [
        (64, 11, 4, 2, true),
        (192, 5, 1, 2, true),
        (384, 3, 1, 1, false),
        (256, 3, 1, 1, false),
        (256, 3, 1, 1, true),
    ] {
        net.conv(filters, kernel, stride, pad);
        net.relu();
        if pool {
            net.pool(3, 2, 0);
        }
    }
    classifier(net);
}

fn vgg16(net: &mut Net) {
    for (filters, layers) in [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)] {
        for _ in 0..layers {
            net.conv(filters, 3, 1, 1);
            net.relu();
        }
        net.pool(2, 2, 0);
    }
    classifier(net);
}

fn classifier(net: &mut Net) {
    net.flatten();
    for _ in 0..2 {
        net.dense(4096);
        net.relu();
    }
    net.dense(1000);
}

fn resnet(net: &mut Net, blocks: [usize; 4], bottleneck: bool) {
    net.conv(64, 7, 2, 3);
    net.relu();
    net.pool(3, 2, 1);
    for (stage, &count) in blocks.iter().enumerate() {
        for block in 0..count {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let (width, out) = (64 << stage, (if bottleneck { 256 } else { 64 }) << stage);
            let entry = net.at.clone();
            if bottleneck {
                net.conv(width, 1, 1, 0);
                net.relu();
                net.conv(width, 3, stride, 1);
                net.relu();
                net.conv(out, 1, 1, 0);
            } else {
                net.conv(width, 3, stride, 1);
                net.relu();
                net.conv(out, 3, 1, 1);
            }
            let main = net.at.clone();
            net.at = entry;
            if net.at.channels() != out || stride > 1 {
                net.conv(out, 1, stride, 0);
            }
            net.add(main);
            net.relu();
        }
    }
    net.global_pool();
    net.flatten();
    net.dense(1000);
}

fn squeezenet(net: &mut Net) {
    net.conv(64, 3, 2, 0);
    net.relu();
    net.pool(3, 2, 0);
    for (fire, (squeeze, expand)) in [
        (16, 64),
        (16, 64),
        (32, 128),
        (32, 128),
        (48, 192),
        (48, 192),
        (64, 256),
        (64, 256),
    ]
    .into_iter()
    .enumerate()
    {
        if fire == 2 || fire == 4 {
            net.pool(3, 2, 0);
        }
        net.conv(squeeze, 1, 1, 0);
        net.relu();
        let squeezed = net.at.clone();
        net.conv(expand, 1, 1, 0);
        net.relu();
        let left = net.at.clone();
        net.at = squeezed;
        net.conv(expand, 3, 1, 1);
        net.relu();
        net.concat(left);
    }
    net.conv(1000, 1, 1, 0);
    net.relu();
    net.global_pool();
    net.flatten();
}

/// A value: its name and its shape without the batch.
#[derive(Clone)]
struct Value {
    name: String,
    shape: Vec<usize>,
}

impl Value {
    fn channels(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }
}

/// A network in the making; `at` is the last value.
struct Net {
    weights: Weights,
    random: u64,
    input: Vec<usize>,
    at: Value,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Net {
    fn new(weights: Weights, input: [usize; 3]) -> Self {
        let random = match weights {
            Weights::Declared => 0,
            Weights::Random(seed) => seed,
        };
        Self {
            weights,
            random,
            input: input.to_vec(),
            at: Value {
                name: "image".into(),
                shape: input.to_vec(),
            },
            nodes: Vec::new(),
            constants: Vec::new(),
        }
    }

    fn node(&mut self, op: &str, constants: &[String], attributes: Vec<AttributeProto>, shape: Vec<usize>) {
        let name = format!("{}_{}", op.to_lowercase(), self.nodes.len());
        let input = std::iter::once(&self.at.name).chain(constants).cloned().collect();
        self.nodes.push(NodeProto {
            op_type: op.into(),
            name: name.clone(),
            input,
            output: vec![name.clone()],
            attribute: attributes,
            ..Default::default()
        });
        self.at = Value { name, shape };
    }

    /// Weights whose sums of `seen` products keep the size of what they multiply.
    fn constant(&mut self, dims: &[usize], seen: usize) -> String {
        let name = format!("weights_{}", self.constants.len());
        let mut tensor = TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: 1,
            ..Default::default()
        };
        match self.weights {
            Weights::Declared => {
                tensor.data_location = Some(DataLocation::External as i32);
                tensor.external_data = vec![StringStringEntryProto {
                    key: "location".into(),
                    value: "left-out".into(),
                }];
            }
            Weights::Random(_) => {
                let spread = (3.0 / seen.max(1) as f32).sqrt();
                let count = dims.iter().product();
                tensor.raw_data = Vec::with_capacity(4 * count);
                for _ in 0..count {
                    // SplitMix64: weights are no secrets.
                    self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
                    let mut z = self.random;
                    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                    let unit = ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
                    tensor.raw_data.extend((unit * spread).to_le_bytes());
                }
            }
        }
        self.constants.push(tensor);
        name
    }

    /// Height and width after a window.
    fn windows(&self, kernel: usize, stride: usize, pad: usize) -> Vec<usize> {
        let along = |size: &usize| (size + 2 * pad - kernel) / stride + 1;
        self.at.shape.iter().skip(1).map(along).collect()
    }

    fn window(&self, kernel: usize, stride: usize, pad: usize) -> Vec<AttributeProto> {
        vec![
            ints("kernel_shape", &[kernel as i64; 2]),
            ints("strides", &[stride as i64; 2]),
            ints("pads", &[pad as i64; 4]),
        ]
    }

    fn conv(&mut self, filters: usize, kernel: usize, stride: usize, pad: usize) {
        let channels = self.at.channels();
        let seen = channels * kernel * kernel;
        let weights = self.constant(&[filters, channels, kernel, kernel], seen);
        let bias = self.constant(&[filters], seen);
        let shape = [vec![filters], self.windows(kernel, stride, pad)].concat();
        self.node("Conv", &[weights, bias], self.window(kernel, stride, pad), shape);
    }

    fn pool(&mut self, kernel: usize, stride: usize, pad: usize) {
        let shape = [vec![self.at.channels()], self.windows(kernel, stride, pad)].concat();
        self.node("AveragePool", &[], self.window(kernel, stride, pad), shape);
    }

    fn global_pool(&mut self) {
        let shape = vec![self.at.channels(), 1, 1];
        self.node("GlobalAveragePool", &[], Vec::new(), shape);
    }

    fn flatten(&mut self) {
        let shape = vec![self.at.shape.iter().product()];
        self.node("Flatten", &[], Vec::new(), shape);
    }

    fn dense(&mut self, outputs: usize) {
        let inputs = self.at.channels();
        let weights = self.constant(&[outputs, inputs], inputs);
        let bias = self.constant(&[outputs], inputs);
        let transposed = AttributeProto {
            name: "transB".into(),
            i: 1,
            r#type: 2,
            ..Default::default()
        };
        self.node("Gemm", &[weights, bias], vec![transposed], vec![outputs]);
    }

    fn relu(&mut self) {
        let shape = self.at.shape.clone();
        self.node("Relu", &[], Vec::new(), shape);
    }

    fn square(&mut self) {
        let (name, shape) = (self.at.name.clone(), self.at.shape.clone());
        self.node("Mul", &[name], Vec::new(), shape);
    }

    fn add(&mut self, other: Value) {
        self.node("Add", &[other.name], Vec::new(), other.shape);
    }

    fn concat(&mut self, other: Value) {
        let mut shape = self.at.shape.clone();
        if let Some(channels) = shape.first_mut() {
            *channels += other.channels();
        }
        let axis = AttributeProto {
            name: "axis".into(),
            i: 1,
            r#type: 2,
            ..Default::default()
        };
        self.node("Concat", &[other.name], vec![axis], shape);
    }

    fn model(self, name: &str) -> ModelProto {
        let info = |name: &str, shape: &[usize]| {
            let dim = |size: &usize| tensor_shape_proto::Dimension {
                value: Some(tensor_shape_proto::dimension::Value::DimValue(*size as i64)),
                ..Default::default()
            };
            let tensor = type_proto::Tensor {
                elem_type: 1,
                shape: Some(TensorShapeProto {
                    dim: std::iter::once(&1).chain(shape).map(dim).collect(),
                }),
            };
            ValueInfoProto {
                name: name.into(),
                r#type: Some(TypeProto {
                    value: Some(type_proto::Value::TensorType(tensor)),
                    ..Default::default()
                }),
                ..Default::default()
            }
        };
        ModelProto {
            ir_version: 8,
            producer_name: "hedgerow generate network".into(),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 13,
            }],
            graph: Some(GraphProto {
                name: name.into(),
                input: vec![info("image", &self.input)],
                output: vec![info(&self.at.name, &self.at.shape)],
                node: self.nodes,
                initializer: self.constants,
                ..Default::default()
            }),
            ..Default::default()
        }
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
