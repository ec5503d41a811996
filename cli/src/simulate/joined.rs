//! All parties' data side by side, as only a simulation may see them: what mixed and vertical runs are held against.
//!
//! Rows and attributes are joined here in the clear and by the plainest means: every row becomes a row with all columns,
//! and then counts and is scored like any horizontal row. Nothing of the protocol's way of computing is used.

use super::world::Sizes;
use crate::error::{CliError, Result};
use crate::scenario::{Role, Scenario};
use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::Schema;
use hedgerow_forest::table::Table;
use hedgerow_forest::tree::Tree;
use hedgerow_party::data::entities::attributes;
use hedgerow_party::data::{
    Attribute, DataSpec, Engine, Entities, LinkColumns, LinkedRows, LinkedSpec, Named, RowStore, Split,
};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Rows that are put side by side at a time.
const BLOCK: usize = 8192;

/// The data of all parties of a mixed or vertical scenario.
pub struct Joined {
    schema: Schema,
    binner: Binner,
    /// For every feature that is read through a link, that link's position.
    links: Vec<Option<usize>>,
    /// For every link the one party that it leads to, by position in the scenario, if it leads to one.
    link_parties: Vec<Option<usize>>,
    parties: Vec<Holding>,
}

/// What one party of the scenario holds.
enum Holding {
    Rows {
        rows: Box<LinkedRows>,
        /// For every reference of the rows: the party, by position in the scenario, and the entity, if it knows it.
        entities: Vec<(usize, Option<u32>)>,
    },
    Attributes(Box<Entities>),
}

/// What an alignment of a row party with an attribute party is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Distinct keys that the rows name at the attribute party.
    pub references: u64,
    /// Entities of the attribute party.
    pub entities: u64,
    /// Keys that both have.
    pub common: u64,
}

impl Joined {
    /// Reads everybody's data. `specs` are the parties' sources seen through their features, in the scenario's order;
    /// `bins` are those of a numeric column.
    ///
    /// # Errors
    /// The data's, naming the party.
    pub async fn open(
        scenario: &Scenario,
        specs: &[DataSpec],
        (schema, bins): (&Schema, u16),
        engine: &Engine,
    ) -> Result<Self> {
        let binner = Binner::new(schema, bins).map_err(CliError::library("schema"))?;
        let names: Vec<&str> = scenario
            .file
            .links
            .iter()
            .map(|link| link.name.as_str())
            .collect();
        let links: Vec<Option<usize>> = schema
            .features
            .iter()
            .map(|column| {
                let link = column.link.as_deref();
                link.and_then(|link| names.iter().position(|name| *name == link))
            })
            .collect();
        let attributes: Vec<usize> = scenario
            .parties
            .iter()
            .enumerate()
            .filter(|(_, party)| party.role == Role::Attributes)
            .map(|(position, _)| position)
            .collect();
        let position = |id: &str| scenario.parties.iter().position(|party| party.id == id);
        let link_parties = scenario
            .file
            .links
            .iter()
            .map(|link| position(link.party.as_deref()?));
        let link_parties = link_parties.collect();
        let spec = rows_spec(scenario, &attributes, schema, &binner);
        let mut parties = Vec::new();
        for (party, data) in scenario.parties.iter().zip(specs) {
            let failed = || CliError::library(format!("party {:?}", party.id));
            parties.push(match party.role {
                Role::Rows => Holding::Rows {
                    rows: Box::new(
                        LinkedRows::read(engine, data, &spec, Split::none())
                            .await
                            .map_err(failed())?,
                    ),
                    entities: Vec::new(),
                },
                Role::Attributes => Holding::Attributes(Box::new(
                    Entities::read(
                        engine,
                        &data.source,
                        &party.key,
                        &attributes_spec(scenario, &party.id, schema, &binner),
                    )
                    .await
                    .map_err(failed())?,
                )),
            });
        }
        let mut joined = Self {
            schema: schema.clone(),
            binner,
            links,
            link_parties,
            parties,
        };
        joined.resolve(&attributes);
        Ok(joined)
    }

    /// Finds the entity behind every reference.
    fn resolve(&mut self, attributes: &[usize]) {
        let known: Vec<(usize, HashMap<&[u8; 32], u32>)> = attributes
            .iter()
            .filter_map(|&position| match self.parties.get(position)? {
                Holding::Attributes(entities) => {
                    Some((position, entities.keys().iter().zip(0u32..).collect()))
                }
                Holding::Rows { .. } => None,
            })
            .collect();
        let resolved: Vec<Vec<(usize, Option<u32>)>> = self
            .parties
            .iter()
            .map(|party| {
                let mut resolved = Vec::new();
                if let Holding::Rows { rows, .. } = party {
                    for (number, (position, index)) in known.iter().enumerate() {
                        debug_assert_eq!(resolved.len(), rows.references(number).start as usize);
                        let keys = rows.keys(number).iter();
                        resolved.extend(keys.map(|key| (*position, index.get(key).copied())));
                    }
                }
                resolved
            })
            .collect();
        drop(known);
        for (party, resolved) in self.parties.iter_mut().zip(resolved) {
            if let Holding::Rows { entities, .. } = party {
                *entities = resolved;
            }
        }
    }

    /// Positions of all parties.
    pub fn positions(&self) -> std::ops::Range<usize> {
        0..self.parties.len()
    }

    /// How much the party at this position holds.
    pub fn sizes(&self, position: usize) -> Sizes {
        match self.parties.get(position) {
            Some(Holding::Rows { rows, .. }) => Sizes {
                train: rows.train().rows() as u64,
                test: rows.test().rows() as u64,
                entities: 0,
            },
            Some(Holding::Attributes(entities)) => Sizes {
                entities: entities.keys().len() as u64,
                ..Sizes::default()
            },
            None => Sizes::default(),
        }
    }

    /// What the alignment of two parties, by position, is about.
    pub fn pair(&self, row: usize, attribute: usize) -> KeyCounts {
        let (Some(Holding::Rows { entities, .. }), Some(Holding::Attributes(table))) =
            (self.parties.get(row), self.parties.get(attribute))
        else {
            return KeyCounts::default();
        };
        let named = entities.iter().filter(|(party, _)| *party == attribute);
        KeyCounts {
            references: named.clone().count() as u64,
            entities: table.keys().len() as u64,
            common: named.filter(|(_, entity)| entity.is_some()).count() as u64,
        }
    }

    /// What was odd in the data, by position of the party.
    pub fn take_warnings(&mut self) -> Vec<(usize, String)> {
        let mut all = Vec::new();
        for (position, party) in self.parties.iter_mut().enumerate() {
            match party {
                Holding::Rows { rows, .. } => {
                    all.extend(rows.take_warnings().iter().map(|odd| (position, odd.to_string())));
                }
                Holding::Attributes(entities) => {
                    all.extend(entities.warnings().iter().map(|odd| (position, odd.to_string())));
                }
            }
        }
        all
    }

    /// The columns that row parties have themselves.
    pub fn own_columns(&self) -> Schema {
        let own = self.schema.row_columns();
        Schema {
            features: own
                .into_iter()
                .filter_map(|feature| self.schema.features.get(feature).cloned())
                .collect(),
            label: self.schema.label.clone(),
        }
    }

    /// The table of one party's training rows, with the attributes of those attribute parties that are among `members`;
    /// nothing for an attribute party. A query over [`own_columns`](Self::own_columns) is counted without any.
    ///
    /// # Errors
    /// A total beyond what a table holds.
    pub fn count(&self, position: usize, query: &TableQuery, view: View, members: &[usize]) -> Result<Table> {
        let router = Router::new(query);
        let count = |members: &[usize]| {
            let mut counts = vec![0; query.shape().cells()];
            self.each_block(position, Part::Train, view, members, |block, labels| {
                router.count(block, labels, &mut counts);
            });
            counts
        };
        let mut counts = count(members);
        // A tree over two links of which one party is missing reads as missing through both.
        let broken = match view {
            View::Joined => self.broken(query, members),
            View::Own => Vec::new(),
        };
        if broken.contains(&true) {
            let missing = count(&[position]);
            let per_tree = counts.len() / broken.len();
            let trees = counts
                .chunks_exact_mut(per_tree)
                .zip(missing.chunks_exact(per_tree));
            for ((counts, missing), _) in trees.zip(&broken).filter(|(_, broken)| **broken) {
                counts.copy_from_slice(missing);
            }
        }
        Table::from_counts(query.shape(), &counts).map_err(CliError::library("count the joined rows"))
    }

    /// Which trees of a query test columns of two links, one of an attribute party that is not among `members`. Only
    /// vertical scenarios have such trees, where each link is one party's.
    fn broken(&self, query: &TableQuery, members: &[usize]) -> Vec<bool> {
        let broken = |tree: &Tree| {
            let tests = tree.splits().iter().filter(|split| !split.is_dummy());
            let links: BTreeSet<usize> = tests
                .filter_map(|split| self.links.get(usize::from(split.feature)).copied().flatten())
                .collect();
            let is_there = |link: &usize| {
                let party = self.link_parties.get(*link).copied().flatten();
                party.is_none_or(|party| members.contains(&party))
            };
            links.len() > 1 && !links.iter().all(is_there)
        };
        query.trees().iter().map(broken).collect()
    }

    /// Calls `each` with blocks of one party's rows and their labels.
    pub fn each_block(
        &self,
        position: usize,
        part: Part,
        view: View,
        members: &[usize],
        mut each: impl FnMut(&Binned, &[u8]),
    ) {
        let Some(Holding::Rows { rows, entities }) = self.parties.get(position) else {
            return;
        };
        let store = match part {
            Part::Train => rows.train(),
            Part::Test => rows.test(),
        };
        let alive: BTreeSet<usize> = members.iter().copied().collect();
        for from in (0..store.rows()).step_by(BLOCK) {
            let to = store.rows().min(from + BLOCK);
            let block = self.block(store, entities, view, &alive, from..to);
            each(&block, store.labels.get(from..to).unwrap_or_default());
        }
    }

    fn block(
        &self,
        store: &RowStore,
        entities: &[(usize, Option<u32>)],
        view: View,
        alive: &BTreeSet<usize>,
        range: std::ops::Range<usize>,
    ) -> Binned {
        let features = match view {
            View::Own => self.links.iter().filter(|link| link.is_none()).count(),
            View::Joined => self.links.len(),
        };
        let mut block = Binned::new(range.len(), features);
        let (mut own, mut place) = (0, 0);
        for (feature, link) in self.links.iter().enumerate() {
            match link {
                None => {
                    let column = store
                        .columns
                        .get(own)
                        .and_then(|column| column.get(range.clone()));
                    block
                        .column_mut(place)
                        .copy_from_slice(column.unwrap_or_default());
                    (own, place) = (own + 1, place + 1);
                }
                Some(_) if view == View::Own => {}
                Some(link) => {
                    let references = store.references.get(*link).and_then(|all| all.get(range.clone()));
                    let found = references.unwrap_or_default().iter().map(|reference| {
                        let (party, entity) = entities.get(*reference as usize)?;
                        let entity = entity.filter(|_| alive.contains(party))?;
                        match self.parties.get(*party)? {
                            Holding::Attributes(table) => Some((table, entity)),
                            Holding::Rows { .. } => None,
                        }
                    });
                    self.read_through(feature, found, block.column_mut(place));
                    place += 1;
                }
            }
        }
        block
    }

    /// One column of entities; those that nobody knows read as missing.
    fn read_through<'a>(
        &'a self,
        feature: usize,
        found: impl Iterator<Item = Option<(&'a Box<Entities>, u32)>>,
        column: &mut [u8],
    ) {
        let bins = self.binner.feature(feature);
        let known = self
            .schema
            .features
            .get(feature)
            .is_some_and(|column| column.is_known());
        let (yes, no) = (bins.category("yes"), bins.category("no"));
        let missing = self.binner.bin_of_missing(feature);
        let number = u16::try_from(feature).unwrap_or(u16::MAX);
        for (bin, found) in column.iter_mut().zip(found) {
            *bin = match found {
                None if known => no,
                None => missing,
                Some(_) if known => yes,
                Some((table, entity)) => table
                    .attribute(number)
                    .and_then(|column| column.get(entity as usize).copied())
                    .unwrap_or(missing),
            };
        }
    }
}

/// Which columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Those of the row parties alone.
    Own,
    /// All.
    Joined,
}

/// Which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Training rows.
    Train,
    /// Test rows.
    Test,
}

fn rows_spec(scenario: &Scenario, attributes: &[usize], schema: &Schema, binner: &Binner) -> LinkedSpec {
    let number = |id: &str| {
        let at = attributes
            .iter()
            .position(|&at| scenario.parties.get(at).is_some_and(|party| party.id == id));
        at.and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX)
    };
    LinkedSpec {
        links: scenario
            .file
            .links
            .iter()
            .map(|link| LinkColumns {
                party: match (&link.party_column, &link.party) {
                    (Some(column), _) => Named::Column(column.clone()),
                    (None, party) => Named::Always(number(party.as_deref().unwrap_or_default())),
                },
                key: link.key_columns.clone(),
            })
            .collect(),
        parties: attributes.len(),
        serves: scenario
            .parties
            .iter()
            .flat_map(|party| {
                party
                    .serves
                    .iter()
                    .map(|value| (value.clone(), number(&party.id)))
            })
            .collect(),
        // Row parties share the bound, as `hedgerow_protocol::privacy::rows_per_entity` says.
        rows_per_entity: scenario.file.privacy.rows_per_entity.map(|rows| {
            let parties = scenario.parties.len().saturating_sub(attributes.len()).max(1);
            rows / u32::try_from(parties).unwrap_or(u32::MAX)
        }),
        ..LinkedSpec::own_columns(schema, binner)
    }
}

/// What one attribute party is asked through all links: in a vertical scenario each link asks one party only.
fn attributes_spec(scenario: &Scenario, party: &str, schema: &Schema, binner: &Binner) -> Arc<[Attribute]> {
    let asks = |name: &str| {
        let link = scenario.file.links.iter().find(|link| link.name == name);
        link.is_some_and(|link| link.party.as_deref().is_none_or(|asked| asked == party))
    };
    attributes(schema, binner.features(), |column| {
        column.link.as_deref().filter(|link| asks(link))?;
        column.attribute().filter(|_| !column.is_known())
    })
}
