//! What greedy growth asks at each level: the same for every tree, known before anything is asked.

use crate::params::{ForestParams, Growth};
use crate::schema::{ColumnKind, Schema};
use crate::table::CLASSES;

/// Slots below the root without another wish: 32 for values, one for missing values.
const SLOTS: u16 = 33;
/// Most features per tree and level without another wish: the cost of a level is proportional to it.
const MOST_FEATURES: usize = 8;

/// Levels with their features.
///
/// Over one link the order is free: every level draws from all columns, the rows' and the attributes'. Histograms at
/// nodes whose path tests an attribute, and of attributes, are joined cells; there are no more of them than with
/// attributes on the last levels, where most nodes are (Adult, 6 + 6 columns, 30 trees of depth 8: 647,290 against
/// 850,244), and the trees are much better (docs/benchmarks.md).
///
/// Over several links, of which a tree tests one, row columns come first: a histogram of a row column at a node whose path
/// tests no attribute is counted by the row party alone. The last levels are those of a link's attributes; if not all
/// levels have histograms, attributes are split where splits are inferred, and cost nothing but leaves. A leaf is a
/// conjunction and knows no order. A free order was no better there.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    rows: Vec<u16>,
    /// Per link its columns.
    links: Vec<Vec<u16>>,
    /// The levels below these are those of a link's attributes, with histograms or without.
    row_levels: usize,
    /// All columns, ascending, where every level may test any.
    free: Option<Vec<u16>>,
    /// Features per tree, for each level with histograms.
    wanted: Vec<usize>,
    /// All bins of each feature, the one of missing values included.
    bins: Vec<u16>,
    slots: u16,
}

impl Layout {
    pub(super) fn new(schema: &Schema, params: &ForestParams) -> Self {
        let as_features =
            |features: Vec<usize>| -> Vec<u16> { features.into_iter().map(|f| f as u16).collect() };
        let rows = as_features(schema.row_columns());
        let links: Vec<Vec<u16>> = schema
            .links()
            .into_iter()
            .map(|link| as_features(schema.link_columns(link)))
            .collect();
        let depth = usize::from(params.depth);
        let levels = match (params.growth, params.levels) {
            (Growth::Quantile, _) => 0,
            (_, 0) => depth,
            (_, levels) => usize::from(levels).min(depth),
        };
        let free = match links.as_slice() {
            [_] => Some((0..schema.len() as u16).collect::<Vec<u16>>()),
            _ => None,
        };
        let fewest = links.iter().map(Vec::len).min().unwrap_or(0);
        let most = links.iter().map(Vec::len).max().unwrap_or(0);
        let attribute_levels = match rows.len() {
            0 => depth,
            // In proportion, as if order did not matter; but a row column comes first.
            rows if most > 0 => (depth * most / (rows + most)).max(1).min(depth - 1),
            _ => 0,
        };
        let row_levels = depth - attribute_levels;
        // Attributes have histograms on all their levels or on none.
        let levels = if levels < depth && !rows.is_empty() && free.is_none() {
            levels.min(row_levels)
        } else {
            levels
        };
        let wish = |pool: usize| match usize::from(params.features_per_tree) {
            0 => pool.div_ceil(3).clamp(2, MOST_FEATURES),
            wish => wish,
        };
        let pool = |level| match &free {
            Some(all) => all.len(),
            None if level < row_levels => rows.len(),
            None => fewest,
        };
        let wanted = (0..levels)
            .map(|level| wish(pool(level)).min(pool(level)))
            .collect();
        let bins = schema.features.iter().map(|column| match &column.kind {
            ColumnKind::Numeric { min, max } if min == max => 2,
            ColumnKind::Numeric { .. } => params.bins + 1,
            ColumnKind::Categorical { categories } => categories.len() as u16 + 1,
        });
        Self {
            bins: bins.collect(),
            row_levels,
            free,
            wanted,
            slots: if params.slots == 0 { SLOTS } else { params.slots },
            rows,
            links,
        }
    }

    pub(super) const fn links(&self) -> usize {
        self.links.len()
    }

    /// What a tree of this link draws from at a level with histograms.
    pub(super) fn pool(&self, level: usize, link: Option<usize>) -> &[u16] {
        if let Some(all) = &self.free {
            return all;
        }
        match link.filter(|_| level >= self.row_levels) {
            Some(link) => self.links.get(link).map_or(&[], Vec::as_slice),
            None => &self.rows,
        }
    }

    /// What a tree of this link may split at a level without histograms, ascending: all, and at last attributes where the
    /// order is not free.
    pub(super) fn all(&self, level: usize, link: Option<usize>) -> Vec<u16> {
        if let Some(all) = &self.free {
            return all.clone();
        }
        let rows = if level < self.row_levels {
            self.rows.as_slice()
        } else {
            &[]
        };
        let of_link = link.and_then(|link| self.links.get(link)).into_iter().flatten();
        let mut all: Vec<u16> = rows.iter().chain(of_link).copied().collect();
        if all.is_empty() {
            all.clone_from(&self.rows);
        }
        all.sort_unstable();
        all
    }

    /// Features per tree, for each level with histograms.
    pub(super) fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// Slots of the histograms of all rows: every bin has one, and missing values have the last.
    pub(super) fn edge_slots(&self) -> u16 {
        self.bins.iter().copied().max().unwrap_or(1)
    }

    /// Slots of all other histograms.
    pub(super) fn slots(&self) -> u16 {
        self.slots.min(self.edge_slots())
    }

    /// Cells of the histograms of all rows.
    pub(super) fn edge_cells(&self) -> usize {
        self.bins.len() * usize::from(self.edge_slots()) * CLASSES
    }

    /// Cells of the histograms of one level.
    pub(super) fn cells(&self, trees: u32, level: usize) -> usize {
        let features = self.wanted.get(level).copied().unwrap_or(0);
        (trees as usize * features * usize::from(self.slots()) * CLASSES) << level
    }
}
