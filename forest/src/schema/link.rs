//! Columns that belong to entities of other parties.
//!
//! A row may name an entity, as the account of a sender, through a *link*. A column that is an attribute of this
//! entity is called `<link>.<attribute>`. Every link has a column `<link>.known`, categorical `["no", "yes"]`: an
//! entity that nobody knows, an empty reference and the entities of a party that has dropped out read as missing in
//! all attributes and `"no"` here, so that a missing entity is a signal of its own.
//!
//! ```
//! use hedgerow_forest::schema::{Column, Label, Schema};
//! let schema = Schema {
//!     features: vec![
//!         Column::numeric("amount", 0.0, 1e6),
//!         Column::known("sender"),
//!         Column::categorical("flags", ["00", "01"]).read_through("sender"),
//!     ],
//!     label: Label { name: "fraud".into(), positive: "1".into() },
//! };
//! schema.validate()?;
//! assert_eq!(schema.links(), ["sender"]);
//! assert_eq!(schema.features[2].name, "sender.flags");
//! assert_eq!((schema.row_columns(), schema.link_columns("sender")), (vec![0], vec![1, 2]));
//! # Ok::<(), hedgerow_forest::schema::SchemaError>(())
//! ```

use super::{Column, ColumnKind, Schema, SchemaError};

/// Most links of a schema.
pub const MAX_LINKS: usize = 64;
/// Attribute that every link has: does anybody know the entity?
pub const KNOWN: &str = "known";
/// Categories of [`KNOWN`].
pub const KNOWN_CATEGORIES: [&str; 2] = ["no", "yes"];
/// Bin of [`KNOWN`] for an entity that nobody knows.
pub const BIN_OF_UNKNOWN: u8 = 0;
/// Bin of [`KNOWN`] for an entity that its party knows.
pub const BIN_OF_KNOWN: u8 = 1;

impl Column {
    /// The column as an attribute of the entity that `link` names; its name is prefixed.
    #[must_use]
    pub fn read_through(self, link: &str) -> Self {
        Self {
            name: format!("{link}.{}", self.name),
            kind: self.kind,
            link: Some(link.to_owned()),
        }
    }

    /// The column `<link>.known`.
    pub fn known(link: &str) -> Self {
        Self::categorical(KNOWN, KNOWN_CATEGORIES).read_through(link)
    }

    /// The attribute's name at its own party: what follows `<link>.`; `None` for a column of the rows.
    pub fn attribute(&self) -> Option<&str> {
        let link = self.link.as_deref()?;
        self.name.strip_prefix(link)?.strip_prefix('.')
    }

    /// Is this the `known` column of its link?
    pub fn is_known(&self) -> bool {
        self.attribute() == Some(KNOWN)
    }
}

impl Schema {
    /// Names of the links, in the order in which the features first mention them.
    pub fn links(&self) -> Vec<&str> {
        let mut links = Vec::new();
        for link in self.features.iter().filter_map(|column| column.link.as_deref()) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        links
    }

    /// Is any column read through a link?
    pub fn has_links(&self) -> bool {
        self.features.iter().any(|column| column.link.is_some())
    }

    /// Positions of the columns of the rows themselves, ascending.
    pub fn row_columns(&self) -> Vec<usize> {
        self.positions(|column| column.link.is_none())
    }

    /// Positions of the columns read through `link`, its `known` column among them, ascending.
    pub fn link_columns(&self, link: &str) -> Vec<usize> {
        self.positions(|column| column.link.as_deref() == Some(link))
    }

    fn positions(&self, is_wanted: impl Fn(&Column) -> bool) -> Vec<usize> {
        let wanted = self.features.iter().enumerate();
        wanted
            .filter(|(_, column)| is_wanted(column))
            .map(|(position, _)| position)
            .collect()
    }

    pub(super) fn validate_links(&self) -> Result<(), SchemaError> {
        for column in &self.features {
            let Some(link) = column.link.as_deref() else {
                continue;
            };
            if link.is_empty() || link.contains('.') {
                return Err(SchemaError::LinkName {
                    column: column.name.clone(),
                    seen: link.to_owned(),
                });
            }
            if column.attribute().is_none_or(str::is_empty) {
                return Err(SchemaError::LinkedName {
                    column: column.name.clone(),
                    link: link.to_owned(),
                });
            }
            if column.is_known() {
                column.validate_known()?;
            }
        }
        let links = self.links();
        if links.len() > MAX_LINKS {
            return Err(SchemaError::LinkCount { seen: links.len() });
        }
        for column in self.features.iter().filter(|column| column.link.is_none()) {
            let prefix = column.name.split_once('.').map(|(prefix, _)| prefix);
            if let Some(link) = prefix.filter(|prefix| links.contains(prefix)) {
                return Err(SchemaError::UnlinkedName {
                    column: column.name.clone(),
                    link: link.to_owned(),
                });
            }
        }
        let is_told = |link: &str| {
            let columns = self.features.iter();
            let mut own = columns.filter(|column| column.link.as_deref() == Some(link));
            own.any(Column::is_known)
        };
        match links.into_iter().find(|link| !is_told(link)) {
            Some(link) => Err(SchemaError::NoKnown {
                link: link.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Column {
    fn validate_known(&self) -> Result<(), SchemaError> {
        let seen = match &self.kind {
            ColumnKind::Categorical { categories } if *categories == KNOWN_CATEGORIES => return Ok(()),
            ColumnKind::Categorical { categories } => format!("categorical {categories:?}"),
            ColumnKind::Numeric { .. } => "numeric".to_owned(),
        };
        Err(SchemaError::Known {
            column: self.name.clone(),
            seen,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Label;

    fn good() -> Schema {
        Schema {
            features: vec![
                Column::categorical("flags", ["a", "b"]).read_through("to"),
                Column::numeric("amount", 0.0, 1.0),
                Column::known("from"),
                Column::known("to"),
                Column::numeric("balance", 0.0, 9.0).read_through("from"),
            ],
            label: Label {
                name: "fraud".into(),
                positive: "1".into(),
            },
        }
    }

    #[test]
    fn links_and_their_columns() {
        let schema = good();
        assert_eq!(schema.validate(), Ok(()));
        assert_eq!(schema.links(), ["to", "from"]);
        assert_eq!(schema.row_columns(), [1]);
        assert_eq!(schema.link_columns("to"), [0, 3]);
        assert_eq!(schema.link_columns("from"), [2, 4]);
        assert!(schema.link_columns("nobody").is_empty());
        assert_eq!(schema.features[4].attribute(), Some("balance"));
        assert!(schema.features[2].is_known() && !schema.features[4].is_known());
    }

    #[test]
    fn every_form_is_read_back_and_says_the_link() {
        let schema = good();
        let toml = schema.to_toml().unwrap();
        assert!(
            toml.contains(
                "name = \"from.balance\"\ntype = \"numeric\"\nmin = 0.0\nmax = 9.0\nlink = \"from\"\n"
            ),
            "{toml}"
        );
        assert_eq!(toml.matches("link =").count(), 4);
        assert_eq!(Schema::from_toml(&toml).unwrap(), schema);
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
        let compact = postcard::to_stdvec(&schema).unwrap();
        assert_eq!(postcard::from_bytes::<Schema>(&compact).unwrap(), schema);
    }

    /// Bytes of a compact column as they were before there were links.
    #[test]
    fn a_row_column_has_the_bytes_it_had() {
        let bytes = postcard::to_stdvec(&Column::categorical("c", ["a"])).unwrap();
        assert_eq!(bytes, [1, 1, b'c', 1, 1, b'a']);
    }

    #[test]
    fn errors_name_column_and_link() {
        let with = |change: fn(&mut Schema)| {
            let mut schema = good();
            change(&mut schema);
            schema.validate().unwrap_err().to_string()
        };
        assert_eq!(
            with(|s| s.features[4].name = "balance".into()),
            "schema: column \"balance\" is read through link \"from\": expected the name \"from.<attribute>\""
        );
        assert_eq!(
            with(|s| s.features[4].name = "from.".into()),
            "schema: column \"from.\" is read through link \"from\": expected the name \"from.<attribute>\""
        );
        assert_eq!(
            with(|s| s.features[4] = Column::numeric("x", 0.0, 1.0).read_through("a.b")),
            "schema: column \"a.b.x\": link: expected a name without \".\", found \"a.b\""
        );
        assert_eq!(
            with(|s| s.features[1].name = "to.amount".into()),
            "schema: column \"to.amount\" is named like one of link \"to\": it needs link = \"to\", or another name"
        );
        assert_eq!(
            with(|s| drop(s.features.remove(3))),
            "schema: link \"to\": expected a column \"to.known\", categorical [\"no\", \"yes\"], found none"
        );
        assert_eq!(
            with(|s| s.features[3].kind = ColumnKind::Numeric { min: 0.0, max: 1.0 }),
            "schema: column \"to.known\": expected categorical [\"no\", \"yes\"], found numeric"
        );
        assert_eq!(
            with(|s| s.features[3] = Column::categorical("known", ["yes", "no"]).read_through("to")),
            "schema: column \"to.known\": expected categorical [\"no\", \"yes\"], found categorical [\"yes\", \"no\"]"
        );
        assert_eq!(
            with(|s| (0..64).for_each(|i| s.features.push(Column::known(&format!("l{i}"))))),
            "schema: expected at most 64 links, found 66"
        );
    }
}
