//! What is computed on products of ciphertexts: a tree on encrypted bits, and leaves by encrypted costs.
//!
//! All of it runs on bounds alone, too ([`ProductEvaluator::bounds`]): that is how parameters are found.

use std::collections::HashMap;

use hedgerow_crypto::exact::products::ProductSum;
use hedgerow_crypto::exact::{ExactError, ProductCiphertext, ProductEvaluator};
use hedgerow_forest::ensemble::Node;

use super::binning::Binned;

/// Whether a row takes the yes branch, as a form of its thermometer bits: places with weights 1 or -1, and a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) entries: Vec<(u32, i64)>,
    pub(super) constant: i64,
}

/// A tree without what no row reaches; leaves hold digits of values.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf(Vec<i64>),
    Branch {
        /// Its place in the tree: what indicators are kept by.
        id: usize,
        test: Test,
        yes: Box<Tree>,
        no: Box<Tree>,
    },
}

impl Tree {
    /// The tree under a node of a binned ensemble, for rows whose bins the masks hold.
    pub(super) fn new(binned: &Binned, node: u32, values: &impl Fn(u32) -> Vec<i64>) -> Self {
        let levels: Vec<usize> = binned.binning.bits().collect();
        let offsets = binned.binning.offsets();
        let masks = levels.iter().map(|levels| u128::MAX >> (127 - levels)).collect();
        let mut count = 0;
        Self::under(binned, node, values, &offsets, masks, &mut count)
    }

    fn under(
        binned: &Binned,
        node: u32,
        values: &impl Fn(u32) -> Vec<i64>,
        offsets: &[usize],
        mut masks: Vec<u128>,
        count: &mut usize,
    ) -> Self {
        let Some(Node::Branch(branch)) = binned.ensemble.parts().nodes.get(node as usize) else {
            return Self::Leaf(values(node));
        };
        let feature = branch.feature as usize;
        let accepted = binned.accepted(branch);
        let (held, offset) = (
            masks.get(feature).copied().unwrap_or(0),
            offsets.get(feature).copied().unwrap_or(0),
        );
        let id = *count;
        *count += 1;
        let mut side = |next, mask: u128| {
            if let Some(held) = masks.get_mut(feature) {
                *held = mask;
            }
            Self::under(binned, next, values, offsets, masks.clone(), count)
        };
        match (held & accepted, held & !accepted) {
            (0, no) => side(branch.no, no),
            (yes, 0) => side(branch.yes, yes),
            (yes, no) => {
                let (yes, no) = (side(branch.yes, yes), side(branch.no, no));
                // Of the bins that do not come here any may be accepted: as the test has it.
                let bits = binned.binning.bits().nth(feature).unwrap_or(0);
                let bit = |bin: usize| (accepted >> bin & 1) as i64;
                let change = |bin: usize| bit(bin + 1) - bit(bin);
                Self::Branch {
                    id,
                    test: Test {
                        entries: (0..bits)
                            .filter(|bin| change(*bin) != 0)
                            .map(|bin| ((offset + bin) as u32, change(bin)))
                            .collect(),
                        constant: bit(0),
                    },
                    yes: Box::new(yes),
                    no: Box::new(no),
                }
            }
        }
    }

    /// Branches on the longest path.
    pub(super) fn height(&self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::Branch { yes, no, .. } => 1 + yes.height().max(no.height()),
        }
    }

    /// Primes that the products on the way drop: those of the indicators of the top, and of the values of subtrees of two
    /// levels.
    pub(super) fn drops(&self) -> usize {
        match self.height() {
            0..=2 => 0,
            height => (height - 2).next_power_of_two().ilog2().max(1) as usize,
        }
    }
}

/// Sums over trees, one for each output, before the last relinearisation.
pub(super) struct Totals {
    pub(super) products: Vec<Option<ProductSum>>,
    pub(super) others: Vec<ProductCiphertext>,
}

/// A number, or one for each row.
enum Value {
    Number(i64),
    Rows(ProductCiphertext),
}

/// Evaluates trees by an evaluator at the level of the last products.
pub(super) struct Trees<'a, Bits> {
    pub(super) evaluator: &'a ProductEvaluator,
    /// Encrypted bits of the rows, by place.
    pub(super) bits: Bits,
    /// Primes that are left where the last products are taken.
    pub(super) level: usize,
    pub(super) outputs: usize,
}

/// What is kept while one tree is evaluated: tests, and indicators of parts of paths by their first and last branch and the
/// side of the latter.
#[derive(Default)]
struct Kept {
    tests: HashMap<usize, ProductCiphertext>,
    paths: HashMap<(usize, usize, bool), ProductCiphertext>,
}

impl<Bits: Fn(u32) -> Result<ProductCiphertext, ExactError>> Trees<'_, Bits> {
    /// No trees yet.
    pub(super) fn nothing(&self) -> Totals {
        Totals {
            products: vec![None; self.outputs],
            others: vec![self.evaluator.constant(0); self.outputs],
        }
    }

    /// Adds the values of a tree: over its subtrees of at most two levels the indicator of the path to each times its value,
    /// which takes one product and is linear in all others.
    pub(super) fn add(&self, tree: &Tree, totals: &mut Totals) -> Result<(), ExactError> {
        let mut kept = Kept::default();
        let mut bits = HashMap::new();
        self.load(tree, &mut bits, &mut kept)?;
        drop(bits);
        self.walk(tree, &mut Vec::new(), &mut kept, totals)
    }

    /// The sums over trees, ready to be answered.
    pub(super) fn finish(&self, totals: Totals) -> Result<Vec<ProductCiphertext>, ExactError> {
        let each = |(products, mut others): (Option<ProductSum>, ProductCiphertext)| {
            self.evaluator.lower(&mut others, self.level);
            let Some(products) = products else {
                return Ok(others);
            };
            let mut sum = self.evaluator.finish(products, false)?;
            self.evaluator.add_scaled(&mut sum, &others, 1);
            Ok(sum)
        };
        totals.products.into_iter().zip(totals.others).map(each).collect()
    }

    /// The tests of all branches; each bit is made once.
    fn load(
        &self,
        tree: &Tree,
        bits: &mut HashMap<u32, ProductCiphertext>,
        kept: &mut Kept,
    ) -> Result<(), ExactError> {
        let Tree::Branch { id, test, yes, no } = tree else {
            return Ok(());
        };
        let mut sum = self.evaluator.constant(test.constant);
        for (place, weight) in &test.entries {
            let bit = match bits.entry(*place) {
                std::collections::hash_map::Entry::Occupied(bit) => bit.into_mut(),
                std::collections::hash_map::Entry::Vacant(empty) => empty.insert((self.bits)(*place)?),
            };
            self.evaluator.add_scaled(&mut sum, bit, *weight);
        }
        kept.tests.insert(*id, sum);
        self.load(yes, bits, kept)?;
        self.load(no, bits, kept)
    }

    fn walk(
        &self,
        tree: &Tree,
        path: &mut Vec<(usize, bool)>,
        kept: &mut Kept,
        totals: &mut Totals,
    ) -> Result<(), ExactError> {
        match tree {
            Tree::Branch { id, yes, no, .. } if tree.height() > 2 => {
                for (side, next) in [(true, yes), (false, no)] {
                    path.push((*id, side));
                    self.walk(next, path, kept, totals)?;
                    path.pop();
                }
                Ok(())
            }
            _ => self.subtree(tree, path, kept, totals),
        }
    }

    /// A subtree of at most two levels, times the indicator of the path to it.
    fn subtree(
        &self,
        tree: &Tree,
        path: &[(usize, bool)],
        kept: &mut Kept,
        totals: &mut Totals,
    ) -> Result<(), ExactError> {
        let evaluator = self.evaluator;
        let reached = match path {
            [] => None,
            path => Some(self.path(path, kept)?),
        };
        for output in 0..self.outputs {
            let (Some(products), Some(others)) =
                (totals.products.get_mut(output), totals.others.get_mut(output))
            else {
                continue;
            };
            let mut product = |a: &ProductCiphertext, b: &ProductCiphertext| {
                let sum = products.get_or_insert_with(|| evaluator.sum(self.level));
                evaluator.add_product(sum, a, b)
            };
            match (&reached, tree) {
                // A product less: the last ones take it.
                (None, Tree::Branch { id, yes, no, .. }) if tree.height() == 2 => {
                    let (difference, rest) = self.difference(yes, no, output, kept)?;
                    product(test(kept, *id)?, &difference)?;
                    self.add_value(others, &rest);
                }
                (None, _) => {
                    let value = self.value(tree, output, kept)?;
                    self.add_value(others, &value);
                }
                (Some(reached), _) => match self.value(tree, output, kept)? {
                    Value::Number(number) => evaluator.add_scaled(others, reached, number),
                    Value::Rows(value) => product(reached, &value)?,
                },
            }
        }
        Ok(())
    }

    fn add_value(&self, sum: &mut ProductCiphertext, value: &Value) {
        match value {
            Value::Number(number) => self.evaluator.add_number(sum, *number),
            Value::Rows(rows) => self.evaluator.add_scaled(sum, rows, 1),
        }
    }

    /// `yes - no` and `no`, for subtrees of at most one level.
    fn difference(
        &self,
        yes: &Tree,
        no: &Tree,
        output: usize,
        kept: &Kept,
    ) -> Result<(ProductCiphertext, Value), ExactError> {
        let [yes, no] = [self.value(yes, output, kept)?, self.value(no, output, kept)?];
        let mut difference = self.evaluator.constant(0);
        self.add_value(&mut difference, &yes);
        match &no {
            Value::Number(number) => self.evaluator.add_number(&mut difference, -number),
            Value::Rows(rows) => self.evaluator.add_scaled(&mut difference, rows, -1),
        }
        Ok((difference, no))
    }

    /// The value of a subtree of at most two levels: `test (yes - no) + no`.
    fn value(&self, tree: &Tree, output: usize, kept: &Kept) -> Result<Value, ExactError> {
        let digit = |values: &Vec<i64>| values.get(output).copied().unwrap_or(0);
        let (id, yes, no) = match tree {
            Tree::Leaf(values) => return Ok(Value::Number(digit(values))),
            Tree::Branch { id, yes, no, .. } => (id, yes, no),
        };
        if let (Tree::Leaf(yes), Tree::Leaf(no)) = (&**yes, &**no) {
            let mut sum = self.evaluator.constant(digit(no));
            self.evaluator
                .add_scaled(&mut sum, test(kept, *id)?, digit(yes) - digit(no));
            return Ok(Value::Rows(sum));
        }
        let (difference, rest) = self.difference(yes, no, output, kept)?;
        let mut product = self.evaluator.mul(test(kept, *id)?, &difference)?;
        self.add_value(&mut product, &rest);
        Ok(Value::Rows(product))
    }

    /// 1 for the rows that take a part of a path, else 0: halves of it multiplied, so that depth is a logarithm.
    fn path(&self, path: &[(usize, bool)], kept: &mut Kept) -> Result<ProductCiphertext, ExactError> {
        let (Some((first, _)), Some((last, side))) = (path.first(), path.last()) else {
            return Ok(self.evaluator.constant(1));
        };
        let key = (*first, *last, *side);
        if let Some(found) = kept.paths.get(&key) {
            return Ok(found.clone());
        }
        let complement = |mut of: ProductCiphertext, without: &ProductCiphertext| {
            self.evaluator.add_scaled(&mut of, without, -1);
            of
        };
        let half = path.len().next_power_of_two() / 2;
        let (top, rest) = path.split_at(half.min(path.len() - 1));
        let found = match (top, rest) {
            ([], [(id, true)]) => test(kept, *id)?.clone(),
            ([], _) => complement(self.evaluator.constant(1), test(kept, *last)?),
            (top, [(id, false)]) => {
                let both = self.path(top, kept)?;
                let yes = self.path(&[top, &[(*id, true)]].concat(), kept)?;
                complement(both, &yes)
            }
            (top, rest) => {
                let (top, rest) = (self.path(top, kept)?, self.path(rest, kept)?);
                self.evaluator.mul(&top, &rest)?
            }
        };
        kept.paths.insert(key, found.clone());
        Ok(found)
    }
}

fn test(kept: &Kept, id: usize) -> Result<&ProductCiphertext, ExactError> {
    kept.tests.get(&id).ok_or(ExactError::Length {
        what: "tests of a branch",
        actual: 0,
        expected: 1,
    })
}

/// Adds ciphertexts by their sums of products: what several threads have made.
pub(super) fn merge(evaluator: &ProductEvaluator, mut a: Totals, b: Totals) -> Totals {
    for (a, b) in a.products.iter_mut().zip(b.products) {
        match (a.as_mut(), b) {
            (Some(a), Some(b)) => evaluator.merge(a, &b),
            (None, b) => *a = b,
            (Some(_), None) => (),
        }
    }
    for (a, b) in a.others.iter_mut().zip(&b.others) {
        evaluator.add_scaled(a, b, 1);
    }
    a
}

/// Primes that [`selected`] drops for costs of up to so many.
pub(super) const fn cost_drops(most: usize) -> usize {
    match most {
        0 => 0,
        most => (most + 1).next_power_of_two().ilog2() as usize - 1,
    }
}

/// `most!` times the sum over slots of cost zero of each leaf, if all costs are at most `most`: the product of `i - cost` for `i` from 1 to
/// `most`, times the leaf, in as few levels as it has factors. `(i - c) (most + 1 - i - c)` is `z + i (most + 1 - i)` with
/// `z = c^2 - (most + 1) c`, which takes one product for all pairs.
pub(super) fn selected(
    evaluator: &ProductEvaluator,
    cost: &ProductCiphertext,
    most: usize,
    leaves: &[ProductCiphertext],
    level: usize,
) -> Result<Vec<ProductCiphertext>, ExactError> {
    let mut leaves = leaves.to_vec();
    let end = most as i64 + 1;
    let shifted = |base: &ProductCiphertext, number: i64| {
        let mut sum = base.clone();
        evaluator.add_number(&mut sum, number);
        sum
    };
    let middle = (most % 2 == 1).then(|| shifted(&evaluator.times(cost, -1), end / 2));
    let mut pairs = Vec::new();
    if most >= 2 {
        let mut z = evaluator.mul(cost, cost)?;
        evaluator.add_scaled(&mut z, cost, -end);
        pairs = (1..=most as i64 / 2)
            .map(|i| shifted(&z, i * (end - i)))
            .collect();
    }
    if pairs.is_empty() {
        let last = |leaf: &ProductCiphertext| match &middle {
            Some(middle) => last_product(evaluator, middle, leaf, level),
            None => {
                let mut leaf = leaf.clone();
                evaluator.lower(&mut leaf, level);
                Ok(leaf)
            }
        };
        return leaves.iter().map(last).collect();
    }
    if let Some(middle) = &middle {
        for leaf in &mut leaves {
            *leaf = evaluator.mul(leaf, middle)?;
        }
    }
    let rest = pairs.split_off((most + 1).next_power_of_two() / 4);
    let mut rest = &rest[..];
    let mut size = 1;
    while !rest.is_empty() {
        if rest.len() & size != 0 {
            let (group, others) = rest.split_at(size);
            let group = all(evaluator, group)?;
            for leaf in &mut leaves {
                *leaf = evaluator.mul(leaf, &group)?;
            }
            rest = others;
        }
        size *= 2;
    }
    let top = all(evaluator, &pairs)?;
    leaves
        .iter()
        .map(|leaf| last_product(evaluator, &top, leaf, level))
        .collect()
}

fn last_product(
    evaluator: &ProductEvaluator,
    a: &ProductCiphertext,
    b: &ProductCiphertext,
    level: usize,
) -> Result<ProductCiphertext, ExactError> {
    let mut sum = evaluator.sum(level);
    evaluator.add_product(&mut sum, a, b)?;
    evaluator.finish(sum, false)
}

/// The product of factors, half by half.
fn all(evaluator: &ProductEvaluator, factors: &[ProductCiphertext]) -> Result<ProductCiphertext, ExactError> {
    match factors {
        [] => Ok(evaluator.constant(1)),
        [factor] => Ok(factor.clone()),
        factors => {
            let (first, second) = factors.split_at(factors.len() / 2);
            evaluator.mul(&all(evaluator, first)?, &all(evaluator, second)?)
        }
    }
}
