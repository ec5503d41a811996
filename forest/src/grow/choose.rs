//! Hyper-parameters by public facts alone: the schema, the declared number of rows, the noise.

use crate::params::{ForestParams, Growth};
use crate::schema::Schema;

/// Rows per standard deviation of a count at which a second level of histograms pays.
///
/// Measured on Adult, flights, payments and synthetic tasks of 10 to 20 features at epsilon 0.1 to 10: below, splits
/// inferred from the histograms of all rows are better, above, those of nodes' own histograms, by one level more for
/// every [`PER_LEVEL`] times as many.
const SECOND_LEVEL: f64 = 8000.0;
/// See [`SECOND_LEVEL`].
const PER_LEVEL: f64 = 1.6;
/// More levels than these make fewer trees, of more features each, as good or better: 20 to 30 against 50.
const MANY_LEVELS: u8 = 4;
/// Rows per standard deviation of the noise that a bin of a histogram of all rows should have, if they were even.
const PER_BIN: f64 = 12.0;

/// A greedy forest that suits a schema, and why, in words for people.
///
/// `rows` is the declared number of rows, an upper bound that should not be far off; private counts must not be used
/// unless they were bought. `noise` is the standard deviation of a count of sensitivity 1 that the whole budget buys
/// (`1 / sqrt(2 rho)` for the discrete Gaussian), and `None` without noise.
pub fn choose(schema: &Schema, rows: u64, noise: Option<f64>) -> (ForestParams, String) {
    let features = schema.row_columns().len()
        + schema
            .links()
            .iter()
            .map(|link| schema.link_columns(link).len())
            .max()
            .unwrap_or(0);
    let Some(noise) = noise.filter(|noise| *noise > 0.0) else {
        return exact(schema, features, rows);
    };
    // Over links leaves are dear: their cells are joined. Over one link 30 trees of depth 8 cost a fifth more than 50 of
    // depth 7 and are better (0.003 of AUROC on Adult and nine other sets; 50 of depth 8 gain 0.001 more). Where there
    // are many entities, or trees test few attributes of one link among several on their last levels, they are not.
    let (trees, depth) = match schema.links().len() {
        0 => (50, 8),
        1 if rows <= FEW_JOINED_ROWS => (30, 8),
        _ => (50, 7),
    };
    // How many rows there are to one row of noise, if all the budget went into one count.
    let rows = rows as f64;
    let signal = rows / noise;
    let mut params = ForestParams::new(trees, depth, 16, Growth::Greedy);
    let mut bound = SECOND_LEVEL;
    params.levels = 1;
    // Nor do levels of row columns alone pay there, at epsilon 1 or 5, on payments or Adult.
    while !schema.has_links() && signal >= bound && params.levels < params.depth {
        params.levels += 1;
        bound *= PER_LEVEL;
    }
    params.slots = 33;
    params.features_per_tree = if params.levels > MANY_LEVELS {
        // Fewer trees share the budget of a level; below 30, chance in their structure shows.
        params.trees = 30;
        features.div_ceil(3).clamp(2, 6) as u16
    } else {
        features.div_ceil(4).clamp(2, 6) as u16
    };
    let share = if params.levels == 1 { 0.4 } else { 0.175 };
    let edge_noise = noise * (schema.len() as f64 / share).sqrt();
    while params.bins < 128 && rows / f64::from(2 * params.bins) >= PER_BIN * edge_noise {
        params.bins *= 2;
    }
    if params.bins == 128 && rows / 254.0 >= PER_BIN * edge_noise {
        params.bins = 254;
    }
    let words = format!(
        "greedy: {} trees of depth {}, {} bins. The budget buys {signal:.0} rows to one of noise, so {} of {} levels get \
         histograms of their own, by {} of {features} features to a tree and level; the others are inferred from the \
         histograms of all rows, which {}",
        params.trees,
        params.depth,
        params.bins,
        params.levels,
        params.depth,
        params.features_per_tree,
        if params.levels == 1 {
            "are all that the structure costs"
        } else {
            "are asked once"
        },
    );
    (params, words)
}

/// Rows up to which joined cells are cheap enough for a level more: their price is that of the entities.
const FEW_JOINED_ROWS: u64 = 100_000;

/// Without noise every level has its histograms; over links there are fewer, because cells are joined. Over one link 20
/// trees of depth 9 are as dear as 30 of depth 8, and better (Adult .8646 and .8634, ten other sets alike).
///
/// Over several, columns of the rows on the upper levels cost no joined cells, and attributes are few: at least four features
/// are split at a level (payments at the challenge's size: average precision .976 instead of .973).
fn exact(schema: &Schema, features: usize, rows: u64) -> (ForestParams, String) {
    let (trees, depth) = match schema.links().len() {
        0 => (40, 9),
        1 if rows <= FEW_JOINED_ROWS => (20, 9),
        2.. if rows <= FEW_JOINED_ROWS => (30, 8),
        _ => (30, 7),
    };
    let per_level = if schema.has_links() {
        features.div_ceil(4).clamp(4, 8)
    } else {
        features.div_ceil(3).clamp(2, 8)
    };
    let params = ForestParams {
        features_per_tree: per_level as u16,
        slots: 33,
        ..ForestParams::new(trees, depth, 254, Growth::Greedy)
    };
    let words = format!(
        "greedy: {} trees of depth {}, {} bins. Counts are exact, so every level has histograms of its own, by {} of \
         {features} features to a tree and level",
        params.trees, params.depth, params.bins, params.features_per_tree,
    );
    (params, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grow::plan;
    use crate::schema::{Column, Label};

    fn schema(features: usize) -> Schema {
        Schema {
            features: (0..features)
                .map(|n| Column::numeric(format!("x{n}"), 0.0, 1.0))
                .collect(),
            label: Label {
                name: "y".into(),
                positive: "1".into(),
            },
        }
    }

    #[test]
    fn more_budget_buys_more_levels_and_bins() {
        let schema = schema(14);
        let chosen = |rows, noise| choose(&schema, rows, noise).0;
        let mut before = chosen(30_000, Some(1e9));
        assert_eq!((before.levels, before.bins), (1, 16));
        for noise in [100.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.01] {
            let params = chosen(30_000, Some(noise));
            assert!(
                params.levels >= before.levels && params.bins >= before.bins,
                "{noise}"
            );
            before = params;
        }
        assert_eq!((before.levels, before.bins), (before.depth, 254));
        // Rows and noise count in proportion.
        assert_eq!(
            chosen(30_000, Some(5.0)).levels,
            chosen(300_000, Some(50.0)).levels
        );
        assert_eq!(chosen(30_000, None).levels, 0);
        // Over links joined cells are dear: only exact counts buy levels, and fewer where there are many entities.
        let mut linked = schema.clone();
        linked
            .features
            .push(Column::numeric("bank.age", 0.0, 90.0).read_through("bank"));
        let chosen = |rows, noise| choose(&linked, rows, noise).0;
        assert_eq!(chosen(30_000, Some(0.01)).levels, 1);
        assert!(chosen(30_000, None).depth > chosen(1_000_000, None).depth);
    }

    #[test]
    fn what_is_chosen_can_be_planned_and_is_explained() {
        for features in [1, 2, 7, 40, 300] {
            for noise in [None, Some(1e6), Some(5.0), Some(1e-3)] {
                let (params, words) = choose(&schema(features), 100_000, noise);
                assert!(plan(&schema(features), &params).is_ok(), "{params:?}");
                assert!(words.contains(&format!("{} trees of depth {}", params.trees, params.depth)));
            }
        }
    }
}
