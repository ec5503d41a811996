//! Tests of the engine on small generated files.
