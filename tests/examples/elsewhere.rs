//! Writes the cases that other architectures run: `elsewhere FOLDER IMAGES`.

use std::path::Path;

use shiftformer_tests::elsewhere;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, images] = args.as_slice() else { return Err("usage: elsewhere FOLDER IMAGES".into()) };
    let folder = Path::new(folder);
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    for (name, case) in elsewhere::cases(images.parse()?) {
        case.save(&folder.join(name))?;
    }
    Ok(())
}
