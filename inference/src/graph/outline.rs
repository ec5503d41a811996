//! Networks as shapes: what planning needs of a network that is too large to write down its maps.
//!
//! [`Outline::from_onnx`] reads the same files as [`Graph::from_onnx`](super::Graph::from_onnx) but looks at the
//! dimensions of weights only, so that they may be missing from the file.

use std::collections::HashMap;

use tract_onnx::pb::{TensorProto, tensor_proto::DataLocation};

use super::layers::Geometry;
use super::onnx::{self, Attributes};
use super::{GraphError, build};

/// What a part of a network does to shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// The model's input.
    Input,
    /// A convolution or pooling: each filter sees `1 / groups` of the channels.
    Window {
        /// Height and width of the window, dilation included.
        kernel: [usize; 2],
        /// Rows and columns from one window to the next.
        stride: [usize; 2],
        /// Groups of channels.
        groups: usize,
    },
    /// A matrix over all elements.
    Dense,
    /// Elements moved, scaled or laid side by side; it costs a level like every affine map.
    Rearrange,
    /// The square of every element.
    Square,
    /// An activation of every element, which a polynomial replaces.
    Activation,
    /// A sum or difference of two parts.
    Sum,
    /// A product of two parts.
    Product,
}

/// One part: what it does, of what, and the shape of its result without the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name in the model.
    pub name: String,
    /// What it does.
    pub kind: PartKind,
    /// Operands, all of them earlier parts.
    pub inputs: Vec<usize>,
    /// `[channels, height, width]`, or `[elements]`.
    pub shape: Vec<usize>,
}

impl Part {
    /// Elements of the result.
    pub fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A network as shapes; part 0 is the input, the last is the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The model's name.
    pub name: String,
    /// The parts, in an order in which they can be computed.
    pub parts: Vec<Part>,
    /// Weights of the model.
    pub weights: u64,
    /// Whether the file holds the weights too.
    pub complete: bool,
}

impl Outline {
    /// Reads an ONNX model with one input, whose first dimension is the batch. Weights may be declared as data in another
    /// file, which is not read.
    ///
    /// # Errors
    /// Bytes that are no model, operators that encrypted evaluation does not have (with advice), shapes that do not fit.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, GraphError> {
        let model = onnx::parse(bytes)?;
        let graph = model.graph.ok_or(GraphError::Missing("graph"))?;
        let constants: HashMap<&str, &TensorProto> =
            graph.initializer.iter().map(|t| (t.name.as_str(), t)).collect();
        let input = graph
            .input
            .iter()
            .find(|i| !constants.contains_key(i.name.as_str()));
        let input = input.ok_or(GraphError::Missing("input"))?;
        let shape = build::shape_of(input).ok_or(GraphError::Missing(
            "input shape (all but the batch must be numbers)",
        ))?;
        let count = |t: &TensorProto| t.dims.iter().map(|&d| d.max(0) as u64).product::<u64>();
        let external = DataLocation::External as i32;
        let mut reader = Reader {
            constants,
            values: HashMap::from([(input.name.clone(), 0)]),
            parts: vec![Part {
                name: input.name.clone(),
                kind: PartKind::Input,
                inputs: Vec::new(),
                shape,
            }],
        };
        for node in &graph.node {
            reader.node(&Attributes::new(node))?;
        }
        let output = graph.output.first().ok_or(GraphError::Missing("output"))?;
        let last = reader.values.get(&output.name).copied();
        let last = last.ok_or(GraphError::Missing("output that depends on the input"))?;
        reader.parts.truncate(last + 1);
        Ok(Self {
            name: graph.name.clone(),
            parts: reader.parts,
            weights: graph.initializer.iter().map(count).sum(),
            complete: graph
                .initializer
                .iter()
                .all(|t| t.data_location != Some(external)),
        })
    }

    /// Products of one evaluation in the clear: what the maps have entries.
    pub fn products(&self) -> u64 {
        let part = |part: &Part| {
            let input = part.inputs.first().map_or(1, |&i| self.parts[i].size()) as u64;
            let channels = |i: usize| self.parts[i].shape.first().copied().unwrap_or(1) as u64;
            match part.kind {
                PartKind::Window { kernel, groups, .. } => {
                    let seen = part.inputs.first().map_or(1, |&i| channels(i)) / groups.max(1) as u64;
                    part.size() as u64 * seen * (kernel[0] * kernel[1]) as u64
                }
                PartKind::Dense => part.size() as u64 * input,
                PartKind::Rearrange => part.size() as u64,
                _ => 0,
            }
        };
        self.parts.iter().map(part).sum()
    }
}

struct Reader<'a> {
    constants: HashMap<&'a str, &'a TensorProto>,
    values: HashMap<String, usize>,
    parts: Vec<Part>,
}

impl Reader<'_> {
    fn operand(&self, at: &Attributes<'_>, i: usize) -> Result<usize, GraphError> {
        let name = at
            .node
            .input
            .get(i)
            .ok_or_else(|| at.wrong("operands", i.to_string(), format!("at least {}", i + 1)))?;
        self.values.get(name).copied().ok_or_else(|| GraphError::Unknown {
            node: at.name.to_owned(),
            input: name.clone(),
        })
    }

    fn dims(&self, at: &Attributes<'_>, i: usize) -> Result<Vec<usize>, GraphError> {
        let tensor = at
            .node
            .input
            .get(i)
            .and_then(|name| self.constants.get(name.as_str()));
        let tensor =
            tensor.ok_or_else(|| at.wrong("operand", format!("no constant at {i}"), "a constant"))?;
        Ok(tensor
            .dims
            .iter()
            .map(|&d| usize::try_from(d).unwrap_or(0))
            .collect())
    }

    fn push(&mut self, at: &Attributes<'_>, kind: PartKind, inputs: Vec<usize>, shape: Vec<usize>) {
        let output = at.node.output.first().cloned().unwrap_or_default();
        self.values.insert(output, self.parts.len());
        self.parts.push(Part {
            name: at.name.to_owned(),
            kind,
            inputs,
            shape,
        });
    }

    fn image(&self, at: &Attributes<'_>, id: usize) -> Result<[usize; 3], GraphError> {
        let shape = self.parts[id].shape.as_slice();
        shape
            .try_into()
            .map_err(|_| at.wrong("shape", format!("{shape:?}"), "[channels, height, width]"))
    }

    fn window(
        &mut self,
        at: &Attributes<'_>,
        kernel: [usize; 2],
        groups: usize,
        channels: usize,
    ) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let image = self.image(at, id)?;
        let geometry: Geometry = build::geometry(at, kernel, image)?;
        let [height, width] = geometry.output(image[1], image[2]).unwrap_or([0, 0]);
        let kind = PartKind::Window {
            kernel: [0, 1].map(|axis| (kernel[axis] - 1) * geometry.dilation[axis] + 1),
            stride: geometry.stride,
            groups,
        };
        self.push(at, kind, vec![id], vec![channels, height, width]);
        Ok(())
    }

    fn node(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        match at.node.op_type.as_str() {
            "Conv" => {
                let id = self.operand(at, 0)?;
                let [channels, ..] = self.image(at, id)?;
                let groups = at.int("group", 1).max(1) as usize;
                let dims = self.dims(at, 1)?;
                let &[filters, seen, height, width] = dims.as_slice() else {
                    let expected = "[filters, channels, height, width]";
                    return Err(at.wrong("weights", format!("{dims:?}"), expected));
                };
                if seen * groups != channels {
                    let expected = format!("{channels} channels in {groups} groups");
                    return Err(at.wrong("channels of the weights", seen.to_string(), expected));
                }
                self.window(at, [height, width], groups, filters)
            }
            "AveragePool" => {
                let id = self.operand(at, 0)?;
                let [channels, ..] = self.image(at, id)?;
                let kernel = at.sizes::<2>("kernel_shape", 0, 1)?;
                self.window(at, kernel, channels, channels)
            }
            "GlobalAveragePool" => {
                let id = self.operand(at, 0)?;
                let [channels, height, width] = self.image(at, id)?;
                let kind = PartKind::Window {
                    kernel: [height, width],
                    stride: [height, width],
                    groups: channels,
                };
                self.push(at, kind, vec![id], vec![channels, 1, 1]);
                Ok(())
            }
            "Gemm" | "MatMul" => {
                let id = self.operand(at, 0)?;
                let dims = self.dims(at, 1)?;
                let transposed = at.int("transB", 0) != 0;
                let &[first, second] = dims.as_slice() else {
                    return Err(at.wrong("weights", format!("{dims:?}"), "[inputs, outputs]"));
                };
                let (inputs, outputs) = if transposed { (second, first) } else { (first, second) };
                if self.parts[id].shape != [inputs] {
                    return Err(at.wrong("shape", format!("{:?}", self.parts[id].shape), format!("[{inputs}]")));
                }
                self.push(at, PartKind::Dense, vec![id], vec![outputs]);
                Ok(())
            }
            "Identity" | "Dropout" => {
                let id = self.operand(at, 0)?;
                self.values.insert(at.node.output.first().cloned().unwrap_or_default(), id);
                Ok(())
            }
            // Joined with the map before it, where there is one: it costs nothing there.
            "BatchNormalization" => {
                let id = self.operand(at, 0)?;
                let joined = matches!(self.parts[id].kind, PartKind::Window { .. } | PartKind::Dense);
                if joined {
                    self.values.insert(at.node.output.first().cloned().unwrap_or_default(), id);
                } else {
                    let shape = self.parts[id].shape.clone();
                    self.push(at, PartKind::Rearrange, vec![id], shape);
                }
                Ok(())
            }
            "Flatten" => {
                let id = self.operand(at, 0)?;
                // The elements stay where they are; what follows is a matrix over them.
                let size = self.parts[id].size();
                self.push(at, PartKind::Sum, vec![id], vec![size]);
                Ok(())
            }
            "Concat" => {
                let ids = (0..at.node.input.len()).map(|i| self.operand(at, i)).collect::<Result<Vec<_>, _>>()?;
                if at.int("axis", 1) != 1 {
                    return Err(at.wrong("axis", at.int("axis", 1).to_string(), "1, the channels"));
                }
                let mut shape = ids.first().map(|&id| self.parts[id].shape.clone()).unwrap_or_default();
                if let Some(odd) = ids.iter().find(|&&id| self.parts[id].shape.get(1..) != shape.get(1..)) {
                    return Err(at.wrong("shape", format!("{:?}", self.parts[*odd].shape), format!("like {shape:?}")));
                }
                let channels = ids.iter().filter_map(|&id| self.parts[id].shape.first()).sum();
                if let Some(first) = shape.first_mut() {
                    *first = channels;
                }
                self.push(at, PartKind::Rearrange, ids, shape);
                Ok(())
            }
            "Add" | "Sub" | "Mul" => {
                let (a, b) = (self.operand(at, 0)?, self.operand(at, 1)?);
                if self.parts[a].shape != self.parts[b].shape {
                    return Err(at.wrong("shape", format!("{:?}", self.parts[b].shape), format!("{:?}", self.parts[a].shape)));
                }
                let kind = if at.node.op_type == "Mul" && a != b { PartKind::Product } else if a == b { PartKind::Square } else { PartKind::Sum };
                let shape = self.parts[a].shape.clone();
                let inputs = if a == b { vec![a] } else { vec![a, b] };
                self.push(at, kind, inputs, shape);
                Ok(())
            }
            "Relu" | "Sigmoid" | "Tanh" | "Gelu" | "HardSwish" | "Pow" => {
                let id = self.operand(at, 0)?;
                let shape = self.parts[id].shape.clone();
                let square = at.node.op_type == "Pow";
                let kind = if square { PartKind::Square } else { PartKind::Activation };
                self.push(at, kind, vec![id], shape);
                Ok(())
            }
            "MaxPool" => Err(at.unsupported(
                "the maximum is no polynomial; train with AveragePool instead, or with convolutions of a stride",
            )),
            _ => Err(at.unsupported(
                "outlines know Conv, Gemm, MatMul, AveragePool, GlobalAveragePool, BatchNormalization, Flatten, Concat, Add, Sub, Mul, Pow and activations",
            )),
        }
    }
}
