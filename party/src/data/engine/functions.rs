//! The SQL functions a source may use. All others stay out of the binary: unused, they would cost it 10 MB.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::functions::core::planner::CoreFunctionPlanner;
use datafusion::functions::datetime::planner::DatetimeFunctionPlanner;
use datafusion::functions::unicode::planner::UnicodeFunctionPlanner;
use datafusion::functions::{core, datetime, math, string, unicode};
use datafusion::functions_aggregate as aggregate;
use datafusion::functions_window as window;

/// Adds conditionals, arithmetic, text, dates and times, the usual aggregates and window functions.
///
/// The features of a payments network are written with them: seconds between two instants (`to_unixtime`, `to_date` for
/// dates like `220131`), the first and the last hop of a chain (`first_value(x ORDER BY t)`), equality of texts however
/// they are spelt (`upper`, `trim`, `replace`).
pub(super) fn register(builder: SessionStateBuilder) -> SessionStateBuilder {
    let mut scalar = vec![
        core::coalesce(),
        core::nullif(),
        core::nvl(),
        core::nvl2(),
        core::greatest(),
        core::least(),
    ];
    scalar.extend(math::functions());
    scalar.extend([
        string::btrim(),
        string::concat(),
        string::contains(),
        string::lower(),
        string::replace(),
        string::split_part(),
        string::starts_with(),
        string::upper(),
        unicode::character_length(),
        unicode::left(),
        unicode::right(),
        unicode::strpos(),
        unicode::substr(),
        datetime::date_part(),
        datetime::to_date(),
        datetime::to_unixtime(),
    ]);
    builder
        .with_expr_planners(vec![
            Arc::new(CoreFunctionPlanner::default()),
            Arc::new(DatetimeFunctionPlanner),
            Arc::new(UnicodeFunctionPlanner),
            Arc::new(aggregate::planner::AggregateFunctionPlanner),
            Arc::new(window::planner::WindowFunctionPlanner),
        ])
        .with_scalar_functions(scalar)
        .with_aggregate_functions(vec![
            aggregate::count::count_udaf(),
            aggregate::sum::sum_udaf(),
            aggregate::average::avg_udaf(),
            aggregate::min_max::min_udaf(),
            aggregate::min_max::max_udaf(),
            aggregate::stddev::stddev_udaf(),
            aggregate::variance::var_samp_udaf(),
            aggregate::first_last::first_value_udaf(),
            aggregate::first_last::last_value_udaf(),
            aggregate::bool_and_or::bool_and_udaf(),
            aggregate::bool_and_or::bool_or_udaf(),
        ])
        .with_window_functions(vec![
            window::row_number::row_number_udwf(),
            window::rank::rank_udwf(),
            window::rank::dense_rank_udwf(),
            window::lead_lag::lag_udwf(),
            window::lead_lag::lead_udwf(),
        ])
}
