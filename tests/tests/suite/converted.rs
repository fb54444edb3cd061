//! The bundled float model, calibrated with bundled training images: the integer program
//! is as accurate as the float model, and gives its answers. The test of the demo says the same of the
//! bundled test images.

use ::data::{Dataset, open};
use converter::calibrate::QuantizeOptions;
use converter::import::{ImportOptions, import_onnx};
use converter::{BuildOptions, Conversion, convert, measure};
use facts::Comparison;
use shiftformer_tests::data;

/// Mean and standard deviation that training used.
const NORMALISATION: [f32; 2] = [0.2860, 0.3530];

/// Converts with `samples` calibration images, evenly spread, and compares on `images`.
fn compared(samples: usize, images: &Dataset) -> Comparison {
    let [mean, std] = NORMALISATION.map(|value| vec![value]);
    let options = ImportOptions { config: None, mean, std };
    let model = import_onnx(&data::path("vit_fmnist_fp32.onnx"), &options).unwrap();
    let calibration = open(&data::path("fmnist-train-128-images-idx3-ubyte.gz")).unwrap();
    let step = calibration.len() / samples;
    let calibration: Vec<Vec<u8>> =
        data::frames(&calibration, calibration.len()).into_iter().step_by(step).collect();
    assert_eq!(calibration.len(), samples);
    let Conversion { container, quantized } =
        convert(model, &calibration, &QuantizeOptions::default(), BuildOptions::default(), &()).unwrap();
    let frames = data::frames(images, images.len());
    let comparison =
        measure::compare(&quantized.float, &container, &frames, images.labels().ok(), "test images", &())
            .unwrap();
    println!("{samples} calibration images: {comparison:?}");
    comparison
}

/// On all 10,000 test images.
mod full {
    use super::*;

    #[test]
    #[ignore = "needs the whole data set: Debian's package dataset-fashion-mnist"]
    fn all_images() {
        let images = data::all_test_images();
        for (samples, least) in [(128, 91.3), (32, 91.0)] {
            let compared = compared(samples, &images);
            assert!((compared.float_top1.unwrap() - 91.53).abs() <= 0.02, "{compared:?}");
            assert!(compared.integer_top1.unwrap() >= least, "{compared:?}");
            assert!(compared.agreement.unwrap() >= 98.5, "{compared:?}");
        }
    }
}
