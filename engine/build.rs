//! Embeds every file under `shaders/` so that the binary needs none of them at run time.

use std::path::Path;
use std::{env, fs};

fn main() {
    // Asked for at run time: a build folder may have been copied from another checkout.
    let here = env::var("CARGO_MANIFEST_DIR").expect("CARGO_MANIFEST_DIR");
    let root = Path::new(&here).join("../shaders").canonicalize().expect("shaders folder");
    println!("cargo:rerun-if-changed={}", root.display());
    let mut list = String::from("&[\n");
    for (folder, prefix) in [(root.clone(), ""), (root.join("shared"), "shared/"), (root.join("testing"), "testing/")] {
        let mut names: Vec<_> = fs::read_dir(&folder)
            .expect("shaders folder")
            .map(|e| e.expect("folder entry").path())
            .filter(|p| p.extension().is_some_and(|e| e == "wgsl"))
            .collect();
        names.sort();
        for p in names {
            println!("cargo:rerun-if-changed={}", p.display());
            let stem = p.file_stem().expect("file name").to_string_lossy();
            list.push_str(&format!("    ({:?}, include_str!({:?})),\n", format!("{prefix}{stem}"), p.display()));
        }
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR").expect("OUT_DIR")).join("shaders.rs"), list).expect("write shader list");
}
