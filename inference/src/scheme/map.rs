//! Block matrices as generalised diagonals: `out[o] = sum_g rotate( sum_{i,b} mask[o,g,i,b] * rotate(in[i], b), g )`.
//!
//! Baby rotations `b` of an input are hoisted and shared by all outputs; giant rotations `g` are done once for each
//! output, after the sum over all inputs (Halevi and Shoup, CRYPTO 2018, section 4).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Scheme, SchemeError};

/// One mask: the baby rotation of one input that it multiplies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term<P> {
    /// Index of the input ciphertext.
    pub input: usize,
    /// Baby rotation, in slots.
    pub baby: i64,
    /// The mask: prepared, or nothing where only the shape matters.
    pub mask: P,
}

/// A linear map ready to be applied at one level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedMap<P> {
    /// Input ciphertexts.
    pub inputs: usize,
    /// For each output ciphertext: giant rotation -> terms.
    pub outputs: Vec<BTreeMap<i64, Vec<Term<P>>>>,
    /// After the giants: `y += rotate(y, fold)`, in this order, on every output.
    pub folds: Vec<i64>,
    /// Whether twice the real part of each sum is what counts: `y += conj y` before the rescale, whose noise is not doubled so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub real: bool,
}

/// The shape of a map: what it costs, without its masks.
pub type MapShape = PreparedMap<()>;

impl<P> PreparedMap<P> {
    /// Baby rotations of each input, ascending.
    pub fn babies(&self) -> Vec<BTreeSet<i64>> {
        let mut babies = vec![BTreeSet::new(); self.inputs];
        for term in self.outputs.iter().flat_map(BTreeMap::values).flatten() {
            if let Some(set) = babies.get_mut(term.input) {
                set.insert(term.baby);
            }
        }
        babies
    }

    /// Number of masks.
    pub fn terms(&self) -> usize {
        self.outputs.iter().flat_map(BTreeMap::values).map(Vec::len).sum()
    }

    /// What it costs, without its masks.
    pub fn shape(&self) -> MapShape {
        let outputs = self.outputs.iter().map(|giants| {
            let bare = |term: &Term<P>| Term {
                input: term.input,
                baby: term.baby,
                mask: (),
            };
            let giants = giants.iter();
            giants
                .map(|(giant, terms)| (*giant, terms.iter().map(bare).collect()))
                .collect()
        });
        PreparedMap {
            inputs: self.inputs,
            outputs: outputs.collect(),
            folds: self.folds.clone(),
            real: self.real,
        }
    }

    /// The same map of inputs that come two in a ciphertext, as real and imaginary parts: terms of inputs `2a` and `2a + 1`
    /// become one, with the mask of each part that has one; and the real part is what counts.
    pub fn paired(self) -> PreparedMap<(Option<P>, Option<P>)> {
        let pair = |giants: BTreeMap<i64, Vec<Term<P>>>| {
            let giants = giants.into_iter().map(|(giant, terms)| {
                let mut pairs: Vec<Term<(Option<P>, Option<P>)>> = Vec::new();
                let mut places = BTreeMap::new();
                for Term { input, baby, mask } in terms {
                    let place = *places.entry((input / 2, baby)).or_insert_with(|| {
                        pairs.push(Term {
                            input: input / 2,
                            baby,
                            mask: (None, None),
                        });
                        pairs.len() - 1
                    });
                    let (real, imaginary) = &mut pairs[place].mask;
                    *(if input % 2 == 0 { real } else { imaginary }) = Some(mask);
                }
                (giant, pairs)
            });
            giants.collect()
        };
        PreparedMap {
            inputs: self.inputs.div_ceil(2),
            outputs: self.outputs.into_iter().map(pair).collect(),
            folds: self.folds,
            real: true,
        }
    }

    /// The same map with other masks.
    pub fn try_map<Q, E>(self, mut f: impl FnMut(P) -> Result<Q, E>) -> Result<PreparedMap<Q>, E> {
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for giants in self.outputs {
            let mut mapped = BTreeMap::new();
            for (giant, terms) in giants {
                let terms = terms.into_iter().map(|t| {
                    Ok(Term {
                        input: t.input,
                        baby: t.baby,
                        mask: f(t.mask)?,
                    })
                });
                mapped.insert(giant, terms.collect::<Result<Vec<_>, E>>()?);
            }
            outputs.push(mapped);
        }
        Ok(PreparedMap {
            inputs: self.inputs,
            outputs,
            folds: self.folds,
            real: self.real,
        })
    }
}

/// The default composition of [`Scheme::linear_transform`] from hoisted rotations and inner products, left unrescaled.
pub(super) fn compose<S: Scheme + ?Sized, P>(
    scheme: &S,
    inputs: &[S::Ciphertext],
    map: &PreparedMap<P>,
    dot: impl Fn(&[&S::Ciphertext], &[&P]) -> Result<S::Ciphertext, SchemeError>,
) -> Result<Vec<S::Ciphertext>, SchemeError> {
    const OPERATION: &str = "linear_transform";
    if inputs.len() != map.inputs {
        return Err(SchemeError::Lengths {
            operation: OPERATION,
            left: inputs.len(),
            right: map.inputs,
        });
    }
    let mut rotated: Vec<BTreeMap<i64, S::Ciphertext>> = Vec::with_capacity(inputs.len());
    for (input, babies) in inputs.iter().zip(map.babies()) {
        let steps: Vec<i64> = babies.into_iter().collect();
        let cts = scheme.rotate_many(input, &steps)?;
        rotated.push(steps.into_iter().zip(cts).collect());
    }
    let mut outputs = Vec::with_capacity(map.outputs.len());
    for giants in &map.outputs {
        let mut sum: Option<S::Ciphertext> = None;
        for (&giant, terms) in giants {
            let mut cts = Vec::with_capacity(terms.len());
            for term in terms {
                let ct = rotated.get(term.input).and_then(|babies| babies.get(&term.baby));
                cts.push(ct.ok_or(SchemeError::Empty { operation: OPERATION })?);
            }
            let masks: Vec<&P> = terms.iter().map(|t| &t.mask).collect();
            let mut part = dot(&cts, &masks)?;
            if giant != 0 {
                let turned = scheme.rotate(&part, giant)?;
                scheme.recycle(std::mem::replace(&mut part, turned));
            }
            match &mut sum {
                None => sum = Some(part),
                Some(sum) => {
                    scheme.add(sum, &part)?;
                    scheme.recycle(part);
                }
            }
        }
        outputs.push(sum.ok_or(SchemeError::Empty { operation: OPERATION })?);
    }
    rotated
        .into_iter()
        .flat_map(BTreeMap::into_values)
        .for_each(|ct| scheme.recycle(ct));
    for sum in &mut outputs {
        finish(scheme, sum, map)?;
    }
    Ok(outputs)
}

/// The rescale of a sum of products, after its real part was taken, and its partial sums added up.
pub(super) fn finish<S: Scheme + ?Sized, P>(
    scheme: &S,
    sum: &mut S::Ciphertext,
    map: &PreparedMap<P>,
) -> Result<(), SchemeError> {
    if map.real {
        let below = scheme.conjugate(sum)?;
        scheme.add(sum, &below)?;
        scheme.recycle(below);
    }
    scheme.rescale(sum)?;
    for &fold in &map.folds {
        let turned = scheme.rotate(sum, fold)?;
        scheme.add(sum, &turned)?;
        scheme.recycle(turned);
    }
    Ok(())
}
