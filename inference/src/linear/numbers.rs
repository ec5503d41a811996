//! Numbers of pairs of ciphertexts, in the order in which they appear.

use std::collections::HashMap;

/// Largest table of all pairs.
const TABLE: usize = 1 << 22;

/// A number for every pair of an output and an input ciphertext that a map joins.
pub(super) struct Numbers {
    inputs: usize,
    /// By `output * inputs + input`, one more than the number; empty where there are too many pairs.
    table: Vec<u32>,
    map: HashMap<(u32, u32), usize>,
    keys: Vec<(u32, u32)>,
}

impl Numbers {
    pub(super) fn new(outputs: usize, inputs: usize) -> Self {
        let pairs = outputs.saturating_mul(inputs);
        let table = if pairs <= TABLE {
            vec![0; pairs]
        } else {
            Vec::new()
        };
        Self {
            inputs,
            table,
            map: HashMap::new(),
            keys: Vec::new(),
        }
    }

    /// The number of a pair.
    pub(super) fn of(&mut self, output: u32, input: u32) -> usize {
        let next = self.keys.len();
        let place = output as usize * self.inputs + input as usize;
        let number = match self.table.get_mut(place) {
            Some(0) => {
                self.table[place] = next as u32 + 1;
                next
            }
            Some(number) => return *number as usize - 1,
            None => *self.map.entry((output, input)).or_insert(next),
        };
        if number == next {
            self.keys.push((output, input));
        }
        number
    }

    /// All pairs, in the order of their numbers.
    pub(super) fn keys(&self) -> &[(u32, u32)] {
        &self.keys
    }
}
