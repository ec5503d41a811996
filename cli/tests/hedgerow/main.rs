//! The command as a person uses it, in processes of its own. One binary: what these tests need is linked once.

mod commands;
mod deployment;
mod forests;
mod growths;
mod joined;
mod mistakes;
mod models;
mod payments;
mod query;
mod rehearsals;
mod service;
mod simulation;
mod support;
