//! Binary layers for which the shader has a variant of tiles.

use shiftformer_tests::backend::check_cases;
use shiftformer_tests::ops::binary_linear_of_words;

use super::gpu;

#[test]
fn layers_of_words() {
    check_cases(gpu(), &binary_linear_of_words(), 4);
}
