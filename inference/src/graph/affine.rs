//! Affine maps with few entries: what every linear layer becomes.

use super::GraphError;

/// `y = A x + b`, rows compressed: `A` has few entries in each row where it comes from a convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    inputs: usize,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    bias: Vec<f64>,
}

impl Affine {
    /// From rows of `(column, value)`, in any order, columns possibly repeated.
    ///
    /// # Errors
    /// A column outside `inputs`, or a value that is not finite.
    pub fn from_rows(
        inputs: usize,
        rows: impl IntoIterator<Item = (Vec<(u32, f64)>, f64)>,
    ) -> Result<Self, GraphError> {
        let mut map = Self {
            inputs,
            starts: vec![0],
            columns: Vec::new(),
            values: Vec::new(),
            bias: Vec::new(),
        };
        for (mut row, bias) in rows {
            row.sort_unstable_by_key(|&(column, _)| column);
            let first = map.columns.len();
            for (column, value) in row {
                if column as usize >= inputs {
                    return Err(GraphError::Column {
                        column: column as usize,
                        inputs,
                    });
                }
                if !value.is_finite() || !bias.is_finite() {
                    return Err(GraphError::NotFinite { row: map.bias.len() });
                }
                match map.columns[first..].last() {
                    Some(&last) if last == column => {
                        if let Some(sum) = map.values.last_mut() {
                            *sum += value;
                        }
                    }
                    _ if value != 0.0 => {
                        map.columns.push(column);
                        map.values.push(value);
                    }
                    _ => {}
                }
            }
            map.starts.push(map.columns.len());
            map.bias.push(bias);
        }
        Ok(map)
    }

    /// The map that picks `columns[i]` as element `i`; nothing is a zero.
    pub fn select(inputs: usize, columns: impl IntoIterator<Item = Option<u32>>) -> Result<Self, GraphError> {
        Self::from_rows(
            inputs,
            columns
                .into_iter()
                .map(|c| (c.map(|c| (c, 1.0)).into_iter().collect(), 0.0)),
        )
    }

    /// Elements of the input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Elements of the output.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Entries other than zero.
    pub fn entries(&self) -> usize {
        self.columns.len()
    }

    /// The constant term, one for each output.
    pub fn bias(&self) -> &[f64] {
        &self.bias
    }

    /// The entries of one row, by column.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (u32, f64)> + '_ {
        let range = match self.starts.get(row..row + 2) {
            Some(&[start, end]) => start..end,
            _ => 0..0,
        };
        self.columns[range.clone()]
            .iter()
            .copied()
            .zip(self.values[range].iter().copied())
    }

    /// `A x + b`; missing elements of `x` count as zero.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let value = |column: u32| x.get(column as usize).copied().unwrap_or(0.0);
        let row = |(i, bias): (usize, &f64)| self.row(i).map(|(c, v)| v * value(c)).sum::<f64>() + bias;
        self.bias.iter().enumerate().map(row).collect()
    }

    /// This map after `inner`: one matrix for layers that follow each other without an activation.
    ///
    /// # Errors
    /// `inner` has another number of outputs than this map has inputs.
    pub fn after(&self, inner: &Self) -> Result<Self, GraphError> {
        if inner.outputs() != self.inputs {
            return Err(GraphError::Sizes {
                expected: self.inputs,
                actual: inner.outputs(),
            });
        }
        let rows = (0..self.outputs()).map(|i| {
            let mut row = Vec::new();
            let mut bias = self.bias[i];
            for (middle, outer) in self.row(i) {
                row.extend(
                    inner
                        .row(middle as usize)
                        .map(|(column, value)| (column, value * outer)),
                );
                bias += outer * inner.bias[middle as usize];
            }
            (row, bias)
        });
        Self::from_rows(inner.inputs, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composition_is_application_in_turn() {
        let inner = Affine::from_rows(
            3,
            [(vec![(2, 1.0), (0, 2.0), (2, 0.5)], 1.0), (vec![(1, -1.0)], 0.0)],
        )
        .unwrap();
        let outer = Affine::from_rows(2, [(vec![(0, 3.0), (1, 2.0)], -1.0), (vec![], 4.0)]).unwrap();
        let x = [1.0, 2.0, 4.0];
        assert_eq!(inner.apply(&x), [9.0, -2.0]);
        assert_eq!(
            outer.after(&inner).unwrap().apply(&x),
            outer.apply(&inner.apply(&x))
        );
        assert!(inner.after(&outer).is_err());
        assert!(Affine::from_rows(1, [(vec![(1, 1.0)], 0.0)]).is_err());
        assert!(Affine::from_rows(1, [(vec![(0, f64::NAN)], 0.0)]).is_err());
    }
}
