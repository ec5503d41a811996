//! A party's data in memory, row by row and node by node: what tests and examples join.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::join::{GradientPlan, GradientRows, JoinPlan, LeafRole, LinkedBlock, NOBODY};
use hedgerow_forest::query::{Measure, TableQuery};
use hedgerow_forest::schema::Schema;
use hedgerow_forest::schema::link::{BIN_OF_KNOWN, BIN_OF_UNKNOWN};
use hedgerow_forest::table::{CLASSES, Table};
use hedgerow_forest::tree::Tree;

use super::data::{JoinData, Weight};
use crate::ids::PartyId;

/// A row that stands for `copies` equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    /// Bin of each feature of the schema; those of columns with a link mean nothing.
    pub bins: Vec<u8>,
    /// Class, 0 or 1.
    pub label: u8,
    /// How often it is in the table.
    pub copies: u32,
    /// For each link of the schema the attribute party and the key that the row names; none for nobody of the run.
    pub names: Vec<Option<(PartyId, [u8; 32])>>,
}

/// The data of one party.
#[derive(Clone, Debug)]
pub struct MemoryData {
    schema: Schema,
    binner: Binner,
    rows: Vec<MemoryRow>,
    /// Key to the bin of each feature of the schema; those of columns without a link mean nothing.
    entities: BTreeMap<[u8; 32], Vec<u8>>,
}

impl MemoryData {
    /// Rows or entities of one party under a schema and its bins.
    #[must_use]
    pub fn new(
        schema: &Schema,
        binner: &Binner,
        rows: Vec<MemoryRow>,
        entities: BTreeMap<[u8; 32], Vec<u8>>,
    ) -> Self {
        Self {
            schema: schema.clone(),
            binner: binner.clone(),
            rows,
            entities,
        }
    }

    /// The rows.
    #[must_use]
    pub fn rows(&self) -> &[MemoryRow] {
        &self.rows
    }

    /// The bins of one entity.
    #[must_use]
    pub fn entity(&self, key: &[u8; 32]) -> Option<&[u8]> {
        self.entities.get(key).map(Vec::as_slice)
    }

    fn link_of(&self, feature: u16) -> Option<usize> {
        let link = self.schema.features.get(usize::from(feature))?.link.as_deref()?;
        self.schema.links().iter().position(|name| *name == link)
    }

    /// The link of a tree: of two, the lower one.
    fn link_of_tree(&self, tree: &Tree) -> Option<usize> {
        let tests = tree.splits().iter().filter(|split| !split.is_dummy());
        tests.filter_map(|split| self.link_of(split.feature)).min()
    }

    /// Whether a row passes the tests on its own columns on the way to a leaf.
    fn reaches(&self, tree: &Tree, leaf: usize, row: &MemoryRow) -> bool {
        (0..tree.depth()).all(|level| {
            let node = (1usize << level) - 1 + (leaf >> (tree.depth() - level));
            let goes_right = leaf >> (tree.depth() - 1 - level) & 1 == 1;
            tree.splits().get(node).is_some_and(|split| {
                let is_free = self.link_of(split.feature).is_some() && !split.is_dummy();
                let bin = row
                    .bins
                    .get(usize::from(split.feature))
                    .copied()
                    .unwrap_or_default();
                is_free || split.right.contains(bin) == goes_right
            })
        })
    }

    /// The leaf of a row whose entities are these, for each link the bins of all features, or none for a missing one.
    #[must_use]
    pub fn leaf(&self, tree: &Tree, row: &MemoryRow, entities: &[Option<&[u8]>]) -> usize {
        tree.leaf(|feature| {
            let place = usize::from(feature);
            let own = row.bins.get(place).copied().unwrap_or_default();
            let Some(link) = self.link_of(feature) else {
                return own;
            };
            let known = self
                .schema
                .features
                .get(place)
                .is_some_and(|column| column.is_known());
            match (entities.get(link).copied().flatten(), known) {
                (Some(_), true) => BIN_OF_KNOWN,
                (None, true) => BIN_OF_UNKNOWN,
                (Some(bins), false) => bins.get(place).copied().unwrap_or_default(),
                (None, false) => self.binner.bin_of_missing(place),
            }
        })
    }

    /// What a tree of a query counts: its leaves, or one histogram after the other.
    fn counted(query: &TableQuery, tree: usize) -> Vec<Option<(usize, u16)>> {
        match query.measure() {
            Measure::Histograms(axes) => axes.of_tree(tree).iter().copied().enumerate().map(Some).collect(),
            _ => vec![None],
        }
    }

    /// The link that this is about: that of any column that the tree tests, or that is counted.
    fn link_asked(&self, tree: &Tree, counted: Option<(usize, u16)>) -> Option<usize> {
        let of_histogram = || counted.and_then(|(_, feature)| self.link_of(feature));
        self.link_of_tree(tree).or_else(of_histogram)
    }

    /// Where a row in a leaf counts, in pairs of cells: in the leaf; or in a slot of a histogram, in every slot if it is
    /// of a column of the entity that the row names.
    fn places(
        &self,
        query: &TableQuery,
        leaf: usize,
        counted: Option<(usize, u16)>,
        (row, names): (&MemoryRow, bool),
    ) -> Vec<usize> {
        let (Measure::Histograms(axes), Some((number, feature))) = (query.measure(), counted) else {
            return vec![leaf];
        };
        let slots = usize::from(axes.slots());
        let first = (leaf * usize::from(axes.per_tree()) + number) * slots;
        let column = usize::from(feature);
        let known = self
            .schema
            .features
            .get(column)
            .is_some_and(|column| column.is_known());
        let bin = match self.link_of(feature) {
            Some(_) if names => return (first..first + slots).collect(),
            Some(_) if known => BIN_OF_UNKNOWN,
            Some(_) => self.binner.bin_of_missing(column),
            None => row.bins.get(column).copied().unwrap_or_default(),
        };
        let slot = axes.slots_of(feature).get(usize::from(bin)).copied();
        slot.map(|slot| first + usize::from(slot)).into_iter().collect()
    }

    /// The rows over one link, by the references to a party: other rows name nobody.
    fn linked(&self, party: &PartyId) -> Result<(LinkedBlock, std::ops::Range<u32>), String> {
        let references = self.references(party)?;
        let copies = |row: &MemoryRow| row.copies as usize;
        let rows: Vec<&MemoryRow> = self
            .rows
            .iter()
            .flat_map(|row| std::iter::repeat_n(row, copies(row)))
            .collect();
        let columns = self.schema.row_columns();
        let mut block = Binned::new(rows.len(), columns.clone().len());
        for (column, feature) in columns.into_iter().enumerate() {
            for (to, row) in block.column_mut(column).iter_mut().zip(&rows) {
                *to = row.bins.get(feature).copied().unwrap_or_default();
            }
        }
        let labels: Vec<u8> = rows.iter().map(|row| row.label).collect();
        let named = rows.iter().map(|row| match row.names.first() {
            Some(Some((at, key))) if at == party => {
                let position = references.binary_search(key).ok();
                position.map_or(NOBODY, |position| position as u32)
            }
            _ => NOBODY,
        });
        let named: Vec<u32> = named.collect();
        let block = LinkedBlock::new(block, &labels, &[named]).map_err(|error| error.to_string())?;
        Ok((block, 0..references.len() as u32))
    }

    /// The one party that rows name.
    fn named(&self) -> Option<PartyId> {
        let named = self.rows.iter().flat_map(|row| &row.names).flatten();
        named.map(|(party, _)| party.clone()).next()
    }

    fn gradients(&self, query: &TableQuery) -> Result<GradientPlan, String> {
        GradientPlan::new(query, &self.schema, &self.binner).map_err(|error| error.to_string())
    }

    fn plan(&self, query: &TableQuery) -> Result<JoinPlan, String> {
        JoinPlan::new(query, &self.schema, &self.binner).map_err(|error| error.to_string())
    }
}

impl JoinData for MemoryData {
    fn entities(&self) -> Result<Vec<[u8; 32]>, String> {
        Ok(self.entities.keys().copied().collect())
    }

    fn attributes(&self, feature: u16) -> Result<Vec<u8>, String> {
        let of = |bins: &Vec<u8>| bins.get(usize::from(feature)).copied();
        let column = self.entities.values().map(of).collect::<Option<_>>();
        column.ok_or_else(|| format!("no feature {feature}"))
    }

    fn references(&self, party: &PartyId) -> Result<Vec<[u8; 32]>, String> {
        let named = self.rows.iter().flat_map(|row| &row.names).flatten();
        let at = named.filter(|(at, _)| at == party).map(|(_, key)| *key);
        Ok(at.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn gradient_rows(&self, query: &TableQuery, party: &PartyId) -> Result<GradientRows, String> {
        let (block, entities) = self.linked(party)?;
        let rows = self.gradients(query)?.rows(&block, entities);
        rows.map_err(|error| error.to_string())
    }

    fn base_counts(&self, query: &TableQuery) -> Result<Table, String> {
        if let (Measure::Gradients(_), Some(party)) = (query.measure(), self.named()) {
            let (block, entities) = self.linked(&party)?;
            let cells = self.gradients(query)?.local(&[block], &entities);
            let cells = cells.map_err(|error| error.to_string())?;
            return Table::from_cells(query.shape(), cells).map_err(|error| error.to_string());
        }
        let mut table = Table::zeros(query.shape());
        let leaves = query.leaves();
        let plan = self.plan(query)?;
        for (number, tree) in query.trees().iter().enumerate() {
            for counted in Self::counted(query, number) {
                let link = self.link_asked(tree, counted);
                for row in &self.rows {
                    let names = link
                        .and_then(|link| row.names.get(link))
                        .is_some_and(Option::is_some);
                    let missing = self.leaf(tree, row, &[]);
                    let reached = (0..leaves).filter(|leaf| match names {
                        true => self.reaches(tree, *leaf, row),
                        false => *leaf == missing,
                    });
                    for leaf in reached {
                        for place in self.places(query, number * leaves + leaf, counted, (row, names)) {
                            let cell = place * CLASSES + usize::from(row.label);
                            let counts = !names || plan.role_of(cell) == LeafRole::Local;
                            if let (true, Some(count)) = (counts, table.cells_mut().get_mut(cell)) {
                                *count += i64::from(row.copies);
                            }
                        }
                    }
                }
            }
        }
        Ok(table)
    }

    fn weights(
        &self,
        query: &TableQuery,
        party: &PartyId,
        trees: Range<usize>,
    ) -> Result<Vec<Weight>, String> {
        let references = self.references(party)?;
        let leaves = query.leaves();
        let plan = self.plan(query)?;
        let mut sums: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for (number, tree) in query.trees().iter().enumerate() {
            for counted in Self::counted(query, number) {
                // The plan has a tree for each histogram.
                let asked = number * plan.features() + counted.map_or(0, |(number, _)| number);
                let Some(link) = self.link_asked(tree, counted).filter(|_| trees.contains(&asked)) else {
                    continue;
                };
                for row in &self.rows {
                    let Some(Some((_, key))) = row
                        .names
                        .get(link)
                        .filter(|named| named.as_ref().is_some_and(|(at, _)| at == party))
                    else {
                        continue;
                    };
                    let Ok(reference) = references.binary_search(key) else {
                        continue;
                    };
                    for leaf in (0..leaves).filter(|leaf| self.reaches(tree, *leaf, row)) {
                        for place in self.places(query, number * leaves + leaf, counted, (row, true)) {
                            let cell = place * CLASSES + usize::from(row.label);
                            if plan.predicate_of(cell).is_some() {
                                *sums.entry((cell, reference)).or_default() += row.copies;
                            }
                        }
                    }
                }
            }
        }
        let weight = |((cell, reference), count): ((usize, usize), u32)| Weight {
            cell: cell as u32,
            reference: reference as u32,
            count,
        };
        Ok(sums.into_iter().map(weight).collect())
    }
}
