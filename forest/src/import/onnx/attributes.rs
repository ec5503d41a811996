//! Attributes of a node, with errors that name node and attribute.

use crate::import::ImportError;
use crate::onnx;

/// A node and its attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes<'a> {
    pub node: &'a onnx::Node,
}

impl<'a> Attributes<'a> {
    pub const fn new(node: &'a onnx::Node) -> Self {
        Self { node }
    }

    pub fn error(
        &self,
        field: impl Into<String>,
        expected: impl ToString,
        seen: impl ToString,
    ) -> ImportError {
        ImportError::Node {
            node: name(self.node),
            operator: operator(self.node),
            field: field.into(),
            expected: expected.to_string(),
            seen: seen.to_string(),
        }
    }

    pub fn get(&self, name: &str) -> Option<&'a onnx::Attribute> {
        self.node
            .attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(|attribute| attribute.i)
    }

    pub fn text(&self, name: &str, default: &str) -> Result<String, ImportError> {
        match self.get(name).and_then(|attribute| attribute.s.as_ref()) {
            Some(bytes) => self.utf8(name, bytes),
            None => Ok(default.to_owned()),
        }
    }

    pub fn ints(&self, name: &str) -> &'a [i64] {
        self.get(name).map_or(&[], |attribute| attribute.ints.as_slice())
    }

    pub fn texts(&self, name: &str) -> Result<Vec<String>, ImportError> {
        let texts = self
            .get(name)
            .map_or(&[] as &[Vec<u8>], |attribute| &attribute.strings);
        texts.iter().map(|bytes| self.utf8(name, bytes)).collect()
    }

    /// Numbers of the attribute `name`, or of the tensor `tensor` (which may hold 64 bits).
    pub fn numbers(&self, name: &str, tensor: &str) -> Result<Vec<f64>, ImportError> {
        let floats = self
            .get(name)
            .map_or(&[] as &[f32], |attribute| &attribute.floats);
        if !floats.is_empty() {
            return Ok(floats.iter().map(|x| f64::from(*x)).collect());
        }
        self.tensor(tensor)
    }

    pub fn tensor(&self, name: &str) -> Result<Vec<f64>, ImportError> {
        let Some(tensor) = self.get(name).and_then(|attribute| attribute.t.as_ref()) else {
            return Ok(Vec::new());
        };
        tensor.numbers().ok_or_else(|| {
            let seen = format!("type {} of shape {:?}", tensor.data_type, tensor.dims);
            self.error(
                name,
                "numbers in the file itself, as many as the shape says",
                seen,
            )
        })
    }

    /// Refuses a list that is neither of the expected length nor (if it may be absent) empty.
    pub fn length(
        &self,
        field: &str,
        seen: usize,
        expected: usize,
        optional: bool,
    ) -> Result<(), ImportError> {
        if seen == expected || (optional && seen == 0) {
            Ok(())
        } else {
            Err(self.error(field, format!("{expected} values"), seen))
        }
    }

    fn utf8(&self, name: &str, bytes: &[u8]) -> Result<String, ImportError> {
        String::from_utf8(bytes.to_vec()).map_err(|_| self.error(name, "UTF-8 text", format!("{bytes:?}")))
    }
}

/// The name of a node, or its first output if it has none.
pub(super) fn name(node: &onnx::Node) -> String {
    if node.name.is_empty() {
        node.output.first().cloned().unwrap_or_default()
    } else {
        node.name.clone()
    }
}

/// The operator with its domain.
pub(super) fn operator(node: &onnx::Node) -> String {
    match node.domain.as_str() {
        "" | "ai.onnx" => node.op_type.clone(),
        domain => format!("{domain}.{}", node.op_type),
    }
}
