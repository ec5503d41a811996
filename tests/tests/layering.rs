//! The floor plan of `ARCHITECTURE.md` as a test: which crate may see which.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Every workspace crate with exactly the workspace crates that it depends on.
const ARROWS: &[(&str, &[&str])] = &[
    ("hedgerow-crypto", &[]),
    ("hedgerow-dp", &[]),
    ("hedgerow-forest", &[]),
    (
        "hedgerow-protocol",
        &["hedgerow-crypto", "hedgerow-dp", "hedgerow-forest"],
    ),
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
        &[
            "hedgerow-crypto",
            "hedgerow-dp",
            "hedgerow-forest",
            "hedgerow-protocol",
        ],
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

#[test]
fn workspace_arrows_are_exactly_those_of_the_floor_plan() {
    let metadata = metadata();
    let members: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let found: BTreeMap<String, BTreeSet<String>> = metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let arrows = package
                .dependencies
                .iter()
                .map(|dependency| dependency.name.to_string())
                .filter(|name| members.contains(name))
                .collect();
            (package.name.to_string(), arrows)
        })
        .collect();
    let planned: BTreeMap<String, BTreeSet<String>> = ARROWS
        .iter()
        .map(|(from, to)| {
            (
                (*from).to_owned(),
                to.iter().map(|name| (*name).to_owned()).collect(),
            )
        })
        .collect();
    assert_eq!(found, planned);
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
