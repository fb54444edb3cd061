// A is what lies below the windows of a convolution, a row for each result pixel, a run of the
// image after another. Rows and columns above and left of the image are huge numbers.

fn a_row(place: Place, row: u32) -> Row {
    let in_frame = row / P.rows;
    let pixel = row - in_frame * P.rows;
    let top = (pixel / P.out_width) * P.stride_h - P.pad_top;
    let left = (pixel % P.out_width) * P.stride_w - P.pad_left;
    return Row(in_frame * P.frame_words, P.x, top, left);
}

fn a_word(row: Row, i: u32) -> u32 {
    let run = i / P.run_words;
    let y = row.y + run / P.runs;
    let x = row.x + run % P.runs;
    if (y >= P.in_height || x >= P.in_width) {
        return 0u;
    }
    let at = (y * P.in_width + x) * P.in_channels + (i - run * P.run_words) * 4u;
    return fetch(A_ALIGNED, row.base, row.byte + at);
}
