//! Asks the linker to fold functions of identical code, of which DataFusion's generics leave many: 4 % of the binary.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    // Upstream Rust links this target, and no other, with its own lld, which knows the option; GNU ld does not. A
    // distribution's Rust may lack that lld.
    if target == "x86_64-unknown-linux-gnu" && brings_lld(&target) {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

fn brings_lld(target: &str) -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let host = std::env::var("HOST").unwrap_or_default();
    host == target
        && Path::new(&sysroot)
            .join("lib/rustlib")
            .join(target)
            .join("bin/gcc-ld/ld.lld")
            .exists()
}
