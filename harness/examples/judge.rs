//! Classifies the digits in folders of `harness run` with the shipped judge and compares the folders image by image:
//! `cargo run --release -p harness --example judge -- out/secure out/plain`.

use std::path::Path;
use std::{env, fs};

use masque_models::Classifier;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let judge = Classifier::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/binary-mnist/classifier"))?;
    let mut decisions = Vec::new();
    for folder in env::args().skip(1) {
        let mut files: Vec<_> = fs::read_dir(&folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
        files.retain(|f| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("image-")));
        files.sort();
        let mut pixels = Vec::new();
        for f in &files {
            pixels.extend(image::open(f)?.to_luma8().iter().map(|p| f32::from(*p) / 127.5 - 1.0));
        }
        let found = judge.classify(&pixels)?;
        println!("{folder}: {found:?}");
        decisions.push(found);
    }
    if let [a, b] = decisions.as_slice() {
        let same = a.iter().zip(b).filter(|(a, b)| a == b).count();
        println!("{same} of {} decided alike", a.len());
    }
    Ok(())
}
