//! Writes what programs in other languages check the library of apps with: `apps FOLDER IMAGES`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, images] = args.as_slice() else {
        return Err("usage: apps FOLDER IMAGES".into());
    };
    let folder = Path::new(folder);
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    shiftformer_tests::apps::write(folder, images.parse()?)?;
    Ok(())
}
