//! Operators that move elements: reshape, padding, concatenation.

use super::Builder;
use crate::graph::onnx::Attributes;
use crate::graph::{Affine, GraphError, NodeId, Operator, layers};

impl Builder {
    pub(super) fn reshape(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let (old, size) = (self.shape(id).to_vec(), self.nodes[id].size());
        let shape: Vec<usize> = match at.node.op_type.as_str() {
            "Flatten" if at.int("axis", 1) == 1 => vec![size],
            "Flatten" => return Err(at.wrong("axis", at.int("axis", 1).to_string(), "1")),
            "Reshape" => {
                let to = self.integers(at, "shape", 1)?.unwrap_or_default();
                let known: i64 = to.iter().skip(1).filter(|&&d| d > 0).product();
                let fill = if known > 0 { size as i64 / known } else { 0 };
                to.iter()
                    .skip(1)
                    .enumerate()
                    .map(|(i, &d)| match d {
                        -1 => fill as usize,
                        0 => old.get(i).copied().unwrap_or(0),
                        d => d as usize,
                    })
                    .collect()
            }
            op => {
                let axes = self.integers(at, "axes", 1)?.unwrap_or_default();
                let mut shape = old.clone();
                if op == "Squeeze" {
                    let axes = self.axes(at, id, &axes)?;
                    shape = old
                        .iter()
                        .enumerate()
                        .filter(|(d, _)| !axes.contains(d))
                        .map(|(_, &n)| n)
                        .collect();
                } else {
                    let rank = (old.len() + 1 + axes.len()) as i64;
                    let mut axes: Vec<i64> = axes.iter().map(|&a| if a < 0 { a + rank } else { a }).collect();
                    axes.sort_unstable();
                    for axis in axes {
                        let at_index = (axis - 1).max(0) as usize;
                        shape.insert(at_index.min(shape.len()), 1);
                    }
                }
                shape
            }
        };
        if shape.iter().product::<usize>() != size {
            return Err(at.wrong(
                "shape",
                format!("{shape:?}"),
                format!("{size} elements for each sample"),
            ));
        }
        let picks = (0..size as u32).map(Some);
        let layer = Affine::select(size, picks).map(|map| (map, shape));
        self.affine(at, id, layer)
    }

    pub(super) fn pad(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let id = self.operand(at, 0)?;
        let mode = at.text("mode");
        if !matches!(mode.as_str(), "" | "constant") || self.vector(at, 2)?.iter().any(|&v| v != 0.0) {
            return Err(at.wrong("mode", mode, "constant, with zeros"));
        }
        let rank = self.shape(id).len() + 1;
        let pads = self.integers(at, "pads", 1)?.unwrap_or_default();
        if pads.len() != 2 * rank || pads.iter().any(|&p| p < 0) || pads[0] != 0 || pads[rank] != 0 {
            let expected = format!("{} numbers from 0, none for the batch", 2 * rank);
            return Err(at.wrong("pads", format!("{pads:?}"), expected));
        }
        let pads: Vec<usize> = pads.iter().map(|&p| p as usize).collect();
        let layer = layers::pad(self.shape(id), &pads[1..rank], &pads[rank + 1..]);
        self.affine(at, id, layer)
    }

    pub(super) fn concat(&mut self, at: &Attributes<'_>) -> Result<(), GraphError> {
        let parts: Vec<NodeId> = (0..at.node.input.len())
            .map(|i| self.operand(at, i))
            .collect::<Result<_, _>>()?;
        let Some(&first) = parts.first() else {
            return Err(at.wrong("operands", "0", "at least 1"));
        };
        let axis = self.axes(at, first, &[at.int("axis", 1)])?[0];
        let others = |id: NodeId| {
            self.shape(id)
                .iter()
                .enumerate()
                .filter(|(d, _)| *d != axis)
                .map(|(_, &n)| n)
                .collect::<Vec<_>>()
        };
        if let Some(&odd) = parts.iter().find(|&&id| others(id) != others(first)) {
            return Err(at.wrong(
                "shape",
                format!("{:?}", self.shape(odd)),
                format!("{:?} but for axis {axis}", self.shape(first)),
            ));
        }
        let total = parts.iter().map(|&id| self.shape(id)[axis]).sum();
        let (mut offset, mut sum) = (0, None);
        for id in parts {
            let shape = self.shape(id).to_vec();
            let layer = layers::embed(&shape, axis, offset, total);
            offset += shape[axis];
            self.affine(at, id, layer)?;
            let part = self.nodes.len() - 1;
            if let Some(before) = sum {
                self.same(at, Operator::Add, vec![before, part]);
            }
            sum = Some(self.nodes.len() - 1);
        }
        Ok(())
    }
}
