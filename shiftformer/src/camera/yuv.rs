//! From brightness and colour differences to red, green and blue.
//!
//! With K_R and K_B of the matrix and K_G = 1 − K_R − K_B (ITU-R BT.601-7 and BT.709-6, section 3):
//!
//! ```text
//! R = Y + 2(1 − K_R)·V
//! G = Y − 2(1 − K_B)·K_B/K_G·U − 2(1 − K_R)·K_R/K_G·V
//! B = Y + 2(1 − K_B)·U
//! ```
//!
//! where Y, U and V are the bytes less their zero (0 and 128; 16 and 128 in the video range), times
//! 1 (or 255/219 for Y, 255/224 for U and V). Coefficients have 16 bits behind the point; sums are
//! rounded half up and saturate to bytes. A pixel of colour stands for the two by two of brightness
//! that it was made of.

/// The colour space that the camera's numbers are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, that of JPEG: K_R = 0.299, K_B = 0.114.
    #[default]
    Bt601,
    /// ITU-R BT.709, that of high-definition video: K_R = 0.2126, K_B = 0.0722.
    Bt709,
}

/// The bytes that black, white and full colour have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// All: 0 to 255.
    #[default]
    Full,
    /// Those of video: 16 to 235 for brightness, 16 to 240 for colour.
    Video,
}

/// Bits behind the point.
const BITS: u32 = 16;

/// The coefficients, in units of 2⁻¹⁶.
#[derive(Clone, Copy)]
pub(super) struct ToRgb {
    black: i32,
    luma: i32,
    red_of_red: i32,
    green_of_blue: i32,
    green_of_red: i32,
    blue_of_blue: i32,
}

/// What colour adds to red, green and blue, in the same units, and the half that rounds.
#[derive(Clone, Copy)]
pub(super) struct Colour([i32; 3]);

impl ToRgb {
    pub(super) const fn new(matrix: Matrix, range: Range) -> Self {
        let [luma, red_of_red, green_of_blue, green_of_red, blue_of_blue] = match (matrix, range) {
            (Matrix::Bt601, Range::Full) => [65536, 91881, 22553, 46802, 116130],
            (Matrix::Bt601, Range::Video) => [76309, 104597, 25675, 53279, 132201],
            (Matrix::Bt709, Range::Full) => [65536, 103206, 12276, 30679, 121609],
            (Matrix::Bt709, Range::Video) => [76309, 117489, 13975, 34925, 138438],
        };
        let black = match range {
            Range::Full => 0,
            Range::Video => 16,
        };
        Self { black, luma, red_of_red, green_of_blue, green_of_red, blue_of_blue }
    }

    /// That of the differences `blue` and `red`, U and V.
    pub(super) fn colour(&self, blue: u8, red: u8) -> Colour {
        let [u, v] = [blue, red].map(|difference| i32::from(difference) - 128);
        let half = 1 << (BITS - 1);
        Colour([
            half + self.red_of_red * v,
            half - self.green_of_blue * u - self.green_of_red * v,
            half + self.blue_of_blue * u,
        ])
    }

    /// Red, green and blue.
    pub(super) fn pixel(&self, luma: u8, colour: Colour) -> [u8; 3] {
        let grey = self.luma * (i32::from(luma) - self.black);
        colour.0.map(|part| ((grey + part) >> BITS).clamp(0, 255) as u8)
    }
}
