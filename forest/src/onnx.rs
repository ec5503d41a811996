//! The part of the ONNX file format that tree ensembles need: messages of `onnx.proto` (IR version 10), with the field
//! numbers of that file. Fields that are not declared are skipped by the reader.

use std::collections::HashMap;

/// `ModelProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Model {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(string, tag = "3")]
    pub producer_version: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Entry>,
}

/// `OperatorSetIdProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// `StringStringEntryProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `GraphProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(string, tag = "10")]
    pub doc_string: String,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
}

/// `NodeProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// `AttributeProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    #[prost(int32, tag = "20")]
    pub kind: i32,
}

/// Values of [`Attribute::kind`].
pub(crate) mod kind {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const TENSOR: i32 = 4;
    pub const FLOATS: i32 = 6;
    pub const INTS: i32 = 7;
    pub const STRINGS: i32 = 8;
}

/// `TensorProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// Values of [`Tensor::data_type`] and [`TensorType::elem_type`].
pub(crate) mod data_type {
    pub const FLOAT: i32 = 1;
    pub const UINT8: i32 = 2;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const STRING: i32 = 8;
    pub const DOUBLE: i32 = 11;
}

/// `ValueInfoProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

/// `TypeProto`, of which only tensors matter here.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// `TypeProto.Tensor`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorType {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// `TensorShapeProto`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
}

impl Tensor {
    /// The values as numbers; `None` if they are elsewhere, of another type, or not as many as the shape says.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        let raw = &self.raw_data;
        let values: Vec<f64> = match self.data_type {
            data_type::FLOAT if raw.is_empty() => self.float_data.iter().map(|x| f64::from(*x)).collect(),
            data_type::FLOAT => raw_values(raw, |bytes| f64::from(f32::from_le_bytes(bytes)))?,
            data_type::DOUBLE if raw.is_empty() => self.double_data.clone(),
            data_type::DOUBLE => raw_values(raw, f64::from_le_bytes)?,
            data_type::INT64 if raw.is_empty() => self.int64_data.iter().map(|x| *x as f64).collect(),
            data_type::INT64 => raw_values(raw, |bytes| i64::from_le_bytes(bytes) as f64)?,
            data_type::INT32 | data_type::UINT8 if raw.is_empty() => {
                self.int32_data.iter().map(|x| f64::from(*x)).collect()
            }
            data_type::INT32 => raw_values(raw, |bytes| f64::from(i32::from_le_bytes(bytes)))?,
            data_type::UINT8 => raw.iter().map(|x| f64::from(*x)).collect(),
            _ => return None,
        };
        let expected = self.dims.iter().try_fold(1usize, |product, dim| {
            product.checked_mul(usize::try_from(*dim).ok()?)
        })?;
        (self.data_location == 0 && expected == values.len()).then_some(values)
    }
}

fn raw_values<const N: usize>(raw: &[u8], read: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
    let chunks = raw.chunks_exact(N);
    if !chunks.remainder().is_empty() {
        return None;
    }
    chunks.map(|chunk| chunk.try_into().ok().map(&read)).collect()
}

impl ValueInfo {
    /// Element type and second dimension of a tensor of `[rows, columns]`.
    pub fn tensor(&self) -> Option<(i32, Option<usize>)> {
        let tensor = self.r#type.as_ref()?.tensor_type.as_ref()?;
        let columns = tensor.shape.as_ref().and_then(|shape| shape.dim.get(1));
        let columns = columns
            .and_then(|dim| dim.dim_value)
            .and_then(|dim| usize::try_from(dim).ok());
        Some((tensor.elem_type, columns.filter(|columns| *columns > 0)))
    }
}

impl Model {
    /// Metadata by key.
    pub fn metadata(&self) -> HashMap<&str, &str> {
        self.metadata_props
            .iter()
            .map(|entry| (entry.key.as_str(), entry.value.as_str()))
            .collect()
    }
}

/// The operator domain of classical machine learning.
pub(crate) const ML_DOMAIN: &str = "ai.onnx.ml";
/// Metadata key under which [`crate::export::onnx`] keeps names and categories of the columns, as JSON.
pub(crate) const FEATURES_KEY: &str = "hedgerow.features";
