//! `[forest]`: how trees grow, as far as somebody says; the rest suits schema, noise and declared rows.

use hedgerow_forest::grow;
use hedgerow_forest::params::{Criterion, ForestParams, Growth, SplitChoice, THOUSANDTHS};
use hedgerow_forest::schema::Schema;
use serde::Deserialize;

/// `[forest]`. What is left out suits the rest of the file ([`hedgerow_forest::grow::choose()`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForestSection {
    /// Number of trees.
    pub trees: Option<u32>,
    /// Levels of each.
    pub depth: Option<u8>,
    /// Bins of a numeric column.
    pub bins: Option<u16>,
    /// How trees grow.
    pub growth: GrowthName,
    /// What a greedy split should make purer.
    pub criterion: Criterion,
    /// Features that every tree may split by at a level.
    pub features_per_tree: Option<u16>,
    /// Most slots of a histogram below the root.
    pub slots: Option<u16>,
    /// Levels of greedy trees that have histograms of their own; 0 for all.
    pub levels: Option<u8>,
    /// Part of the budget for the structure, above 0 and below 1.
    pub split_share: Option<f64>,
    /// What a boosted tree adds of its step, above 0 and at most 1.
    pub learning_rate: Option<f64>,
    /// L2 penalty on a boosted leaf.
    pub lambda: Option<f64>,
    /// Least gain of a boosted split.
    pub min_gain: Option<f64>,
    /// Where boosted splits come from.
    pub split: Option<SplitChoice>,
    /// Boosted trees that grow on the same gradients.
    pub batch: Option<u16>,
    /// Links whose columns a tree may test: 1, or 2 in vertical runs of three parties or more.
    pub links_per_tree: Option<u8>,
}

/// `forest.growth`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrowthName {
    /// What suits the schema, the noise and the declared rows.
    #[default]
    Auto,
    /// Random decision trees.
    Random,
    /// Random decision trees over quantiles.
    Quantile,
    /// Best splits of histograms, level by level.
    Greedy,
    /// Gradient boosting.
    Boosted,
}

impl GrowthName {
    /// The growth, unless it is to be chosen.
    #[must_use]
    pub const fn growth(self) -> Option<Growth> {
        match self {
            Self::Auto => None,
            Self::Random => Some(Growth::Random),
            Self::Quantile => Some(Growth::Quantile),
            Self::Greedy => Some(Growth::Greedy),
            Self::Boosted => Some(Growth::Boosted),
        }
    }
}

impl ForestSection {
    /// Every parameter, and why. `noise` is the standard deviation of a count that the whole budget buys (`None`: no
    /// noise), `rows` the declared number of rows.
    ///
    /// # Errors
    /// The key at fault, and what is wrong.
    pub fn choose(
        &self,
        schema: &Schema,
        noise: Option<f64>,
        rows: Option<u64>,
    ) -> Result<Chosen, (&'static str, String)> {
        let (fitting, mut why) = match self.growth.growth() {
            None | Some(Growth::Greedy) => grow::choose(schema, rows.unwrap_or(UNDECLARED), noise),
            Some(Growth::Boosted) => {
                let links = schema.links().len();
                if links > 1 {
                    let reason = "is \"boosted\", which is joined over one link to one attribute party of a vertical run";
                    return Err(("forest.growth", format!("{reason}; this file has {links} links")));
                }
                let fitting = grow::boosted::defaults(noise.is_some(), schema.has_links());
                (fitting, "boosted, as the file says".to_owned())
            }
            Some(growth) => {
                let fitting = ForestParams::default_for(noise.is_some());
                let why = format!("{}, as the file says", growth.as_str());
                (ForestParams { growth, ..fitting }, why)
            }
        };
        if self.growth == GrowthName::Auto {
            why = format!("auto takes {why}");
            if rows.is_none() && noise.is_some() {
                why.push_str(&format!(
                    ". No data.rows are declared: {UNDECLARED} rows were assumed"
                ));
            }
        }
        let said = [
            ("trees", self.trees.map(u64::from), u64::from(fitting.trees)),
            ("depth", self.depth.map(u64::from), u64::from(fitting.depth)),
            ("bins", self.bins.map(u64::from), u64::from(fitting.bins)),
            ("levels", self.levels.map(u64::from), u64::from(fitting.levels)),
            (
                "features_per_tree",
                self.features_per_tree.map(u64::from),
                u64::from(fitting.features_per_tree),
            ),
        ];
        let other = said.into_iter().filter_map(|(key, given, fitting)| {
            let given = given.filter(|given| *given != fitting)?;
            Some(format!("{key} = {given} instead of {fitting}"))
        });
        let other: Vec<String> = other.collect();
        if !other.is_empty() {
            why.push_str(&format!(". The file says {}", other.join(", ")));
        }
        let mut params = ForestParams {
            trees: self.trees.unwrap_or(fitting.trees),
            depth: self.depth.unwrap_or(fitting.depth),
            bins: self.bins.unwrap_or(fitting.bins),
            criterion: self.criterion,
            features_per_tree: self.features_per_tree.unwrap_or(fitting.features_per_tree),
            slots: self.slots.unwrap_or(fitting.slots),
            split: self.split.unwrap_or(fitting.split),
            batch: self.batch.unwrap_or(fitting.batch),
            links_per_tree: self.links_per_tree.unwrap_or(fitting.links_per_tree),
            ..fitting
        };
        // Fewer levels than was fitting are fewer levels with histograms, too.
        params.levels = self.levels.unwrap_or(fitting.levels.min(params.depth));
        thousandths(
            "forest.split_share",
            self.split_share,
            1.0,
            &mut params.split_share,
        )?;
        thousandths(
            "forest.learning_rate",
            self.learning_rate,
            1.0,
            &mut params.learning_rate,
        )?;
        thousandths("forest.lambda", self.lambda, MOST, &mut params.lambda)?;
        thousandths("forest.min_gain", self.min_gain, MOST, &mut params.min_gain)?;
        params.validate().map_err(|error| ("forest", error.to_string()))?;
        Ok(Chosen { params, why })
    }
}

/// Rows that growth is chosen for if nobody says how many there are.
const UNDECLARED: u64 = 30_000;

/// How trees grow, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Every parameter.
    pub params: ForestParams,
    /// In words.
    pub why: String,
}

/// Largest penalty or gain.
const MOST: f64 = 1e6;

/// A number in thousandths, if one is given.
fn thousandths<T: TryFrom<u32>>(
    key: &'static str,
    value: Option<f64>,
    most: f64,
    to: &mut T,
) -> Result<(), (&'static str, String)> {
    let Some(value) = value else {
        return Ok(());
    };
    let whole = value * f64::from(THOUSANDTHS);
    // False for NaN.
    if !(whole >= 0.5 && value <= most) {
        let least = 1.0 / f64::from(THOUSANDTHS);
        return Err((key, format!("is {value}, expected {least} to {most}")));
    }
    // At most 10^9.
    *to = T::try_from(whole.round() as u32).map_err(|_| (key, format!("is {value}, which is too large")))?;
    Ok(())
}
