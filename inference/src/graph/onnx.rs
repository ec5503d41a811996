//! Reading the protobuf of an ONNX file: attributes and constant tensors.

use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto};
use tract_onnx::prelude::Framework;

use super::GraphError;
use crate::tile::Tensor;

/// Parses the bytes of a file.
pub(super) fn parse(bytes: &[u8]) -> Result<ModelProto, GraphError> {
    let model = tract_onnx::onnx().proto_model_for_read(&mut std::io::Cursor::new(bytes));
    model.map_err(|e| GraphError::Format(e.to_string()))
}

/// A constant as f64.
pub(super) fn constant(node: &str, proto: &TensorProto) -> Result<Tensor, GraphError> {
    use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
    let wrong = |what, actual: String, expected: &str| GraphError::Node {
        node: node.to_owned(),
        operator: format!("constant {}", proto.name),
        what,
        actual,
        expected: expected.to_owned(),
    };
    if proto.data_location == Some(DataLocation::External as i32) {
        return Err(wrong(
            "data location",
            "another file".into(),
            "data in the model file",
        ));
    }
    let shape: Vec<usize> = proto
        .dims
        .iter()
        .map(|&d| usize::try_from(d).unwrap_or(0))
        .collect();
    let raw = &proto.raw_data;
    fn read<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        raw.as_chunks::<N>().0.iter().map(|chunk| f(*chunk)).collect()
    }
    let data_type = DataType::try_from(proto.data_type).unwrap_or(DataType::Undefined);
    let data: Vec<f64> = match data_type {
        DataType::Float if raw.is_empty() => proto.float_data.iter().map(|&v| v.into()).collect(),
        DataType::Float => read(raw, |b| f32::from_le_bytes(b).into()),
        DataType::Double if raw.is_empty() => proto.double_data.clone(),
        DataType::Double => read(raw, f64::from_le_bytes),
        DataType::Int64 if raw.is_empty() => proto.int64_data.iter().map(|&v| v as f64).collect(),
        DataType::Int64 => read(raw, |b| i64::from_le_bytes(b) as f64),
        DataType::Int32 if raw.is_empty() => proto.int32_data.iter().map(|&v| v.into()).collect(),
        DataType::Int32 => read(raw, |b| i32::from_le_bytes(b).into()),
        other => {
            return Err(wrong(
                "data type",
                format!("{other:?}"),
                "float, double, int32 or int64",
            ));
        }
    };
    let length = data.len();
    Tensor::from_shape_vec(shape.clone(), data).map_err(|_| {
        wrong(
            "number of values",
            length.to_string(),
            &format!("those of shape {shape:?}"),
        )
    })
}

/// One node with its attributes at hand.
pub(super) struct Attributes<'a> {
    pub node: &'a NodeProto,
    pub name: &'a str,
}

impl<'a> Attributes<'a> {
    pub fn new(node: &'a NodeProto) -> Self {
        let fallback = node.output.first().map_or("", String::as_str);
        Self {
            node,
            name: if node.name.is_empty() {
                fallback
            } else {
                &node.name
            },
        }
    }

    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|a| a.name == name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.find(name).map_or(default, |a| a.i)
    }

    pub fn float(&self, name: &str, default: f64) -> f64 {
        self.find(name).map_or(default, |a| a.f.into())
    }

    pub fn text(&self, name: &str) -> String {
        self.find(name)
            .map(|a| String::from_utf8_lossy(&a.s).into_owned())
            .unwrap_or_default()
    }

    pub fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.find(name).and_then(|a| a.t.as_ref())
    }

    pub fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.find(name).map(|a| a.ints.as_slice())
    }

    /// Numbers at least `least`, exactly `count` of them.
    pub fn sizes<const N: usize>(
        &self,
        name: &'static str,
        default: usize,
        least: i64,
    ) -> Result<[usize; N], GraphError> {
        let Some(ints) = self.ints(name) else {
            return Ok([default; N]);
        };
        match <[i64; N]>::try_from(ints) {
            Ok(ints) if ints.iter().all(|&i| i >= least) => Ok(ints.map(|i| i as usize)),
            _ => Err(self.wrong(
                name,
                format!("{ints:?}"),
                format!("{N} numbers, each at least {least}"),
            )),
        }
    }

    pub fn wrong(
        &self,
        what: &'static str,
        actual: impl Into<String>,
        expected: impl Into<String>,
    ) -> GraphError {
        GraphError::Node {
            node: self.name.to_owned(),
            operator: self.node.op_type.clone(),
            what,
            actual: actual.into(),
            expected: expected.into(),
        }
    }

    pub fn unsupported(&self, advice: &'static str) -> GraphError {
        GraphError::Unsupported {
            node: self.name.to_owned(),
            operator: self.node.op_type.clone(),
            advice,
        }
    }
}
