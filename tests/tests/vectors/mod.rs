//! Reads annotated hexadecimal files: a field to a line, its name behind `#`; lines of `# key: value` at the top.
#![allow(
    dead_code,
    reason = "each test binary has its own copy of this module and uses a part of it"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// One file.
pub struct Vector {
    /// Its bytes.
    pub bytes: Vec<u8>,
    path: PathBuf,
    headers: Vec<(String, String)>,
}

impl Vector {
    /// The value of a line `# key: value`.
    pub fn header(&self, key: &str) -> &str {
        let found = self.headers.iter().find(|(name, _)| name == key);
        found
            .map(|(_, value)| value.as_str())
            .unwrap_or_else(|| panic!("{}: no `# {key}:`", self.path.display()))
    }
}

/// A folder below `tests/vectors`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Reads a file.
pub fn read(path: &Path) -> Vector {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut bytes, mut headers) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            headers.extend(
                comment
                    .split_once(": ")
                    .map(|(key, value)| (key.to_owned(), value.to_owned())),
            );
        }
        let digits: Vec<u8> = line
            .split('#')
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| {
                c.to_digit(16)
                    .unwrap_or_else(|| panic!("{}: {c:?}", path.display())) as u8
            })
            .collect();
        assert!(digits.len().is_multiple_of(2), "{}: {line}", path.display());
        bytes.extend(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    }
    Vector {
        bytes,
        path: path.to_owned(),
        headers,
    }
}

/// Bytes as hexadecimal, for messages of failed tests.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
