//! The SQL functions a source may use. All others stay out of the binary: unused, they would cost it 10 MB.

use std::sync::Arc;

use datafusion::execution::SessionStateBuilder;
use datafusion::functions::core::planner::CoreFunctionPlanner;
use datafusion::functions::{core, math};
use datafusion::functions_aggregate as aggregate;
use datafusion::functions_window as window;

/// Adds conditionals, arithmetic, the usual aggregates and window functions.
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
    builder
        .with_expr_planners(vec![
            Arc::new(CoreFunctionPlanner::default()),
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
