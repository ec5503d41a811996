//! The serialised form of a column: flat with a `type` in TOML and JSON, an enum in compact formats, which cannot
//! look ahead at a tag.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Column, ColumnKind};
use crate::exact;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FlatColumn {
    name: String,
    r#type: FlatType,
    #[serde(default, with = "exact::optional", skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, with = "exact::optional", skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    categories: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FlatType {
    Numeric,
    Categorical,
}

/// Columns of the rows come first, so that a schema without links has the bytes that it had before there were any.
#[derive(Serialize, Deserialize)]
enum CompactColumn {
    Numeric(String, f64, f64),
    Categorical(String, Vec<String>),
    LinkedNumeric(String, String, f64, f64),
    LinkedCategorical(String, String, Vec<String>),
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, link) = (self.name.clone(), self.link.clone());
        if serializer.is_human_readable() {
            let (r#type, min, max, categories) = match &self.kind {
                ColumnKind::Numeric { min, max } => (FlatType::Numeric, Some(*min), Some(*max), None),
                ColumnKind::Categorical { categories } => {
                    (FlatType::Categorical, None, None, Some(categories.clone()))
                }
            };
            FlatColumn {
                name,
                r#type,
                min,
                max,
                categories,
                link,
            }
            .serialize(serializer)
        } else {
            match (&self.kind, link) {
                (ColumnKind::Numeric { min, max }, None) => CompactColumn::Numeric(name, *min, *max),
                (ColumnKind::Categorical { categories }, None) => {
                    CompactColumn::Categorical(name, categories.clone())
                }
                (ColumnKind::Numeric { min, max }, Some(link)) => {
                    CompactColumn::LinkedNumeric(name, link, *min, *max)
                }
                (ColumnKind::Categorical { categories }, Some(link)) => {
                    CompactColumn::LinkedCategorical(name, link, categories.clone())
                }
            }
            .serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let (name, link, kind) = match CompactColumn::deserialize(deserializer)? {
                CompactColumn::Numeric(name, min, max) => (name, None, ColumnKind::Numeric { min, max }),
                CompactColumn::Categorical(name, categories) => {
                    (name, None, ColumnKind::Categorical { categories })
                }
                CompactColumn::LinkedNumeric(name, link, min, max) => {
                    (name, Some(link), ColumnKind::Numeric { min, max })
                }
                CompactColumn::LinkedCategorical(name, link, categories) => {
                    (name, Some(link), ColumnKind::Categorical { categories })
                }
            };
            return Ok(Self { name, kind, link });
        }
        let FlatColumn {
            name,
            r#type,
            min,
            max,
            categories,
            link,
        } = FlatColumn::deserialize(deserializer)?;
        let kind = match (r#type, min, max, categories) {
            (FlatType::Numeric, Some(min), Some(max), None) => ColumnKind::Numeric { min, max },
            (FlatType::Categorical, None, None, Some(categories)) => ColumnKind::Categorical { categories },
            (FlatType::Numeric, ..) => {
                return Err(D::Error::custom(format!(
                    "column {name:?} of type numeric needs min and max, and no categories"
                )));
            }
            (FlatType::Categorical, ..) => {
                return Err(D::Error::custom(format!(
                    "column {name:?} of type categorical needs categories, and no min or max"
                )));
            }
        };
        Ok(Self { name, kind, link })
    }
}
