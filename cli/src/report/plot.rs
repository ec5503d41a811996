//! ROC and precision-recall curves as SVG. Colours are placeholders that the page's style sheet replaces, so
//! that one drawing is readable on light and dark paper.

use super::Series;
use crate::error::{CliError, Result};
use plotters::prelude::*;

/// Stand-ins for the style sheet's `--federated`, `--pooled`, `--single`, `--grid`.
pub const FEDERATED: RGBColor = RGBColor(1, 1, 1);
const POOLED: RGBColor = RGBColor(2, 2, 2);
const SINGLE: RGBColor = RGBColor(3, 3, 3);
const GRID: RGBColor = RGBColor(4, 4, 4);
const INK: RGBColor = RGBColor(5, 5, 5);
const SIZE: (u32, u32) = (480, 400);

/// One chart over the unit square.
///
/// # Errors
/// [`CliError::Library`] if the drawing library refuses.
pub fn unit_square(x: &str, y: &str, diagonal: bool, series: &Series) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, x, y, diagonal, series)
        .map_err(|error| CliError::library::<String>("draw the curves")(error.to_string()))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    x: &str,
    y: &str,
    diagonal: bool,
    series: &Series,
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(44)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc(x)
        .y_desc(y)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|v| format!("{v:.1}"))
        .y_label_formatter(&|v| format!("{v:.1}"))
        .max_light_lines(0)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", 14).into_font().color(&INK))
        .axis_desc_style(("sans-serif", 15).into_font().color(&INK))
        .draw()?;
    if diagonal {
        chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], GRID))?;
    }
    // The federated curve last: on top.
    for (points, colour, width) in [
        (&series.best_single, SINGLE, 2),
        (&series.pooled, POOLED, 2),
        (&series.federated, FEDERATED, 3),
    ] {
        chart.draw_series(LineSeries::new(
            points.iter().copied(),
            colour.stroke_width(width),
        ))?;
    }
    area.present()?;
    Ok(())
}
