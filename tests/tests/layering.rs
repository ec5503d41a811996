//! The floor plan of `ARCHITECTURE.md` as a test: which crate may see which.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

/// Every workspace crate with exactly the workspace crates that it depends on.
const ARROWS: &[(&str, &[&str])] = &[
    ("hedgerow-crypto", &[]),
    ("hedgerow-dp", &[]),
    ("hedgerow-forest", &[]),
    (
        "hedgerow-protocol",
        &["hedgerow-crypto", "hedgerow-dp", "hedgerow-forest"],
    ),
    ("hedgerow-inference", &["hedgerow-crypto", "hedgerow-forest"]),
    ("hedgerow-edge", &["hedgerow-crypto", "hedgerow-protocol"]),
    (
        "hedgerow-coordinator",
        &[
            "hedgerow-crypto",
            "hedgerow-dp",
            "hedgerow-edge",
            "hedgerow-forest",
            "hedgerow-protocol",
        ],
    ),
    (
        "hedgerow-party",
        &[
            "hedgerow-crypto",
            "hedgerow-dp",
            "hedgerow-edge",
            "hedgerow-forest",
            "hedgerow-protocol",
        ],
    ),
    (
        "hedgerow-cli",
        &[
            "hedgerow-coordinator",
            "hedgerow-crypto",
            "hedgerow-dp",
            "hedgerow-edge",
            "hedgerow-forest",
            "hedgerow-inference",
            "hedgerow-party",
            "hedgerow-protocol",
        ],
    ),
    (
        "hedgerow-tests",
        &[
            "hedgerow-crypto",
            "hedgerow-dp",
            "hedgerow-edge",
            "hedgerow-forest",
            "hedgerow-protocol",
        ],
    ),
    (
        "hedgerow-examples",
        &["hedgerow-dp", "hedgerow-forest", "hedgerow-inference"],
    ),
];

/// Crates that decide and compute but never touch a socket, a file or a clock.
const WITHOUT_IO: &[&str] = &[
    "hedgerow-crypto",
    "hedgerow-dp",
    "hedgerow-forest",
    "hedgerow-protocol",
];

/// What brings sockets, files or SQL into a crate.
const IO: &[&str] = &["tokio", "quinn", "quinn-proto", "redb", "datafusion"];

fn metadata() -> Metadata {
    // The host's graph alone: the crates of other platforms may not even be downloaded.
    let rustc = std::process::Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs");
    let version = String::from_utf8(rustc.stdout).expect("rustc prints UTF-8");
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("rustc names its host");
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .other_options(["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .expect("cargo metadata reads the workspace")
}

/// Workspace crates that each workspace crate names in its manifest as dependencies of these kinds.
fn arrows(metadata: &Metadata, kinds: &[DependencyKind]) -> BTreeMap<String, BTreeSet<String>> {
    let members: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let of = |package: &Package| {
        let of_kind = package
            .dependencies
            .iter()
            .filter(|dependency| kinds.contains(&dependency.kind));
        of_kind
            .map(|dependency| dependency.name.clone())
            .filter(|name| members.contains(name))
            .collect()
    };
    metadata
        .workspace_packages()
        .iter()
        .map(|package| (package.name.to_string(), of(package)))
        .collect()
}

fn planned() -> BTreeMap<String, BTreeSet<String>> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ARROWS
        .iter()
        .map(|(from, to)| ((*from).to_owned(), names(to)))
        .collect()
}

#[test]
fn workspace_arrows_are_exactly_those_of_the_floor_plan() {
    assert_eq!(
        arrows(&metadata(), &[DependencyKind::Normal, DependencyKind::Build]),
        planned()
    );
}

#[test]
fn tests_of_a_crate_see_only_what_is_below_it() {
    let planned = planned();
    for (from, to) in arrows(&metadata(), &[DependencyKind::Development]) {
        let mut below = planned[&from].clone();
        // Whatever its dependencies see, transitively: the plan is a few levels deep.
        while let Some(next) = below
            .iter()
            .flat_map(|name| &planned[name])
            .find(|name| !below.contains(*name))
        {
            let next = next.clone();
            below.insert(next);
        }
        assert!(
            to.is_subset(&below),
            "tests of {from} see {to:?}, below it are {below:?}"
        );
    }
}

#[test]
fn crates_without_io_reach_no_socket_file_or_query_engine() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().expect("metadata has a resolved graph");
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    for start in metadata.workspace_packages() {
        if !WITHOUT_IO.contains(&start.name.as_str()) {
            continue;
        }
        let mut seen = BTreeSet::new();
        let mut queue = vec![&start.id];
        while let Some(id) = queue.pop() {
            if !seen.insert(id) {
                continue;
            }
            let name = metadata[id].name.as_str();
            assert!(!IO.contains(&name), "{} reaches {name}", start.name);
            for dependency in &nodes[id].deps {
                if dependency
                    .dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
                {
                    queue.push(&dependency.pkg);
                }
            }
        }
        assert!(seen.len() > 1, "{} has a graph to walk", start.name);
    }
}
