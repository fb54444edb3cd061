//! Writes the cases and the conversions that other architectures repeat:
//! `elsewhere CASES IMAGES PROGRAMS CONVERSIONS`.

use std::path::Path;

use shiftformer_tests::elsewhere;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [cases, images, programs, conversions] = args.as_slice() else {
        return Err("usage: elsewhere CASES IMAGES PROGRAMS CONVERSIONS".into());
    };
    let (cases, conversions) = (Path::new(cases), Path::new(conversions));
    for folder in [cases, conversions] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
    }
    for (name, case) in elsewhere::cases(images.parse()?, programs.parse()?) {
        case.save(&cases.join(name))?;
    }
    shiftformer_test_convert::write(conversions)?;
    Ok(())
}
