//! Pieces of ONNX messages.

use crate::ensemble::Float;
use crate::onnx::{
    Attribute, Dimension, Node, Tensor, TensorShape, TensorType, Type, ValueInfo, data_type, kind,
};

/// A node under construction; attributes in the order they are added.
pub(super) struct NodeBuilder(Node);

pub(super) fn node(domain: &str, op_type: &str, inputs: &[&str], outputs: &[&str]) -> NodeBuilder {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    NodeBuilder(Node {
        input: texts(inputs),
        output: texts(outputs),
        name: outputs
            .first()
            .map(|output| format!("make_{output}"))
            .unwrap_or_default(),
        op_type: op_type.to_owned(),
        attribute: Vec::new(),
        domain: domain.to_owned(),
    })
}

impl NodeBuilder {
    pub fn done(self) -> Node {
        self.0
    }

    fn with(mut self, name: &str, kind: i32, fill: impl FnOnce(&mut Attribute)) -> Self {
        let mut attribute = Attribute {
            name: name.to_owned(),
            kind,
            ..Attribute::default()
        };
        fill(&mut attribute);
        self.0.attribute.push(attribute);
        self
    }

    pub fn int(self, name: &str, value: i64) -> Self {
        self.with(name, kind::INT, |at| at.i = Some(value))
    }

    pub fn float(self, name: &str, value: f32) -> Self {
        self.with(name, kind::FLOAT, |at| at.f = Some(value))
    }

    pub fn text(self, name: &str, value: &str) -> Self {
        self.with(name, kind::STRING, |at| at.s = Some(value.as_bytes().to_vec()))
    }

    pub fn ints(self, name: &str, values: impl IntoIterator<Item = i64>) -> Self {
        self.with(name, kind::INTS, |at| at.ints = values.into_iter().collect())
    }

    pub fn floats(self, name: &str, values: impl IntoIterator<Item = f32>) -> Self {
        self.with(name, kind::FLOATS, |at| at.floats = values.into_iter().collect())
    }

    pub fn texts(self, name: &str, values: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let bytes = |text: &str| text.as_bytes().to_vec();
        self.with(name, kind::STRINGS, |at| {
            at.strings = values.into_iter().map(|text| bytes(text.as_ref())).collect();
        })
    }

    pub fn tensor(self, name: &str, value: Tensor) -> Self {
        self.with(name, kind::TENSOR, |at| at.t = Some(value))
    }
}

/// A list of numbers of one of the two types.
pub(super) fn tensor(float: Float, values: Vec<f64>) -> Tensor {
    match float {
        Float::F32 => Tensor {
            dims: vec![values.len() as i64],
            data_type: data_type::FLOAT,
            float_data: values.iter().map(|value| *value as f32).collect(),
            ..Tensor::default()
        },
        Float::F64 => Tensor {
            dims: vec![values.len() as i64],
            data_type: data_type::DOUBLE,
            double_data: values,
            ..Tensor::default()
        },
    }
}

pub(super) fn tensor_i64(values: Vec<i64>) -> Tensor {
    Tensor {
        dims: vec![values.len() as i64],
        data_type: data_type::INT64,
        int64_data: values,
        ..Tensor::default()
    }
}

pub(super) fn tensor_u8(values: Vec<u8>) -> Tensor {
    Tensor {
        dims: vec![values.len() as i64],
        data_type: data_type::UINT8,
        raw_data: values,
        ..Tensor::default()
    }
}

pub(super) fn tensor_texts(values: &[String]) -> Tensor {
    Tensor {
        dims: vec![values.len() as i64],
        data_type: data_type::STRING,
        string_data: values.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ..Tensor::default()
    }
}

/// The second dimension of a `[rows, columns]` tensor.
pub(super) fn dimension(columns: usize) -> Option<Dimension> {
    Some(Dimension {
        dim_value: Some(columns as i64),
        dim_param: None,
    })
}

/// An input or output of `[rows, second]`, or of `[rows]`.
pub(super) fn value_info(name: &str, elem_type: i32, second: Option<Dimension>) -> ValueInfo {
    let rows = Dimension {
        dim_value: None,
        dim_param: Some("rows".to_owned()),
    };
    let dim = std::iter::once(rows).chain(second).collect();
    let shape = Some(TensorShape { dim });
    ValueInfo {
        name: name.to_owned(),
        r#type: Some(Type {
            tensor_type: Some(TensorType { elem_type, shape }),
        }),
    }
}
