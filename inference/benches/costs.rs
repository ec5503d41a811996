//! The planner's cost table, measured: `RAYON_NUM_THREADS=1 cargo bench -p hedgerow-inference --bench costs -- [13 14 ...]`.
//!
//! Its output is the text of a table (`src/plan/costs.txt` is one).

use std::time::Instant;

use hedgerow_inference::plan::measure;

/// What the last cache holds on the project's machine.
const CACHE: u64 = 32 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let mut degrees: Vec<u32> = asked.collect();
    if degrees.is_empty() {
        degrees = vec![12, 13, 14, 15];
    }
    let start = Instant::now();
    print!(
        "{}",
        measure(&degrees, CACHE, &|| start.elapsed().as_secs_f64())?.text()
    );
    Ok(())
}
