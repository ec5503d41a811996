//! Growth asks for tables; whoever answers may do so over several parties, and the model is the same.

use hedgerow_forest::binning::{Binned, Binner};
use hedgerow_forest::grow::{Step, growth};
use hedgerow_forest::params::{ForestParams, Growth};
use hedgerow_forest::query::TableQuery;
use hedgerow_forest::route::Router;
use hedgerow_forest::schema::Schema;
use hedgerow_forest::table::Table;

/// One party's rows: `(amount, night, is it fraud?)`.
type Rows = Vec<(f64, bool, u8)>;

/// The model file grown over the given parties, each of which counts its own rows.
///
/// # Errors
/// What schema, growth or tables refuse; none for the data of this example.
pub fn grow_over(parties: &[Rows]) -> Result<String, Box<dyn std::error::Error>> {
    let schema = Schema::from_toml(
        "[label]\nname = \"fraud\"\npositive = \"1\"\n\
         [[feature]]\nname = \"amount\"\ntype = \"numeric\"\nmin = 0\nmax = 1000\n\
         [[feature]]\nname = \"night\"\ntype = \"categorical\"\ncategories = [\"no\", \"yes\"]\n",
    )?;
    let params = ForestParams::new(20, 4, 32, Growth::Random);
    let binner = Binner::new(&schema, params.bins)?;
    let mut grower = growth(&schema, &binner, params, [1; 32], None)?;
    let mut answer = None;
    loop {
        match grower.next(answer)? {
            Step::Done(forest) => return Ok(forest.to_json()?),
            Step::Ask(query) => {
                let mut total = Table::zeros(query.shape());
                for rows in parties {
                    total.add(&count(&query, &binner, rows)?)?;
                }
                answer = Some(total);
            }
        }
    }
}

fn count(query: &TableQuery, binner: &Binner, rows: &Rows) -> Result<Table, Box<dyn std::error::Error>> {
    let mut block = Binned::new(rows.len(), 2);
    for (bin, row) in block.column_mut(0).iter_mut().zip(rows) {
        *bin = binner.feature(0).number(row.0);
    }
    for (bin, row) in block.column_mut(1).iter_mut().zip(rows) {
        *bin = binner.feature(1).category(if row.1 { "yes" } else { "no" });
    }
    let labels: Vec<u8> = rows.iter().map(|row| row.2).collect();
    let mut counts = vec![0; query.cells()];
    Router::new(query).count(&block, &labels, &mut counts);
    let cells = counts.into_iter().map(i64::try_from).collect::<Result<_, _>>()?;
    Ok(Table::from_cells(query.shape(), cells)?)
}

/// Rows made by a rule: large amounts at night are fraud.
#[must_use]
pub fn rows(from: u32, to: u32) -> Rows {
    (from..to)
        .map(|i| {
            let (amount, night) = (f64::from(i * 37 % 1000), i % 3 == 0);
            (amount, night, u8::from(night && amount > 600.0))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parties_grow_what_one_would() {
        let apart = grow_over(&[rows(0, 100), rows(100, 350), rows(350, 500)]).unwrap();
        let pooled = grow_over(&[rows(0, 500)]).unwrap();
        assert_eq!(apart, pooled);
        assert_ne!(apart, grow_over(&[rows(0, 400)]).unwrap());
    }
}
