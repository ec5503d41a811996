//! Grows one forest over three parties and over their pooled rows, and compares the files.

use hedgerow_examples::tables::{grow_over, rows};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let apart = grow_over(&[rows(0, 100), rows(100, 350), rows(350, 500)])?;
    let pooled = grow_over(&[rows(0, 500)])?;
    println!(
        "three parties: {} bytes of model; pooled: {} bytes; equal: {}",
        apart.len(),
        pooled.len(),
        apart == pooled
    );
    Ok(())
}
