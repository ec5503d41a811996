//! CSV files: numbers, and categories as the texts that the model knows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, Position, StringRecord};
use hedgerow_forest::ensemble::Feature;
use hedgerow_inference::service::Rows;

use crate::error::{CliError, Result};

/// The records of a file as they stand there. Whether the first holds names is decided when the model's columns are known.
pub struct Table {
    path: PathBuf,
    records: Vec<StringRecord>,
}

/// One column of the model: where it lies in a record, and the positions of its categories, if it has any.
struct Place<'a> {
    field: usize,
    name: &'a str,
    categories: Option<HashMap<&'a str, usize>>,
    /// Texts that are no category: how many, and the first.
    unknown: Option<(usize, String)>,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// Text that is no CSV, records of different lengths, no record.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(bytes);
        let records = reader
            .records()
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| refused(path, &error))?;
        if records.is_empty() {
            return Err(CliError::Config(format!("{}: no rows", path.display())));
        }
        Ok(Self {
            path: path.to_owned(),
            records,
        })
    }

    /// See [`Input::rows`](super::Input::rows).
    pub fn rows(self, columns: &[Feature]) -> Result<(Rows, Vec<String>)> {
        let mut said = Vec::new();
        let first = self.records.first().cloned().unwrap_or_default();
        let header = names(&first, columns);
        if header && is_counted(&first) && first.len() > 1 {
            said.push(format!(
                "{}: the first line counts 0, 1, 2, ...: read as names of columns, not as a row",
                self.path.display()
            ));
        }
        let mut places = self.places(columns, header.then_some(&first))?;
        let mut values = Vec::new();
        for record in self.records.iter().skip(usize::from(header)) {
            for place in &mut places {
                values.push(self.value(record, place)?);
            }
        }
        for place in &places {
            if let Some((count, example)) = &place.unknown {
                said.push(format!(
                    "{}: column {:?}: {count} texts that are no category of the model, read as missing; the first is {example:?}",
                    self.path.display(),
                    place.name
                ));
            }
        }
        if values.is_empty() {
            return Err(CliError::Config(format!("{}: no rows", self.path.display())));
        }
        let names = places.iter().map(|place| place.name.to_owned()).collect();
        let rows = Rows::new(names, places.len(), values);
        Ok((rows.map_err(CliError::library("query"))?, said))
    }

    /// Where the model's columns are: by name where both sides have names, else by place.
    fn places<'a>(
        &'a self,
        columns: &'a [Feature],
        header: Option<&'a StringRecord>,
    ) -> Result<Vec<Place<'a>>> {
        let width = self.records.first().map_or(0, StringRecord::len);
        let place = |field: usize, name: &'a str, feature: Option<&'a Feature>| Place {
            field,
            name,
            categories: feature
                .and_then(|feature| feature.categories.as_ref())
                .map(|texts| {
                    texts
                        .iter()
                        .enumerate()
                        .map(|(position, text)| (text.as_str(), position))
                        .collect()
                }),
            unknown: None,
        };
        let named = !columns.is_empty() && columns.iter().all(|column| !column.name.is_empty());
        match header {
            Some(header) if named => columns
                .iter()
                .map(|column| {
                    let mut found = header.iter().enumerate().filter(|(_, name)| *name == column.name);
                    match (found.next(), found.next()) {
                        (Some((field, _)), None) => Ok(place(field, &column.name, Some(column))),
                        (one, _) => Err(self.wrong(
                            header.position(),
                            &format!(
                                "{} columns called {:?}, expected one; there are {}",
                                if one.is_some() { "two or more" } else { "no" },
                                column.name,
                                header.iter().collect::<Vec<_>>().join(", ")
                            ),
                        )),
                    }
                })
                .collect(),
            _ if columns.is_empty() || columns.len() == width => Ok((0..width)
                .map(|field| {
                    let feature = columns.get(field);
                    let own = feature.map_or("", |feature| feature.name.as_str());
                    let name = if own.is_empty() {
                        header.and_then(|header| header.get(field)).unwrap_or("")
                    } else {
                        own
                    };
                    place(field, name, feature)
                })
                .collect()),
            _ => Err(self.wrong(
                self.records.first().and_then(StringRecord::position),
                &format!("{width} columns, expected {}", columns.len()),
            )),
        }
    }

    fn value(&self, record: &StringRecord, place: &mut Place<'_>) -> Result<f64> {
        let text = record.get(place.field).unwrap_or_default();
        if text.is_empty() {
            return Ok(f64::NAN);
        }
        match &place.categories {
            Some(categories) => Ok(match categories.get(text) {
                Some(position) => *position as f64,
                None => {
                    let unknown = place.unknown.get_or_insert_with(|| (0, text.to_owned()));
                    unknown.0 += 1;
                    f64::NAN
                }
            }),
            None => text.parse().map_err(|_| {
                let name = if place.name.is_empty() {
                    (place.field + 1).to_string()
                } else {
                    format!("{:?}", place.name)
                };
                self.wrong(
                    record.position(),
                    &format!("column {name}: {text:?} is no number"),
                )
            }),
        }
    }

    fn wrong(&self, at: Option<&Position>, error: &str) -> CliError {
        CliError::Config(format!(
            "{}:{}: {error}",
            self.path.display(),
            at.map_or(1, Position::line)
        ))
    }
}

/// What the reader says, at the line.
fn refused(path: &Path, error: &csv::Error) -> CliError {
    let line = error.position().map_or(1, Position::line);
    let said = match error.kind() {
        ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} fields, expected {expected_len}"),
        _ => error.to_string(),
    };
    CliError::Config(format!("{}:{line}: {said}", path.display()))
}

/// Does a first record hold names? So it does if the names of the model are among its fields, if a field fits no column at
/// its place, and if it counts from 0 as pandas does where nobody named the columns.
fn names(first: &StringRecord, columns: &[Feature]) -> bool {
    let known = !columns.is_empty()
        && columns
            .iter()
            .all(|column| !column.name.is_empty() && first.iter().any(|field| field == column.name));
    let fits = |(field, text): (usize, &str)| {
        let categories = columns.get(field).and_then(|column| column.categories.as_ref());
        text.is_empty()
            || match categories {
                Some(categories) => categories.iter().any(|category| category == text),
                None => text.parse::<f64>().is_ok(),
            }
    };
    known || !first.iter().enumerate().all(fits) || first.len() > 1 && is_counted(first)
}

/// `0, 1, 2, ...`
fn is_counted(record: &StringRecord) -> bool {
    record
        .iter()
        .enumerate()
        .all(|(field, text)| text.parse() == Ok(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::read(Path::new("x.csv"), text.as_bytes()).unwrap()
    }

    fn read(text: &str, columns: &[Feature]) -> (Vec<Vec<f64>>, Vec<String>) {
        let (rows, said) = table(text).rows(columns).unwrap();
        (rows.iter().map(<[f64]>::to_vec).collect(), said)
    }

    fn refused(text: &str, columns: &[Feature]) -> String {
        table(text).rows(columns).unwrap_err().to_string()
    }

    fn number(name: &str) -> Feature {
        Feature {
            name: name.to_owned(),
            categories: None,
        }
    }

    fn category(name: &str, texts: &[&str]) -> Feature {
        Feature {
            name: name.to_owned(),
            categories: Some(texts.iter().map(|text| (*text).to_owned()).collect()),
        }
    }

    #[test]
    fn tables_of_numbers_read_with_and_without_names() {
        let (rows, said) = read("a,b\n1,2\n\n3,\n", &[]);
        assert!(rows.len() == 2 && rows[0] == [1.0, 2.0] && rows[1][1].is_nan() && said.is_empty());
        assert_eq!(read("1,2\n3,4", &[]).0, [[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(
            refused("a,b\n1,x\n", &[]),
            "x.csv:2: column \"b\": \"x\" is no number"
        );
        assert_eq!(refused("a,b\n", &[]), "x.csv: no rows");
        let ragged = Table::read(Path::new("x.csv"), b"a,b\n1\n").err().unwrap();
        assert_eq!(ragged.to_string(), "x.csv:2: 1 fields, expected 2");
        assert!(Table::read(Path::new("x.csv"), b"").is_err());
    }

    #[test]
    fn columns_are_found_by_name_and_others_are_not_looked_at() {
        let columns = [number("b"), number("a")];
        assert_eq!(
            read("id,a,b\nx1,1,2\nx2,3,4\n", &columns).0,
            [[2.0, 1.0], [4.0, 3.0]]
        );
        assert!(refused("id,a\nx1,1\n", &columns).contains("x.csv:1: no columns called \"b\""));
        assert!(refused("a,a,b\n1,1,1\n", &columns).contains("two or more columns called \"a\""));
        // Names that are numbers are still names, if the model says so.
        assert_eq!(read("7,5\n1,2\n", &[number("5"), number("7")]).0, [[2.0, 1.0]]);
        assert_eq!(refused("1,2,3\n", &columns), "x.csv:1: 3 columns, expected 2");
    }

    #[test]
    fn a_line_that_counts_is_one_of_names_and_that_is_said() {
        let (rows, said) = read("0,1,2\n7,8,9\n", &[]);
        assert_eq!(rows, [[7.0, 8.0, 9.0]]);
        assert!(said[0].contains("names of columns"), "{said:?}");
        assert_eq!(read("0\n7\n", &[]).0, [[0.0], [7.0]]);
        assert_eq!(read("0,1,3\n7,8,9\n", &[]).0.len(), 2);
    }

    #[test]
    fn categories_are_texts_and_unknown_ones_are_missing() {
        let columns = [category("sex", &["f", "m"]), number("age")];
        let (rows, said) = read("age,sex\n30,m\n40,f\n50, x \n60,\n70,1\n", &columns);
        assert_eq!(rows[..2], [[1.0, 30.0], [0.0, 40.0]]);
        assert!(rows[2..].iter().all(|row| row[0].is_nan()));
        assert_eq!(said.len(), 1);
        assert!(
            said[0].contains("column \"sex\": 2 texts") && said[0].contains("\"x\""),
            "{said:?}"
        );
        // Without names, by place: the first line is a row, as it fits.
        assert_eq!(read("m,30\nf,40\n", &columns).0, [[1.0, 30.0], [0.0, 40.0]]);
    }
}
