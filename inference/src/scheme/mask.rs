//! Plaintexts for products, in the forms that the real scheme keeps them.

use std::collections::BTreeMap;

use hedgerow_crypto::ckks::{Ciphertext, PeriodicPlaintext, Plaintext, PreparedPlaintext};

use super::{Ckks, Op, PreparedMap, Scheme, SchemeError};

/// A plaintext for products: transformed, or as coefficients that are transformed when they are used.
pub enum Mask {
    /// Transformed modulo every prime of its level.
    Ready(PreparedPlaintext),
    /// Coefficients, and the level at which they are used.
    Coefficients(Plaintext, usize),
    /// Numbers that repeat over the slots: a few words for each prime.
    Periodic(PeriodicPlaintext),
}

/// Sums of products that are kept at a time: each is a ciphertext in memory.
const SUMS: usize = 128;

impl Mask {
    pub(super) fn level(&self) -> usize {
        match self {
            Self::Ready(plain) => plain.level(),
            Self::Coefficients(_, level) => *level,
            Self::Periodic(plain) => plain.level(),
        }
    }

    pub(super) fn periodic(&self) -> Option<&PeriodicPlaintext> {
        match self {
            Self::Periodic(plain) => Some(plain),
            _ => None,
        }
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Ready(plain) => plain.bytes(),
            Self::Coefficients(plain, _) => size_of_val(plain.coefficients()),
            Self::Periodic(plain) => plain.bytes(),
        }
    }
}

/// A map whose masks all repeat, as products with small matrices; nothing where some do not.
pub(super) fn linear(
    scheme: &Ckks,
    inputs: &[Ciphertext],
    map: &PreparedMap<Mask>,
) -> Option<Result<Vec<Ciphertext>, SchemeError>> {
    let masks = map.outputs.iter().flat_map(BTreeMap::values).flatten();
    let all = masks.clone().all(|term| term.mask.periodic().is_some());
    (all && inputs.len() == map.inputs && masks.clone().next().is_some())
        .then(|| combine(scheme, inputs, map))
}

fn combine(
    scheme: &Ckks,
    inputs: &[Ciphertext],
    map: &PreparedMap<Mask>,
) -> Result<Vec<Ciphertext>, SchemeError> {
    const OPERATION: &str = "linear_transform";
    let mut turned_inputs = Vec::new();
    let mut number = BTreeMap::new();
    for (input, (ct, babies)) in inputs.iter().zip(map.babies()).enumerate() {
        let steps: Vec<i64> = babies.into_iter().collect();
        for (step, turned) in steps.iter().zip(scheme.rotate_many(ct, &steps)?) {
            number.insert((input, *step), turned_inputs.len());
            turned_inputs.push(turned);
        }
    }
    let sources: Vec<&Ciphertext> = turned_inputs.iter().collect();
    let level = sources.first().map_or(0, |ct| ct.level());
    let mut rows = Vec::new();
    for (output, giants) in map.outputs.iter().enumerate() {
        for (&giant, terms) in giants {
            let mut row = Vec::with_capacity(terms.len());
            for term in terms {
                let place = number.get(&(term.input, term.baby)).copied();
                let (Some(place), Some(mask)) = (place, term.mask.periodic()) else {
                    return Err(SchemeError::Empty { operation: OPERATION });
                };
                Ckks::agree(OPERATION, level, mask.level())?;
                row.push((place, mask));
            }
            rows.push(((output, giant), row));
        }
    }
    if level == 0 {
        return Err(SchemeError::LevelExhausted { operation: OPERATION });
    }
    let mut sums: Vec<Option<Ciphertext>> = map.outputs.iter().map(|_| None).collect();
    for group in rows.chunks(SUMS) {
        let pairs: Vec<_> = group.iter().map(|(_, row)| row.clone()).collect();
        let parts = scheme.combined(&sources, &pairs)?;
        for (&((output, giant), _), part) in group.iter().zip(parts) {
            let mut part = part;
            if giant != 0 {
                let turned = scheme.rotate(&part, giant)?;
                scheme.recycle(std::mem::replace(&mut part, turned));
            }
            match &mut sums[output] {
                None => sums[output] = Some(part),
                Some(sum) => {
                    scheme.add(sum, &part)?;
                    scheme.recycle(part);
                }
            }
        }
    }
    drop(sources);
    turned_inputs.into_iter().for_each(|ct| scheme.recycle(ct));
    let finish = |sum: Option<Ciphertext>| {
        let mut sum = sum.ok_or(SchemeError::Empty { operation: OPERATION })?;
        super::map::finish(scheme, &mut sum, map)?;
        Ok(sum)
    };
    sums.into_iter().map(finish).collect()
}

impl Ckks {
    /// Sums of products with repeated plaintexts, counted.
    fn combined(
        &self,
        sources: &[&Ciphertext],
        rows: &[Vec<(usize, &PeriodicPlaintext)>],
    ) -> Result<Vec<Ciphertext>, SchemeError> {
        let outs = self.evaluator.combine(sources, rows);
        let outs = outs.map_err(|error| SchemeError::Backend(error.to_string()))?;
        let level = sources.first().map_or(0, |ct| ct.level());
        let terms = rows.iter().map(Vec::len).sum::<usize>() as u64;
        self.note(|t| t.count(Op::MulPeriodic, level, terms));
        Ok(outs)
    }

    /// For each row the sum of products of all ciphertexts with its plaintexts, which repeat: unrescaled.
    ///
    /// # Errors
    /// Plaintexts that do not repeat, rows of another length, and what the back end refuses.
    pub fn combine(&self, cts: &[&Ciphertext], rows: &[Vec<&Mask>]) -> Result<Vec<Ciphertext>, SchemeError> {
        let operation = "combine";
        let mut pairs = Vec::with_capacity(rows.len());
        for row in rows {
            if row.len() != cts.len() {
                let (left, right) = (cts.len(), row.len());
                return Err(SchemeError::Lengths {
                    operation,
                    left,
                    right,
                });
            }
            let row: Option<Vec<_>> = row.iter().map(|mask| mask.periodic()).collect();
            pairs.push(
                row.ok_or(SchemeError::Mixed { operation })?
                    .into_iter()
                    .enumerate()
                    .collect(),
            );
        }
        self.combined(cts, &pairs)
    }

    /// One such sum, where all plaintexts repeat.
    pub(super) fn dot_periodic(
        &self,
        cts: &[&Ciphertext],
        plains: &[&Mask],
    ) -> Option<Result<Ciphertext, SchemeError>> {
        let row: Option<Vec<_>> = plains
            .iter()
            .map(|plain| plain.periodic())
            .enumerate()
            .map(|(i, p)| Some((i, p?)))
            .collect();
        let row = row.filter(|row| !row.is_empty())?;
        let operation = "dot_plain";
        Some(
            self.combined(cts, &[row])
                .and_then(|mut outs| outs.pop().ok_or(SchemeError::Empty { operation })),
        )
    }
}
