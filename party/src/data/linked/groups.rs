//! Rows divided by the attribute parties that they name.
//!
//! What is asked of one party concerns only the rows that name it; with rows in groups, one for each combination of
//! parties over the links, all parties together are answered with one pass over each row.

use super::{LinkedRows, NOBODY, RowStore};

/// More groups than this are too small to be worth it; then rows are divided by fewer links.
const MOST_GROUPS: usize = 1024;

/// Rows whose entities, through each link, are all at one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroup {
    /// For each link the attribute party, by position; `None` where the rows name nobody, or not all the same.
    parties: Vec<Parties>,
    /// The rows.
    pub rows: RowStore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parties {
    Nobody,
    One(usize),
    Any,
}

impl RowGroup {
    /// May a row of the group name an entity at this party through this link?
    pub fn names(&self, link: usize, party: usize) -> bool {
        match self.parties.get(link) {
            Some(Parties::One(one)) => *one == party,
            Some(Parties::Any) => true,
            Some(Parties::Nobody) | None => false,
        }
    }
}

impl LinkedRows {
    /// Takes the training rows, in groups.
    pub fn take_groups(&mut self) -> Vec<RowGroup> {
        let rows = std::mem::take(&mut self.train);
        let parties = self.keys.len();
        // Digits of a group's number, one for each link: a party, or `parties` for nobody.
        let mut divided = 0;
        let mut groups = 1usize;
        while divided < rows.references.len() && groups.saturating_mul(parties + 1) <= MOST_GROUPS {
            groups *= parties + 1;
            divided += 1;
        }
        let party_of = |reference: u32| match reference {
            NOBODY => parties,
            reference => self.offsets.partition_point(|start| *start <= reference) - 1,
        };
        let mut members = vec![Vec::new(); groups];
        for row in 0..rows.rows() {
            let links = rows.references.iter().take(divided);
            let group = links.fold(0, |group, link| {
                group * (parties + 1) + party_of(link.get(row).copied().unwrap_or(NOBODY))
            });
            if let Some(members) = members.get_mut(group) {
                members.push(row as u32);
            }
        }
        let parties_of = |group: usize| {
            (0..rows.references.len())
                .map(|link| {
                    if link >= divided {
                        return Parties::Any;
                    }
                    let digit = group / (parties + 1).pow((divided - 1 - link) as u32) % (parties + 1);
                    if digit == parties {
                        Parties::Nobody
                    } else {
                        Parties::One(digit)
                    }
                })
                .collect()
        };
        members
            .into_iter()
            .enumerate()
            .filter(|(_, members)| !members.is_empty())
            .map(|(group, members)| RowGroup {
                parties: parties_of(group),
                rows: rows.pick(&members),
            })
            .collect()
    }
}

impl RowStore {
    /// The rows at these positions.
    fn pick(&self, rows: &[u32]) -> Self {
        fn of<T: Copy + Default>(list: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter()
                .map(|row| list.get(*row as usize).copied().unwrap_or_default())
                .collect()
        }
        Self {
            columns: self.columns.iter().map(|column| of(column, rows)).collect(),
            labels: of(&self.labels, rows),
            references: self.references.iter().map(|link| of(link, rows)).collect(),
        }
    }
}
