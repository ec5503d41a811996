//! The coordinator alone, with parties that say what they are told. Whole runs are in `tests/tests/simulation`.

mod align;
mod patience;
mod relay;
mod script;
mod upload;
